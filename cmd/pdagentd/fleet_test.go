package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pdaltagent/pdaltagent/delivery/sandbox"
	"github.com/pdaltagent/pdaltagent/migrations/embedded"
)

// fleet is some pdagentd on one database, and PagerDuty's stand-in.
type fleet struct {
	t         *testing.T
	program   string
	database  *embedded.Server
	pool      *pgxpool.Pool
	pagerduty *hearer
	entries   *sandbox.Sandbox // PagerDuty's log entries
	api       *httptest.Server // where they are
	asked     atomic.Int64     // how often for them
	refuse    atomic.Bool      // the token
	nodes     []*fleetNode
}

// fleetNode is one of them.
type fleetNode struct {
	*process
	name, config, web, ready string
}

// told is an event as PagerDuty gets it.
type told struct {
	Key     string `json:"routing_key"`
	Dedup   string `json:"dedup_key"`
	Action  string `json:"event_action"`
	Payload struct {
		Summary  string `json:"summary"`
		Severity string `json:"severity"`
	} `json:"payload"`
	At time.Time `json:"-"`
}

// hearer is a PagerDuty that accepts events, but for those that answer has an answer for.
type hearer struct {
	*httptest.Server
	answer func(w http.ResponseWriter, r *http.Request, e told) (done bool)

	mu       sync.Mutex
	accepted []told
}

func newHearer(t *testing.T) *hearer {
	t.Helper()
	s := &hearer{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var e told
		if err := json.NewDecoder(r.Body).Decode(&e); err != nil {
			t.Error(err)
		}
		if s.answer != nil && s.answer(w, r, e) {
			return
		}
		s.accept(e)
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *hearer) accept(e told) {
	e.At = time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accepted = append(s.accepted, e)
}

// got returns what was accepted so far, by dedup_key.
func (s *hearer) got() (byAlert map[string][]told, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	byAlert = map[string][]told{}
	for _, e := range s.accepted {
		byAlert[e.Dedup] = append(byAlert[e.Dedup], e)
	}
	return byAlert, len(s.accepted)
}

// newFleet starts nodes, with more configuration for each.
func newFleet(t *testing.T, nodes int, more string) *fleet {
	t.Helper()
	long(t)
	t.Parallel()
	f := &fleet{t: t, program: built(t), pagerduty: newHearer(t), entries: sandbox.New(sandbox.Config{Keep: 50_000})}
	f.api = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.asked.Add(1)
		if f.refuse.Load() {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		f.entries.ServeHTTP(w, r)
	}))
	t.Cleanup(f.api.Close)
	var err error
	if f.database, err = embedded.Start(t.Context(), embedded.Config{DataDir: dataDir(t)}, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := f.database.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	if f.pool, err = pgxpool.New(t.Context(), f.database.URL()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.pool.Close)
	for i := range nodes {
		f.nodes = append(f.nodes, f.configure(fmt.Sprint("n", i), f.database.URL(), more))
	}
	for _, n := range f.nodes {
		f.start(n)
	}
	t.Cleanup(func() {
		for _, n := range f.nodes {
			if n.process != nil {
				stop(t, n.process)
			}
		}
		http.DefaultClient.CloseIdleConnections()
	})
	return f
}

func (f *fleet) configure(name, url, more string) *fleetNode {
	f.t.Helper()
	n := &fleetNode{name: name, web: "http://127.0.0.1:" + freePort(f.t)}
	admin := "http://127.0.0.1:" + freePort(f.t)
	n.ready = admin + "/readyz"
	n.config = settings(f.t, fmt.Sprintf("pagerduty: { events_url: %s, api_url: %s, api_token: token }\nroutes: { noc: { key: %s } }\ndatabase: { url: '%s' }\n%s", f.pagerduty.URL, f.api.URL, testKey, url, more))
	rewrite(f.t, n.config, "node: test", "node: "+name, `["http://127.0.0.1:0", "https://127.0.0.1:0"]`, `["`+n.web+`"]`,
		`admin: { listen: "http://127.0.0.1:0" }`, `admin: { listen: "`+admin+`" }`)
	return n
}

