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
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	t.Parallel()
	f := &fleet{t: t, program: built(t), pagerduty: newHearer(t), entries: sandbox.New(sandbox.Config{Keep: 50_000})}
	f.api = httptest.NewServer(f.entries)
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
	for lives, name := false, n.name; !lives; time.Sleep(20 * time.Millisecond) {
		if err := f.pool.QueryRow(f.t.Context(), `SELECT EXISTS (SELECT FROM nodes WHERE name = $1)`, name).Scan(&lives); err != nil {
			f.t.Fatal(err)
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
func size(t *testing.T, variable string, usual int) int {
	t.Helper()
	n := usual
	if s := os.Getenv(variable); s != "" {
		if _, err := fmt.Sscan(s, &n); err != nil {
			t.Fatalf("%s: %v", variable, err)
		}
	}
	return n
}

// TestOrderHoldsThroughFaultsAndAKill: alerts that open and resolve all the
// time, on two nodes of which one is killed, with a PagerDuty that refuses,
// fails, resets and dawdles. It hears of each alert in order, though perhaps
// twice; and one that it takes nothing of keeps no other waiting.
// PDALTAGENT_ALERTS is how many there are (40).
func TestOrderHoldsThroughFaultsAndAKill(t *testing.T) {
	f := newFleet(t, 2, "delivery: { backoff: { initial: 50ms, max: 1s } }")
	alerts, events := size(t, "PDALTAGENT_ALERTS", 40), 50
	f.pagerduty.answer = func(w http.ResponseWriter, r *http.Request, e told) bool {
		switch n := rand.IntN(1000); {
		case e.Dedup == "stuck":
			w.WriteHeader(http.StatusInternalServerError)
		case n < 5:
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
		case n < 45:
			w.WriteHeader(http.StatusInternalServerError)
		case n < 65: // it may have been accepted or not
			if n < 55 {
				f.pagerduty.accept(e)
			}
			panic(http.ErrAbortHandler)
		case n < 95:
			select {
			case <-time.After(time.Duration(n) * time.Millisecond):
			case <-r.Context().Done():
			}
			return false
		default:
			return false
		}
		return true
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	f.post(ctx, event(fmt.Sprintf("%032d", 0), "stuck", "trigger", "0", "critical"))
	var senders sync.WaitGroup
	began := time.Now()
	for a := range alerts {
		senders.Go(func() {
			for i := range events {
				action := []string{"trigger", "resolve"}[i%2]
				f.post(ctx, event(fmt.Sprintf("%032d", a%10), fmt.Sprint("alert-", a), action, fmt.Sprint(i), "error"))
			}
		})
	}
	for n := 0; n < alerts*events/4 && ctx.Err() == nil; time.Sleep(10 * time.Millisecond) {
		_, n = f.pagerduty.got()
	}
	f.kill(f.nodes[0])
	senders.Wait()
	ended := func() (n int) {
		byAlert, _ := f.pagerduty.got()
		for _, heard := range byAlert {
			if len(heard) > 0 && heard[len(heard)-1].Payload.Summary == fmt.Sprint(events-1) {
				n++
			}
		}
		return n
	}
	for ended() < alerts && ctx.Err() == nil {
		time.Sleep(20 * time.Millisecond)
	}
	byAlert, n := f.pagerduty.got()
	t.Logf("%d events of %d alerts in %s, %d accepted", alerts*events, alerts, time.Since(began).Round(time.Millisecond), n)
	for a := range alerts {
		name := fmt.Sprint("alert-", a)
		last, seen := -1, 0
		for _, e := range byAlert[name] {
			var i int
			if _, err := fmt.Sscan(e.Payload.Summary, &i); err != nil {
				t.Fatal(err)
			}
			switch {
			case i == last+1:
				seen++
			case i != last:
				t.Errorf("%s: %d came after %d", name, i, last)
			}
			last = i
		}
		if seen != events {
			t.Errorf("%s: %d of its %d events were told, up to %d", name, seen, events, last)
		}
	}
	if len(byAlert["stuck"]) != 0 {
		t.Error("the stuck alert was accepted")
	}
}

// TestKill9InMidFlight kills a node while deliveries run, and starts it again:
// all are delivered, those that were interrupted within five seconds, and no
// more twice than were being sent. PDALTAGENT_EVENTS is how many there are.
func TestKill9InMidFlight(t *testing.T) {
	const workers = 64
	f := newFleet(t, 1, fmt.Sprintf("delivery: { workers: %d }", workers))
	events := size(t, "PDALTAGENT_EVENTS", 4000)
	f.pagerduty.answer = func(_ http.ResponseWriter, _ *http.Request, _ told) bool {
		time.Sleep(20 * time.Millisecond)
		return false
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var senders sync.WaitGroup
	for s := range 16 {
		senders.Go(func() {
			for i := s; i < events; i += 16 {
				f.post(ctx, event(testKey, fmt.Sprint("event-", i), "trigger", "s", "error"))
			}
		})
	}
	for n := 0; n < events/4 && ctx.Err() == nil; time.Sleep(time.Millisecond) {
		_, n = f.pagerduty.got()
	}
	f.kill(f.nodes[0])
	rows, err := f.pool.Query(t.Context(), `SELECT dedup_key FROM deliveries d JOIN river.river_job j ON (j.args ->> 'delivery_id')::uuid = d.id WHERE j.state = 'running' AND d.state = 'queued'`)
	if err != nil {
		t.Fatal(err)
	}
	var interrupted []string
	for rows.Next() {
		var key string
		if err := rows.Scan(&key); err != nil {
			t.Fatal(err)
		}
		interrupted = append(interrupted, key)
	}
	began := time.Now()
	f.start(f.nodes[0])
	ready := time.Since(began)
	senders.Wait()
	f.settled(time.Minute)
	byAlert, n := f.pagerduty.got()
	if len(byAlert) != events {
		t.Errorf("%d of %d events arrived", len(byAlert), events)
	}
	var last time.Duration
	for _, key := range interrupted {
		if heard := byAlert[key]; len(heard) > 0 {
			last = max(last, heard[len(heard)-1].At.Sub(began))
		}
	}
	t.Logf("%d were interrupted; ready again after %s, the last of them accepted after %s; %d arrived twice",
		len(interrupted), ready.Round(time.Millisecond), last.Round(time.Millisecond), n-len(byAlert))
	if len(interrupted) == 0 || last > 5*time.Second {
		t.Errorf("the last of %d was accepted %s after the restart, want some, and 5s at most", len(interrupted), last)
	}
	if n-len(byAlert) > workers {
		t.Errorf("%d arrived twice, want %d at most", n-len(byAlert), workers)
	}
}

// TestACriticalEventOvertakesABacklog of info of its route, which is accepted
// at two a second; other routes do not notice. PDALTAGENT_BACKLOG is how many
// wait (5,000).
func TestACriticalEventOvertakesABacklog(t *testing.T) {
	f := newFleet(t, 1, "")
	backlog := size(t, "PDALTAGENT_BACKLOG", 5000)
	slow, quick := testKey, fmt.Sprintf("%032d", 7)
	var (
		mu     sync.Mutex
		tokens = 2.0
		filled = time.Now()
	)
	f.pagerduty.answer = func(w http.ResponseWriter, _ *http.Request, e told) bool {
		if e.Key != slow {
			return false
		}
		mu.Lock()
		defer mu.Unlock()
		tokens = min(2, tokens+2*time.Since(filled).Seconds())
		filled = time.Now()
		if tokens < 1 {
			w.WriteHeader(http.StatusTooManyRequests)
			return true
		}
		tokens--
		return false
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	var senders sync.WaitGroup
	for s := range 16 {
		senders.Go(func() {
			for i := s; i < backlog; i += 16 {
				f.post(ctx, event(slow, fmt.Sprint("info-", i), "trigger", "s", "info"))
			}
		})
	}
	senders.Wait()
	var took []time.Duration
	for i := range 3 {
		time.Sleep(time.Duration(rand.IntN(1500)) * time.Millisecond)
		name := fmt.Sprint("critical-", i)
		sent := time.Now()
		f.post(ctx, event(slow, name, "trigger", "s", "critical"))
		took = append(took, f.until(ctx, name).Sub(sent))
	}
	t.Logf("with %d waiting, a critical event was accepted after %s", backlog, took)
	for _, d := range took {
		if d > 3*time.Second {
			t.Errorf("a critical event took %s, want 3s at most", d)
		}
	}
	var other []time.Duration
	for i := range 100 {
		name := fmt.Sprint("other-", i)
		sent := time.Now()
		f.post(ctx, event(quick, name, "trigger", "s", "info"))
		other = append(other, f.until(ctx, name).Sub(sent))
	}
	if p := percentile(other, 0.99); p > 200*time.Millisecond {
		t.Errorf("another route's p99 is %s, want 200ms at most", p)
	} else {
		t.Logf("another route: p50 %s, p99 %s", percentile(other, 0.5), p)
	}
	if _, err := f.pool.Exec(t.Context(), `UPDATE deliveries SET state = 'cancelled', held_by = NULL WHERE state = 'held'`); err != nil {
		t.Error(err)
	}
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
