package httpevent

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/pdaltagent/pdaltagent/ingest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const goodKey = "e93facc04764012d7bfb002500d5d1a6"

// rig is a running Receiver.
type rig struct {
	t        *testing.T
	r        *Receiver
	registry *prometheus.Registry
	url      string // of the first http listener
	secure   string // of the first https listener
	client   *http.Client
	log      *lockedBuffer
	ready    atomic.Pointer[error]

	mu       sync.Mutex
	received []ingest.Message
}

type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.String()
}

// take is the Handler of most tests: what it is given is durable at once.
func (g *rig) take(_ context.Context, ms []ingest.Message, done func(ingest.Receipt)) {
	g.mu.Lock()
	for _, m := range ms {
		req := *m.Request
		req.Raw = bytes.Clone(req.Raw)
		m.Request = &req
		g.received = append(g.received, m)
	}
	g.mu.Unlock()
	done(ingest.Receipt{Events: 1, DedupKey: "given-key"})
}

func (g *rig) last() ingest.Message {
	g.t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.received) == 0 {
		g.t.Fatal("nothing was handed on")
	}
	return g.received[len(g.received)-1]
}

func (g *rig) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.received)
}

// start runs a Receiver on loopback until the test ends; handler nil takes
// everything.
func start(t *testing.T, cfg Config, handler ingest.HandlerFunc) *rig {
	t.Helper()
	g := &rig{t: t, registry: prometheus.NewRegistry(), log: new(lockedBuffer)}
	if handler == nil {
		handler = g.take
	}
	if cfg.Listen == nil {
		cfg.Listen = []string{"http://127.0.0.1:0"}
	}
	logger := slog.New(slog.NewTextHandler(g.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	cert, err := SelfSigned(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	certificate := func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &cert, nil }
	ready := func() error { return *g.ready.Load() }
	if g.r, err = New(t.Context(), cfg, certificate, handler, ingest.NewTally(g.registry), ready, logger); err != nil {
		t.Fatal(err)
	}
	for i, addr := range g.r.Addrs() {
		if strings.HasPrefix(cfg.Listen[i], "https") {
			g.secure = "https://" + addr.String()
		} else {
			g.url = "http://" + addr.String()
		}
	}
	transport := &http.Transport{
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
		ForceAttemptHTTP2: true,
	}
	g.client = &http.Client{Transport: transport}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- g.r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		transport.CloseIdleConnections()
	})
	return g
}

// reaction is an answer as a client sees it.
type reaction struct {
	status int
	header http.Header
	body   string
	fields map[string]any
}

func (g *rig) do(method, url, body string, header ...string) reaction {
	g.t.Helper()
	q, err := http.NewRequestWithContext(g.t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		q.Header.Set(header[i], header[i+1])
	}
	resp, err := g.client.Do(q)
	if err != nil {
		g.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	got := reaction{status: resp.StatusCode, header: resp.Header, body: string(raw)}
	if err := json.Unmarshal(raw, &got.fields); err != nil {
		g.t.Errorf("%s %s answered no JSON: %q", method, url, raw)
	}
	return got
}

func (g *rig) post(path, body string, header ...string) reaction {
	g.t.Helper()
	return g.do(http.MethodPost, g.url+path, body, header...)
}

// counts returns the outcomes counted so far.
func (g *rig) counts() map[string]int {
	g.t.Helper()
	families, err := g.registry.Gather()
	if err != nil {
		g.t.Fatal(err)
	}
	counts := map[string]int{}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			for _, label := range metric.GetLabel() {
				if label.GetName() == "outcome" {
					counts[label.GetValue()] += int(metric.GetCounter().GetValue())
				}
			}
		}
	}
	return counts
}
