package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// benchRoutes is how many routes BenchmarkDeliveries has at most. The last of
// them is the one that may hang.
const benchRoutes = 50

// refusedRoute is the one that PagerDuty may take nothing of.
const refusedRoute = benchRoutes - 2

// BenchmarkDeliveries measures deliveries to a stand-in on this machine: how
// fast a backlog goes when PagerDuty is back, over one route and over many, and
// how much of that a route that hangs takes.
func BenchmarkDeliveries(b *testing.B) {
	for range b.N {
		t := newTarget(b)
		one := t.backlog(b, "one route", 40_000, 1)
		t.backlog(b, "50 routes", 40_000, benchRoutes)
		t.hanging.Store(true)
		t.enqueue(b, 500, func(int) int { return benchRoutes - 1 }) // more than there are workers
		time.Sleep(2 * time.Second)                                 // they hang
		beside := t.backlog(b, "one route, beside one that hangs", 40_000, 1)
		t.row("a route that hangs", "what it takes from another", fmt.Sprintf("%.0f %%", 100*(1-beside/one)))
		t.hanging.Store(false)
		t.drain(b)
		t.row("deliveries", "RSS, at most", fmt.Sprintf("%d MB", t.memory("VmHWM")))
		t.print()
		t.end()
	}
}

// BenchmarkPace measures how long an event takes to PagerDuty at 500 a second.
func BenchmarkPace(b *testing.B) {
	for range b.N {
		t := newTarget(b)
		t.pace(b, 500, 2*time.Second) // connections, plans, a window
		t.table = nil
		t.pace(b, 500, 15*time.Second)
		t.print()
		t.end()
	}
}

// target is a rig whose PagerDuty can have enough, and can hang.
type target struct {
	rig
	client          *http.Client
	closed, hanging atomic.Bool
	refusing        atomic.Bool
	number          atomic.Int64 // of events
	mu              sync.Mutex
	sent            map[string]time.Time // by dedup_key; nil: not measured
	took            []time.Duration
}

func routingKey(route int) string { return fmt.Sprintf("%030x%02d", 1, route) }

func newTarget(b *testing.B) *target {
	b.Helper()
	t := &target{client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100}}}
	var routes []string
	for i := range benchRoutes {
		routes = append(routes, fmt.Sprintf(`r%02d: { key: "%s" }`, i, routingKey(i)))
	}
	rules := b.TempDir()
	t.begin(b, rules, strings.Join(routes, ", "), t.answer)
	syscall.Sync() // or the kernel writes what was built in the midst of it, and commits wait
	return t
}

func (t *target) answer(w http.ResponseWriter, r *http.Request) {
	if t.closed.Load() {
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
		return
	}
	body, _ := io.ReadAll(r.Body) // what is cut off is not counted either
	if t.hanging.Load() && bytes.Contains(body, []byte(routingKey(benchRoutes-1))) {
		<-r.Context().Done()
		return
	}
	if t.refusing.Load() && bytes.Contains(body, []byte(routingKey(refusedRoute))) {
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
		return
	}
	t.delivered.Add(1)
	w.WriteHeader(http.StatusAccepted)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sent == nil {
		return
	}
	var e told
	_ = json.Unmarshal(body, &e) // what is no event is not known either
	if at, ok := t.sent[e.Dedup]; ok {
		t.took = append(t.took, time.Since(at))
	}
}

// enqueue posts n events, each about an alert of its own.
func (t *target) enqueue(b *testing.B, n int, route func(i int) int) {
	b.Helper()
	var senders sync.WaitGroup
	for c := range 64 {
		senders.Go(func() {
			for i := c; i < n; i += 64 {
				if !t.one(b, fmt.Sprint("d", t.number.Add(1)), route(i)) {
					b.Errorf("event %d of %d was not acknowledged", i, n)
					return
				}
			}
		})
	}
	senders.Wait()
}

func (t *target) one(b *testing.B, name string, route int) bool {
	b.Helper()
	body := `{"routing_key":"` + routingKey(route) + `","event_action":"trigger","dedup_key":"` + name + `","payload":{"summary":"s","source":"h","severity":"error"}}`
	req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, "http://"+t.web+"/v2/enqueue", strings.NewReader(body))
	if err != nil {
		return false
	}
	resp, err := t.client.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()               //nolint:errcheck // read to its end
	_, _ = io.Copy(io.Discard, resp.Body) // for the connection to be used again
	return resp.StatusCode == http.StatusAccepted
}

// backlog measures how fast n events are accepted that waited for PagerDuty,
// from the moment in which it takes events again.
func (t *target) backlog(b *testing.B, what string, n, routes int) (perSecond float64) {
	b.Helper()
	t.closed.Store(true)
	t.enqueue(b, n, func(i int) int { return i % routes })
	before, cpu, began := t.delivered.Load(), t.cpu(), time.Now()
	t.closed.Store(false)
	var first time.Duration
	for deadline := began.Add(time.Minute); t.delivered.Load() < before+int64(n) && time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if first == 0 && t.delivered.Load() > before {
			first = time.Since(began)
		}
	}
	took, got := time.Since(began), t.delivered.Load()-before
	if got < int64(n) {
		b.Errorf("%s: %d of %d accepted", what, got, n)
	}
	perSecond = float64(got) / (took - first).Seconds()
	t.row(what, "accepted", fmt.Sprintf("%.0f/s, the first after %s", perSecond, first.Round(time.Millisecond)))
	t.row(what, "CPU of pdagentd", fmt.Sprintf("%.0f µs each", float64((t.cpu()-cpu).Microseconds())/float64(n)))
	return perSecond
}

// came is how many of what is measured were accepted.
func (t *target) came() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.took)
}

// pace measures how long events take from the sender to PagerDuty.
func (t *target) pace(b *testing.B, perSecond int, d time.Duration) {
	b.Helper()
	t.mu.Lock()
	t.sent, t.took = map[string]time.Time{}, nil
	t.mu.Unlock()
	var posts sync.WaitGroup
	tick := time.NewTicker(time.Second / time.Duration(perSecond))
	defer tick.Stop()
	n := int(d.Seconds()) * perSecond
	began, cpu := time.Now(), t.cpu()
	for range n {
		<-tick.C
		name := fmt.Sprint("p", t.number.Add(1))
		t.mu.Lock()
		t.sent[name] = time.Now()
		t.mu.Unlock()
		posts.Go(func() { t.one(b, name, 0) })
	}
	posts.Wait()
	for deadline := time.Now().Add(10 * time.Second); t.came() < n && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
	time.Sleep(100 * time.Millisecond) // the last are settled
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.took) < n {
		b.Errorf("%d of %d came", len(t.took), n)
	}
	slices.Sort(t.took)
	what := fmt.Sprintf("%d events a second", perSecond)
	t.row(what, "sent to accepted", percentiles(t.took))
	var p50, p99 time.Duration
	if err := t.pool.QueryRow(b.Context(), `SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY took), percentile_disc(0.99) WITHIN GROUP (ORDER BY took)
		FROM (SELECT delivered_at - received_at AS took FROM deliveries WHERE received_at >= $1) AS d`, began).Scan(&p50, &p99); err != nil {
		b.Error(err)
	}
	t.row(what, "received to accepted", fmt.Sprintf("%s, %s", p50, p99))
	t.row(what, "CPU of pdagentd", fmt.Sprintf("%d µs each", (t.cpu()-cpu).Microseconds()/int64(n)))
	t.sent = nil
}
