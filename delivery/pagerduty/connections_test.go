package pagerduty

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pdaltagent/pdaltagent/delivery"
	"github.com/pdaltagent/pdaltagent/ingest"
)

func sendTo(ctx context.Context, s *Sender, route string, api ingest.API) error {
	_, err := s.Send(ctx, &delivery.Delivery{Route: route, API: api, Body: []byte(`{"payload":{}}`), ContentType: "application/json"})
	return err
}

// sendMany makes n requests with as many workers as s has, and returns their
// errors.
func sendMany(t *testing.T, s *Sender, n int) (errs []error) {
	t.Helper()
	var (
		mu      sync.Mutex
		workers sync.WaitGroup
		left    atomic.Int64
	)
	left.Store(int64(n))
	for range s.config.Idle {
		workers.Go(func() {
			for left.Add(-1) >= 0 {
				if err := sendTo(t.Context(), s, "v2", ""); err != nil {
					mu.Lock()
					errs = append(errs, err)
					mu.Unlock()
				}
			}
		})
	}
	workers.Wait()
	return errs
}

// TestConnectionsAreUsedAgain, whatever is answered: each worker needs one.
func TestConnectionsAreUsedAgain(t *testing.T) {
	var opened, answered atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader([]int{202, 429, 500, 400}[answered.Add(1)%4])
		_, _ = io.WriteString(w, strings.Repeat("x", 20_000)) // more than is kept
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	s := senderTo(t, Config{EventsURL: server.URL})
	sendMany(t, s, 200)
	if n := opened.Load(); answered.Load() != 200 || n > int64(2*s.config.Idle) { // net/http dials some in vain
		t.Errorf("%d requests used %d connections, with %d workers", answered.Load(), n, s.config.Idle)
	}
}

// TestHTTP2IsSpoken where it is offered, on one connection for all workers.
func TestHTTP2IsSpoken(t *testing.T) {
	ca := newAuthority(t, "us")
	var (
		mu   sync.Mutex
		seen = map[string]int{}
	)
	server := serveTLS(t, ca.issue("127.0.0.1", time.Now().Add(time.Hour)), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		seen[r.Proto+" "+r.RemoteAddr]++
		mu.Unlock()
		w.WriteHeader(http.StatusAccepted)
	}))
	s := senderTo(t, Config{EventsURL: server.URL, CAFile: ca.file})
	if err := sendTo(t.Context(), s, "v2", ""); err != nil {
		t.Fatal(err)
	}
	if errs := sendMany(t, s, 100); len(errs) > 0 {
		t.Fatal(errs[0])
	}
	for how, n := range seen {
		if n != 101 || !strings.HasPrefix(how, "HTTP/2.0 ") {
			t.Errorf("%d requests by %s, want 101 by HTTP/2.0 on one connection", n, how)
		}
	}
}

// TestAForgottenConnectionIsLeft: a firewall that forgets an HTTP/2 connection
// costs the attempts that are under way, and not those of the next quarter of
// an hour.
func TestAForgottenConnectionIsLeft(t *testing.T) {
	ca := newAuthority(t, "us")
	server := serveTLS(t, ca.issue("127.0.0.1", time.Now().Add(time.Hour)), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusAccepted)
	}))
	wall := newWall(t, server.Listener.Addr().String())
	s := senderTo(t, Config{EventsURL: "https://" + wall.Addr().String(), CAFile: ca.file, Timeout: 2 * time.Second})
	if err := sendTo(t.Context(), s, "v2", ""); err != nil {
		t.Fatal(err)
	}
	wall.forget()
	if err := sendTo(t.Context(), s, "v2", ""); err == nil {
		t.Fatal("the connection was not forgotten")
	}
	if err := sendTo(t.Context(), s, "v2", ""); err != nil {
		t.Errorf("the next attempt, too: %v", err)
	}
}

// wall passes connections on until it forgets those that there are.
type wall struct {
	net.Listener
	mu    sync.Mutex
	known map[*atomic.Bool]bool
}

func newWall(t *testing.T, to string) *wall {
	t.Helper()
	var conf net.ListenConfig
	l, err := conf.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wall{l, sync.Mutex{}, map[*atomic.Bool]bool{}}
	var open sync.WaitGroup
	pass := func(dst, src net.Conn, gone *atomic.Bool) {
		buffer := make([]byte, 32<<10)
		for {
			n, err := src.Read(buffer)
			if err != nil {
				_ = dst.Close()
				return
			}
			if !gone.Load() {
				_, _ = dst.Write(buffer[:n])
			}
		}
	}
	open.Go(func() {
		for {
			here, err := l.Accept()
			if err != nil {
				return
			}
			there, err := net.Dial("tcp", to) //nolint:noctx // on loopback
			if err != nil {
				t.Error(err)
				return
			}
			gone := new(atomic.Bool)
			w.mu.Lock()
			w.known[gone] = true
			w.mu.Unlock()
			open.Go(func() { pass(there, here, gone) })
			open.Go(func() { pass(here, there, gone) })
		}
	})
	t.Cleanup(func() { _ = l.Close() })
	return w
}

func (w *wall) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for gone := range w.known {
		gone.Store(true)
	}
}