func (f *fleet) start(n *fleetNode) {
	f.t.Helper()
	n.process = launch(f.t, f.program, n.config, n.ready)
	// Until it has made the database ready it spools.
	for deadline, lives := time.Now().Add(30*time.Second), false; !lives; time.Sleep(20 * time.Millisecond) {
		err := f.pool.QueryRow(f.t.Context(), `SELECT EXISTS (SELECT FROM nodes WHERE name = $1)`, n.name).Scan(&lives)
		if time.Now().After(deadline) {
			f.t.Fatalf("%s does not say that it lives: %v", n.name, err)
		}
	}
}

func (f *fleet) kill(n *fleetNode) {
	f.t.Helper()
	if err := n.Process.Kill(); err != nil {
		f.t.Fatal(err)
	}
	_ = n.Wait() // killed
	n.process = nil
}

// post sends an event to some node, again and again until one acknowledges it.
func (f *fleet) post(ctx context.Context, e told) {
	body, err := json.Marshal(map[string]any{
		"routing_key": e.Key, "event_action": e.Action, "dedup_key": e.Dedup,
		"payload": map[string]string{"summary": e.Payload.Summary, "source": "h", "severity": e.Payload.Severity},
	})
	if err != nil {
		f.t.Error(err)
	}
	for ctx.Err() == nil && !acknowledged(ctx, f.nodes[rand.IntN(len(f.nodes))].web, string(body)) {
		time.Sleep(20 * time.Millisecond)
	}
}

// flood has 16 senders post n events; Wait waits for them.
func (f *fleet) flood(ctx context.Context, n int, which func(i int) told) *sync.WaitGroup {
	var senders sync.WaitGroup
	for s := range 16 {
		senders.Go(func() {
			for i := s; i < n; i += 16 {
				f.post(ctx, which(i))
			}
		})
	}
	return &senders
}

func acknowledged(ctx context.Context, web, body string) bool {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, web+"/v2/enqueue", strings.NewReader(body))
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	_, _ = io.Copy(io.Discard, resp.Body) // for the connection to be used again
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusAccepted
}

// settled waits until nothing is on its way.
func (f *fleet) settled(within time.Duration) {
	f.t.Helper()
	var left int
	for deadline := time.Now().Add(within); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if err := f.pool.QueryRow(f.t.Context(), `SELECT count(*) FROM deliveries WHERE state IN ('held', 'queued')`).Scan(&left); err != nil {
			f.t.Fatal(err)
		}
		if left == 0 {
			return
		}
	}
	f.t.Fatalf("%d deliveries are left after %s", left, within)
}

func event(key, dedup, action, summary, severity string) (e told) {
	e.Key, e.Dedup, e.Action, e.Payload.Summary, e.Payload.Severity = key, dedup, action, summary, severity
	return e
}

func percentile(all []time.Duration, share float64) time.Duration {
	slices.Sort(all)
	return all[int(share*float64(len(all)-1))]
}

// size is a figure of a test, or what the environment says instead.
func size(t testing.TB, variable string, usual int) int {
	t.Helper()
	n := usual
	if s := os.Getenv(variable); s != "" {
		if _, err := fmt.Sscan(s, &n); err != nil {
			t.Fatalf("%s: %v", variable, err)
		}
	}
	return n
}

// until waits until an alert was told, and returns when.
func (f *fleet) until(ctx context.Context, dedup string) time.Time {
	for ctx.Err() == nil {
		if byAlert, _ := f.pagerduty.got(); len(byAlert[dedup]) > 0 {
			return byAlert[dedup][0].At
		}
		time.Sleep(5 * time.Millisecond)
	}
	return time.Now()
}
