package pagerduty

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pdaltagent/pdaltagent/delivery"
	"github.com/pdaltagent/pdaltagent/ingest"
)

// TestRequestsGoThroughAProxy, with its password, and events of the EU region
// to their own host and paths.
func TestRequestsGoThroughAProxy(t *testing.T) {
	ca := newAuthority(t, "us")
	var (
		mu  sync.Mutex
		got []string
	)
	server := serveTLS(t, ca.issue("events.eu.pagerduty.com", time.Now().Add(time.Hour)), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		got = append(got, r.Proto+" "+r.Host+r.URL.Path)
		mu.Unlock()
		w.WriteHeader(http.StatusAccepted)
	}))
	p := newProxy(t, &proxy{to: server.Listener.Addr().String(), password: "s3cret"})
	s := senderTo(t, Config{EventsURL: "https://events.eu.pagerduty.com/", CAFile: ca.file, Proxy: "http://us:s3cret@" + p.Addr().String()})
	for _, to := range []struct {
		route string
		api   ingest.API
	}{{"v2", ""}, {"xere", ""}, {"xere", ingest.Integration}} {
		if err := sendTo(t.Context(), s, to.route, to.api); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{
		"HTTP/2.0 events.eu.pagerduty.com/v2/enqueue", "HTTP/2.0 events.eu.pagerduty.com/x-ere/" + rKey,
		"HTTP/2.0 events.eu.pagerduty.com/integration/" + rKey + "/enqueue",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if diff := cmp.Diff([]string{"events.eu.pagerduty.com:443"}, p.hosts()); diff != "" {
		t.Errorf("the proxy was asked for (-want +got):\n%s", diff)
	}
}

// TestAProxyThatRefusesIsNamed, without its password, and no delivery is
// rejected for it.
func TestAProxyThatRefusesIsNamed(t *testing.T) {
	f := func(p *proxy, credentials string, words ...string) {
		t.Helper()
		newProxy(t, p)
		s := senderTo(t, Config{EventsURL: "https://events.pagerduty.com", Proxy: "http://" + credentials + p.Addr().String()})
		err := sendTo(t.Context(), s, "xere", "")
		if err == nil {
			t.Fatal("was sent")
		}
		for _, word := range append(words, p.Addr().String()) {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("no %q in %v", word, err)
			}
		}
		var unsent *delivery.Unsent
		if strings.Contains(err.Error(), "wr0ng") || strings.Contains(err.Error(), rKey) || !errors.As(err, &unsent) {
			t.Errorf("got %v", err)
		}
	}
	f(&proxy{password: "s3cret"}, "us:wr0ng@", "asks for a password (407)", "delivery.proxy")
	f(&proxy{status: http.StatusForbidden}, "us:wr0ng@", "answered CONNECT with 403")
	gone := newProxy(t, &proxy{})
	_ = gone.Close()
	s := senderTo(t, Config{EventsURL: "https://events.pagerduty.com", Proxy: "http://us:wr0ng@" + gone.Addr().String()})
	if err := sendTo(t.Context(), s, "xere", ""); err == nil || strings.Contains(err.Error(), "wr0ng") || !strings.Contains(err.Error(), "refused") {
		t.Errorf("got %v", err)
	}
	for _, bad := range []string{"http://us:wr0ng@%zz", "us:wr0ng@proxy:3128", "http://us:wr0ng@"} {
		if _, err := New(Config{EventsURL: "https://events.pagerduty.com", Proxy: bad}, nil, nil); err == nil || strings.Contains(err.Error(), "wr0ng") {
			t.Errorf("%s: got %v", bad, err)
		}
	}
}

// TestChild is a process of its own, since net/http and crypto/x509 read the
// environment once.
func TestChild(t *testing.T) {
	if os.Getenv("PAGERDUTY_CHILD") == "" {
		t.Skip("runs in a process of its own")
	}
	routes, err := delivery.NewRoutes([]delivery.Route{{Name: "v2", Type: ingest.EventsV2, Key: key}}, "v2")
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(Config{EventsURL: os.Getenv("PAGERDUTY_CHILD"), CAFile: os.Getenv("CA_FILE"), Timeout: 5 * time.Second, Idle: 1}, routes, nil)
	if err == nil && os.Getenv("NO_PROXY") != "" {
		proxy, _ := s.proxy(httptest.NewRequestWithContext(t.Context(), http.MethodPost, s.base, http.NoBody))
		fmt.Println("result:", proxy)
		return
	}
	if err == nil {
		err = sendTo(t.Context(), s, "v2", "")
	}
	fmt.Println("result:", err)
}

// child sends one event in a process with an environment.
func child(t *testing.T, url string, env ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChild$")
	cmd.Env = append(env, "PAGERDUTY_CHILD="+url)
	out, err := cmd.CombinedOutput()
	_, result, ok := strings.Cut(string(out), "result: ")
	if !ok {
		t.Fatalf("%v\n%s", err, out)
	}
	result, _, _ = strings.Cut(result, "\n")
	return result
}

// TestTheEnvironmentIsHonoured: HTTPS_PROXY and NO_PROXY, and the authorities
// of the system, which those of ca_file are added to.
func TestTheEnvironmentIsHonoured(t *testing.T) {
	system, ours := newAuthority(t, "the system's"), newAuthority(t, "ours")
	accept := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) })
	trust := []string{"SSL_CERT_FILE=" + system.file, "SSL_CERT_DIR=/nowhere"}
	for _, ca := range []*authority{system, ours} {
		server := serveTLS(t, ca.issue("pagerduty.test", time.Now().Add(time.Hour)), accept)
		p := newProxy(t, &proxy{to: server.Listener.Addr().String(), password: "s3cret"})
		https := "HTTPS_PROXY=http://us:s3cret@" + p.Addr().String()
		if got := child(t, "https://pagerduty.test", append(trust, "CA_FILE="+ours.file, https)...); got != "<nil>" {
			t.Errorf("an authority that is %s: %s", ca.cert.Subject, got)
		}
		got := child(t, "https://pagerduty.test", append(trust, https)...)
		if want := ca == system; want != (got == "<nil>") {
			t.Errorf("without ca_file, an authority that is %s: %s", ca.cert.Subject, got)
		}
		if got := child(t, "https://pagerduty.test", append(trust, https, "NO_PROXY=.test")...); got != "<nil>" {
			t.Errorf("in spite of NO_PROXY the proxy is %s", got)
		}
	}
}