// TestNobodyHoldsAWorkerLonger than the time-out of an attempt, wherever the
// other side stalls; and what it said before it did counts, unless it was that
// it accepts.
func TestNobodyHoldsAWorkerLonger(t *testing.T) {
	const patience = 500 * time.Millisecond
	f := func(name, scheme string, say func(net.Conn), want string) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var conf net.ListenConfig
			l, err := conf.Listen(t.Context(), "tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			var open sync.WaitGroup
			open.Go(func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					open.Go(func() {
						_ = c.SetDeadline(time.Now().Add(10 * time.Second))
						if scheme == "http" {
							_, _ = c.Read(make([]byte, 4096))
						}
						say(c)
						_, _ = io.Copy(io.Discard, c)
						_ = c.Close()
					})
				}
			})
			s := senderTo(t, Config{EventsURL: scheme + "://" + l.Addr().String(), Timeout: patience})
			began := time.Now()
			err = sendTo(t.Context(), s, "v2", "")
			if took := time.Since(began); took > 4*patience {
				t.Errorf("held the worker for %s", took)
			}
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %q", err, want)
			}
			var unsent *delivery.Unsent
			if errors.As(err, &unsent) != (scheme == "https") {
				t.Errorf("that PagerDuty has not heard of it is %v: %v", errors.As(err, &unsent), err)
			}
			s.Close()
			_ = l.Close()
			open.Wait()
		})
	}
	drip := func(head, drop string) func(net.Conn) {
		return func(c net.Conn) {
			_, err := io.WriteString(c, head)
			for err == nil {
				time.Sleep(20 * time.Millisecond)
				_, err = io.WriteString(c, drop)
			}
		}
	}
	nothing := func(net.Conn) {}
	f("no TLS handshake", "https", nothing, "TLS handshake timeout")
	f("no answer", "http", nothing, "awaiting headers")
	f("an answer that drips in headers", "http", drip("HTTP/1.1 202 Accepted\r\n", "X: y\r\n"), "awaiting headers")
	f("a body that drips in", "http", drip("HTTP/1.1 202 Accepted\r\n\r\n", "x"), "answered 202, and then")
	f("a refusal that drips in", "http", drip("HTTP/1.1 400 Bad Request\r\n\r\n", "x"), "rejected with 400: xx")
	f("a plea that drips in", "http", drip("HTTP/1.1 429 Too Many\r\nRetry-After: 7\r\n\r\n", "x"), "asks to wait 7s")
	f("headers without end", "http", func(c net.Conn) {
		_, _ = io.WriteString(c, "HTTP/1.1 202 Accepted\r\n"+strings.Repeat("X: "+strings.Repeat("y", 1000)+"\r\n", 100))
	}, "exceeded")
}

// TestLittleOfAnAnswerIsKept, however long it is, and nothing of a key that is
// cut in two.
func TestLittleOfAnAnswerIsKept(t *testing.T) {
	for cut := range len(key) {
		answer := strings.Repeat("é", 100) + key + key + strings.ToUpper(key) + strings.Repeat("-", answerBytes)
		answer = answer[:answerBytes-cut] + key + strings.Repeat("z", 1<<20)
		s := newSender(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, answer)
		})
		err := sendTo(t.Context(), s, "v2", "")
		var rejected *delivery.Rejected
		if !errors.As(err, &rejected) || len(rejected.Answer) > answerBytes || len(rejected.Answer) < answerBytes/2 {
			t.Fatalf("kept %d bytes", len(err.Error()))
		}
		if strings.Contains(strings.ToLower(rejected.Answer), key[:4]) {
			t.Fatalf("a part of the key is left: …%s", rejected.Answer[len(rejected.Answer)-60:])
		}
	}
}

// TestRedirectsAreNotFollowed, since the key would go along; nor is it kept
// where they lead.
func TestRedirectsAreNotFollowed(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("was followed") }))
		s := newSender(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL+r.URL.Path, status)
		})
		err := sendTo(t.Context(), s, "xere", "")
		var failed *delivery.Failed
		if !errors.As(err, &failed) || failed.Status != status || !strings.Contains(err.Error(), "redirects to "+elsewhere.URL) || strings.Contains(err.Error(), rKey) {
			t.Errorf("got %v", err)
		}
		elsewhere.Close()
	}
}

// TestAWebPageIsNoAcceptance: a portal or proxy that answers everything with
// its own page has delivered nothing.
func TestAWebPageIsNoAcceptance(t *testing.T) {
	s := newSender(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "Text/HTML; charset=utf-8")
		_, _ = io.WriteString(w, "<h1>Sign in to the guests' Wi-Fi</h1>")
	})
	var failed *delivery.Failed
	if err := sendTo(t.Context(), s, "v2", ""); !errors.As(err, &failed) || !strings.Contains(err.Error(), "guests' Wi-Fi") {
		t.Errorf("got %v", err)
	}
}

// TestTheFileOfAuthoritiesIsReadAnew when it changes: what could not be trusted
// is delivered then.
func TestTheFileOfAuthoritiesIsReadAnew(t *testing.T) {
	before, now := newAuthority(t, "before"), newAuthority(t, "the one of now")
	server := serveTLS(t, now.issue("127.0.0.1", time.Now().Add(time.Hour)), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusAccepted)
	}))
	file := filepath.Join(t.TempDir(), "ca.pem")
	place := func(from string) {
		t.Helper()
		data, err := os.ReadFile(from) //nolint:gosec // the test wrote it
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, data, 0o600); err != nil { //nolint:gosec // in the test's folder
			t.Fatal(err)
		}
	}
	place(before.file)
	s := senderTo(t, Config{EventsURL: server.URL, CAFile: file})
	var untrusted *delivery.Untrusted
	if err := sendTo(t.Context(), s, "v2", ""); !errors.As(err, &untrusted) {
		t.Fatalf("got %v", err)
	}
	place(now.file)
	var err error
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if err = sendTo(t.Context(), s, "v2", ""); err == nil {
			break
		}
	}
	if err != nil {
		t.Error(err)
	}
	if _, err := New(Config{EventsURL: server.URL, CAFile: file + "x"}, nil, nil); err == nil || !strings.HasPrefix(err.Error(), "delivery.ca_file: ") {
		t.Errorf("got %v", err)
	}
}
