package pagerduty

import (
	"crypto/tls"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/pdaltagent/pdaltagent/delivery"
)

// TestWhoCannotBeTrustedIsNamed, with what is wrong and what to do, for each
// way in which a certificate can be bad.
func TestWhoCannotBeTrustedIsNamed(t *testing.T) {
	ours, others := newAuthority(t, "ours"), newAuthority(t, "a proxy's authority")
	hour := time.Now().Add(time.Hour)
	accept := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) })
	f := func(conf *tls.Config, words ...string) {
		t.Helper()
		expect(t, Config{EventsURL: serveTLS(t, conf, accept).URL, CAFile: ours.file}, words...)
	}
	f(others.issue("127.0.0.1", hour), "127.0.0.1:", `"CN=a proxy's authority"`, "set delivery.ca_file")
	f(ours.issue("192.0.2.7", hour), "127.0.0.1:", "made out to 192.0.2.7", "look at DNS")
	f(ours.issue("events.pagerduty.com", hour), "127.0.0.1:", "made out to events.pagerduty.com")
	past := time.Now().Add(-time.Minute)
	f(ours.issue("127.0.0.1", past), "127.0.0.1:", "to "+past.UTC().Format(time.RFC3339)+" only", "clock")
	f(ours.issue("127.0.0.1", time.Now().Add(3*time.Hour)), "is valid from", "clock")
	demanding := ours.issue("127.0.0.1", hour)
	demanding.ClientAuth, demanding.MaxVersion = tls.RequireAnyClientCert, tls.VersionTLS12 // by 1.3 it is told after the handshake, and not always heard
	f(demanding, "127.0.0.1:", "ends the handshake: tls: ", "a certificate of ours")
	demanding = demanding.Clone()
	demanding.MinVersion, demanding.MaxVersion, demanding.ClientAuth = tls.VersionTLS11, tls.VersionTLS11, tls.NoClientCert
	f(demanding, "127.0.0.1:", "protocol version", "older version")

	plain := httptest.NewServer(accept)
	t.Cleanup(plain.Close)
	expect(t, Config{EventsURL: strings.Replace(plain.URL, "http:", "https:", 1)}, "127.0.0.1:", "does not speak TLS", "wrong port")
}

// TestAProxyThatBreaksTLSIsNamed: be it one that reads along, one that answers
// itself, or one whose own certificate is bad.
func TestAProxyThatBreaksTLSIsNamed(t *testing.T) {
	others := newAuthority(t, "the proxy's authority")
	accept := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) })
	between := serveTLS(t, others.issue("events.pagerduty.com", time.Now().Add(time.Hour)), accept)
	p := newProxy(t, &proxy{to: between.Listener.Addr().String()})
	through := " through the proxy " + p.Addr().String()
	conf := Config{EventsURL: "https://events.pagerduty.com", Proxy: "http://us:s3cret@" + p.Addr().String()}
	expect(t, conf, "events.pagerduty.com"+through, `"CN=the proxy's authority"`, "delivery.ca_file")

	p = newProxy(t, &proxy{says: "<html>Blocked by policy</html>"})
	conf.Proxy = "http://us:s3cret@" + p.Addr().String()
	expect(t, conf, "events.pagerduty.com through the proxy "+p.Addr().String(), "does not speak TLS")

	own := serveTLS(t, others.issue("127.0.0.1", time.Now().Add(time.Hour)), accept)
	conf.Proxy = "https://us:s3cret@" + own.Listener.Addr().String()
	expect(t, conf, "no TLS with the proxy "+own.Listener.Addr().String(), `"CN=the proxy's authority"`)
}

// expect sends an event, to somebody who cannot be trusted, and looks for words
// in the error.
func expect(t *testing.T, config Config, words ...string) {
	t.Helper()
	err := sendTo(t.Context(), senderTo(t, config), "xere", "")
	var untrusted *delivery.Untrusted
	if !errors.As(err, &untrusted) {
		t.Errorf("got %v, want that it cannot be trusted: %q", err, words)
		return
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("no %q in %v", word, err)
		}
	}
	if strings.Contains(err.Error(), rKey) || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("holds a secret: %v", err)
	}
}
