package httpevent

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/pdaltagent/pdaltagent/ingest"
)

func TestSenderHearsOfSuccessOnlyAfterCommit(t *testing.T) {
	commit := make(chan func(ingest.Receipt), 1)
	g := start(t, Config{}, func(_ context.Context, _ []ingest.Message, done func(ingest.Receipt)) { commit <- done })
	answered := make(chan reaction, 1)
	go func() { answered <- g.post("/v2/enqueue", trigger) }()
	done := <-commit
	select {
	case got := <-answered:
		t.Fatalf("answered %d before the commit", got.status)
	case <-time.After(50 * time.Millisecond):
	}
	done(ingest.Receipt{Events: 1, DedupKey: "k<1>"})
	got := <-answered
	if got.status != http.StatusAccepted || got.fields["dedup_key"] != "k<1>" {
		t.Errorf("%d %s", got.status, got.body)
	}
}

type invalidEvent []string

func (e invalidEvent) Error() string          { return "invalid event" }
func (e invalidEvent) InvalidEvent() []string { return e }

func TestFaultsOfTheCommitAreTold(t *testing.T) {
	var receipt ingest.Receipt
	g := start(t, Config{}, func(_ context.Context, _ []ingest.Message, done func(ingest.Receipt)) { done(receipt) })

	receipt = ingest.Receipt{Err: errors.New("dial 10.0.0.1: connection refused")}
	got := g.post("/v2/enqueue", trigger)
	if got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") != "5" {
		t.Errorf("%d %s, retry after %q", got.status, got.body, got.header.Get("Retry-After"))
	}
	if strings.Contains(got.body, "10.0.0.1") || !strings.Contains(got.body, got.header.Get("X-Request-Id")) {
		t.Errorf("the sender is told %s", got.body)
	}
	if !strings.Contains(g.log.String(), "10.0.0.1: connection refused") {
		t.Errorf("the reason is not logged: %s", g.log)
	}

	receipt = ingest.Receipt{Err: fmt.Errorf("map: %w", invalidEvent{"no route"})}
	got = g.post("/v2/enqueue", trigger)
	if got.status != http.StatusBadRequest || !cmp.Equal(got.fields["errors"], []any{"no route"}) {
		t.Errorf("%d %s", got.status, got.body)
	}

	receipt = ingest.Receipt{Events: 0}
	if got = g.post("/hooks/x", "1"); got.body != `{"status":"success","events":0}` {
		t.Error(got.body)
	}
}

func TestCommitThatTakesTooLongIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var end time.Duration
		r := &Receiver{handler: ingest.HandlerFunc(func(ctx context.Context, _ []ingest.Message, _ func(ingest.Receipt)) {
			deadline, _ := ctx.Deadline()
			end = time.Until(deadline)
		})}
		began := time.Now()
		got := r.handOn(t.Context(), endpoints()[0], ingest.Message{})
		if got.status != http.StatusServiceUnavailable || time.Since(began) != commitWithin || end != commitWithin {
			t.Errorf("%d after %v, deadline in %v", got.status, time.Since(began), end)
		}
	})
}

func TestClientThatLeavesEndsTheWait(t *testing.T) {
	left := make(chan error, 1)
	entered := make(chan struct{})
	g := start(t, Config{}, func(ctx context.Context, _ []ingest.Message, done func(ingest.Receipt)) {
		close(entered)
		<-ctx.Done() // the queue is full
		left <- ctx.Err()
		done(ingest.Receipt{Err: ctx.Err()})
	})
	ctx, leave := context.WithCancel(t.Context())
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, g.url+"/v2/enqueue", strings.NewReader(trigger))
	if err != nil {
		t.Fatal(err)
	}
	go func() { <-entered; leave() }()
	if resp, err := g.client.Do(q); err == nil {
		_ = resp.Body.Close()
		t.Fatal("answered", resp.Status)
	}
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestRequestsInFlightAreAnsweredAtShutdown(t *testing.T) {
	commit := make(chan func(ingest.Receipt), 1)
	handler := ingest.HandlerFunc(func(_ context.Context, _ []ingest.Message, done func(ingest.Receipt)) { commit <- done })
	r, err := New(t.Context(), Config{Listen: []string{"http://127.0.0.1:0"}}, nil, handler,
		ingest.NewTally(prometheus.NewRegistry()), nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	g := &rig{t: t, url: "http://" + r.Addrs()[0].String(), client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
	answered := make(chan reaction, 1)
	go func() { answered <- g.post("/v2/enqueue", trigger) }()
	done := <-commit
	stop()
	select {
	case err := <-ended:
		t.Fatal("Run returned before the answer:", err)
	case <-time.After(50 * time.Millisecond):
	}
	done(ingest.Receipt{DedupKey: "late"})
	if got := <-answered; got.status != http.StatusAccepted {
		t.Errorf("%d %s", got.status, got.body)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestPortThatIsTakenIsNamed(t *testing.T) {
	g := start(t, Config{}, nil)
	_, err := New(t.Context(), Config{Listen: []string{"http://127.0.0.1:0", g.url}}, nil, ingest.HandlerFunc(g.take), nil, nil, slog.New(slog.DiscardHandler))
	want := "listen on " + g.url + ": bind: address already in use: another program (a second pdagentd?) holds it: stop that one, or change ingest.http.listen"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if _, err := New(t.Context(), Config{Listen: []string{"https://127.0.0.1:0"}}, nil, nil, nil, nil, nil); err == nil {
		t.Error("an https listener without a certificate")
	}
}

// hurried runs a Receiver that gives peers 100 ms to send a request.
func hurried(t *testing.T, handler ingest.HandlerFunc) *rig {
	t.Helper()
	g := &rig{t: t, registry: prometheus.NewRegistry(), client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
	r, err := New(t.Context(), Config{Listen: []string{"http://127.0.0.1:0"}}, nil, handler, ingest.NewTally(g.registry), nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	r.server.ReadTimeout = 100 * time.Millisecond
	g.r, g.url = r, "http://"+r.Addrs()[0].String()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return g
}

// TestSlowBodyIsCutOff plays slow loris: it sends a byte now and then.
func TestSlowBodyIsCutOff(t *testing.T) {
	g := hurried(t, nil)
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", g.r.Addrs()[0].String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := fmt.Fprint(conn, "POST /hooks/x HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n1"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusRequestTimeout {
		t.Error(resp.Status)
	}
	if diff := cmp.Diff(map[string]int{"malformed": 1}, g.counts()); diff != "" {
		t.Error(diff)
	}
}

func TestSlowCommitDoesNotCountAsSlowSender(t *testing.T) {
	g := hurried(t, func(ctx context.Context, _ []ingest.Message, done func(ingest.Receipt)) {
		select {
		case <-time.After(300 * time.Millisecond):
		case <-ctx.Done():
		}
		done(ingest.Receipt{Err: ctx.Err()})
	})
	if got := g.post("/v2/enqueue", trigger); got.status != http.StatusAccepted {
		t.Error(got.status, got.body)
	}
}

func TestHTTPSSpeaksHTTP2(t *testing.T) {
	g := start(t, Config{Listen: []string{"http://127.0.0.1:0", "https://127.0.0.1:0"}}, nil)
	q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.secure+"/v2/enqueue", strings.NewReader(trigger))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := g.client.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusAccepted || resp.ProtoMajor != 2 || resp.TLS.Version < tls.VersionTLS12 {
		t.Errorf("%s over %s", resp.Status, resp.Proto)
	}
	if got := g.post("/v2/enqueue", trigger); got.status != http.StatusAccepted {
		t.Error("http:", got.status)
	}
}

func TestReadinessSaysWhyNot(t *testing.T) {
	g := start(t, Config{}, nil)
	f := func(err error, wantStatus int, want string) {
		t.Helper()
		g.ready.Store(&err)
		if got := g.do(http.MethodGet, g.url+"/readyz", ""); got.status != wantStatus || got.body != want {
			t.Errorf("%d %s", got.status, got.body)
		}
	}
	f(nil, 200, `{"status":"ready","message":"events can be committed"}`)
	f(errors.New("postgres is away"), 503, `{"status":"not ready","message":"postgres is away"}`)
	f(nil, 200, `{"status":"ready","message":"events can be committed"}`)
}

func TestPanicInADecoderIsContained(t *testing.T) {
	g := start(t, Config{}, nil)
	e := endpoints()[0]
	e.decode = func(content, []byte) (any, error) { panic("boom") }
	g.r.server.Handler = g.r.receive(e)
	if got := g.post("/v2/enqueue", trigger); got.status != http.StatusInternalServerError {
		t.Error(got.status, got.body)
	}
	if diff := cmp.Diff(map[string]int{"panicked": 1}, g.counts()); diff != "" {
		t.Error(diff)
	}
}
