package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pdaltagent/pdaltagent/delivery/sandbox"
	"github.com/pdaltagent/pdaltagent/delivery/webhook"
)

// hooked is a receiver of webhooks in V2's form.
type hooked struct {
	*httptest.Server
	refuse func() int // a status; 0: it accepts

	mu  sync.Mutex
	got []hook
}

// hook is what one webhook says.
type hook struct {
	ID, Event, Incident, Entry, Signature string
	At                                    time.Time
	Body                                  string
}

func newHooked(t *testing.T) *hooked {
	t.Helper()
	h := &hooked{refuse: func() int { return 0 }}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // it was cut off
		}
		if status := h.refuse(); status != 0 {
			w.WriteHeader(status)
			return
		}
		var said struct {
			Messages []struct {
				ID         string                      `json:"id"`
				Event      string                      `json:"event"`
				Incident   struct{ ID string }         `json:"incident"`
				LogEntries []struct{ ID, Type string } `json:"log_entries"`
			} `json:"messages"`
		}
		if err := json.Unmarshal(body, &said); err != nil || len(said.Messages) != 1 {
			t.Errorf("%v: %s", err, body)
			return
		}
		m := said.Messages[0]
		h.mu.Lock()
		defer h.mu.Unlock()
		h.got = append(h.got, hook{m.ID, m.Event, m.Incident.ID, m.LogEntries[0].ID, r.Header.Get("X-PagerDuty-Signature"), time.Now(), string(body)})
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *hooked) all() []hook {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]hook(nil), h.got...)
}

// until waits until n webhooks were accepted.
func (h *hooked) until(t *testing.T, n int, within time.Duration) []hook {
	t.Helper()
	for deadline := time.Now().Add(within); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if got := h.all(); len(got) >= n {
			return got
		}
	}
	got := h.all()
	t.Fatalf("%d webhooks after %s, want %d: %+v", len(got), within, n, got)
	return nil
}

func play(t *testing.T, s *sandbox.Sandbox, entry sandbox.LogEntry) string {
	t.Helper()
	id, err := s.Play(entry)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// TestAnIncidentsLifeBecomesWebhooks: from PagerDuty's log entries to a receiver
// that refuses a third of the calls, in order for each incident and each once,
// by the rules and by each destination's filters, signed.
func TestAnIncidentsLifeBecomesWebhooks(t *testing.T) {
	to, other := newHooked(t), newHooked(t)
	to.refuse = func() int {
		if rand.IntN(3) == 0 {
			return http.StatusInternalServerError
		}
		return 0
	}
	rules := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(rules, []byte("rules:\n  - { id: no-notes, match: { webhook: incident.annotate }, drop: true }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	file := settings(t, fmt.Sprintf(`pagerduty: { events_url: sandbox }
delivery: { backoff: { initial: 20ms, max: 50ms } }
webhooks:
  url: %s/hook
  every: 1s
  config: { team: noc }
  secret: s3cr3t
  destinations: [ { name: tickets, url: "%s/tickets", types: [resolve] } ]`, to.URL, other.URL))
	rewrite(t, file, "../../deploy/rules.d", rules)
	a := begin(t, file)
	time.Sleep(1500 * time.Millisecond) // the first poll says from when on
	const incidents = 20
	want, about := map[string][]string{}, map[string]string{}
	kinds := []string{"trigger_log_entry", "acknowledge_log_entry", "annotate_log_entry", "escalate_log_entry", "resolve_log_entry"}
	at := time.Now().UTC().Truncate(time.Second)
	for i, kind := range kinds {
		for n := range incidents {
			incident := fmt.Sprintf("PINC%03d", n)
			id := play(t, a.stand, sandbox.LogEntry{Type: kind, Incident: incident, CreatedAt: at.Add(time.Duration(i) * time.Second / 10)})
			about[id] = incident
			if kind != "annotate_log_entry" {
				want[incident] = append(want[incident], id)
			}
		}
	}
	hooks := to.until(t, incidents*4, 20*time.Second)
	time.Sleep(1500 * time.Millisecond) // whoever is told twice is told by now
	got, ids := map[string][]string{}, map[string]bool{}
	for _, h := range to.all() {
		got[about[h.Entry]] = append(got[about[h.Entry]], h.Entry)
		ids[h.ID] = true
		if h.Signature != webhook.Sign([]byte(h.Body), "s3cr3t") || !strings.Contains(h.Body, `"team":"noc"`) {
			t.Errorf("signature or config: %+v", h)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if len(ids) != len(hooks) {
		t.Errorf("%d ids of %d webhooks", len(ids), len(hooks))
	}
	told := map[string]bool{}
	for _, h := range other.until(t, incidents, 10*time.Second) {
		told[h.Incident] = true
		if h.Event != "incident.resolve" {
			t.Errorf("tickets is told %s", h.Event)
		}
	}
	if len(told) != incidents || len(maps.Collect(maps.All(told))) != len(other.all()) {
		t.Errorf("tickets is told of %d incidents by %d webhooks", len(told), len(other.all()))
	}
	if got := rowsOf(t, a, `SELECT concat_ws(' ', count(*), count(delivery_id), count(DISTINCT incident_id)) FROM log_entries`); got[0] != fmt.Sprintf("%d %d %d", incidents*5, incidents*4+0, incidents) {
		t.Errorf("log_entries: %s", got)
	}
	if got := rowsOf(t, a, `SELECT DISTINCT concat_ws(' ', kind, state) FROM deliveries`); len(got) != 1 || got[0] != "webhook delivered" {
		t.Errorf("deliveries: %s", got)
	}
}

func rowsOf(t *testing.T, a *appliance, query string) (rows []string) {
	t.Helper()
	found, err := a.database.pool.Query(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer found.Close()
	for found.Next() {
		var s string
		if err := found.Scan(&s); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, s)
	}
	return rows
}

// TestFleetWebhooksComeOnceAndInOrder: two nodes of which one is killed, a PagerDuty
// that is busy and fails, lists late and lists twice, and a receiver that
// refuses a third of the calls. PDALTAGENT_ENTRIES is how many there are (500).
func TestFleetWebhooksComeOnceAndInOrder(t *testing.T) {
	to := newHooked(t)
	to.refuse = func() int { return []int{0, 0, http.StatusInternalServerError}[rand.IntN(3)] }
	f := newFleet(t, 2, fmt.Sprintf("webhooks: { url: %s, every: 1s }\ndelivery: { backoff: { initial: 20ms, max: 200ms } }", to.URL))
	entries := size(t, "PDALTAGENT_ENTRIES", 500)
	incidents := entries / 20
	for begun := 0; begun == 0; time.Sleep(20 * time.Millisecond) {
		if err := f.pool.QueryRow(t.Context(), `SELECT count(*) FROM log_entry_cursor`).Scan(&begun); err != nil {
			t.Fatal(err)
		}
	}
	var faults sync.WaitGroup
	done := make(chan struct{})
	faults.Go(func() {
		for {
			for _, b := range []sandbox.Behavior{{Status: 429, RetryAfter: time.Second, Share: 0.2, Path: "/log_entries"}, {Status: 500, Share: 0.2, Path: "/log_entries"}} {
				f.entries.Behave(b)
				select {
				case <-done:
					f.entries.Behave(sandbox.Behavior{})
					return
				case <-time.After(500 * time.Millisecond):
				}
			}
		}
	})
	want, about, began := map[string][]string{}, map[string]string{}, time.Now()
	for i := range entries {
		incident := fmt.Sprintf("incident-%d", i%incidents)
		e := sandbox.LogEntry{Type: []string{"annotate", "acknowledge", "escalate"}[rand.IntN(3)], Incident: incident}
		if i < incidents {
			e.Type = "trigger"
		}
		id := play(t, f.entries, e)
		want[incident], about[id] = append(want[incident], id), incident
		if i%incidents == incidents-1 {
			time.Sleep(time.Second / 10)
		}
		if i == entries/2 {
			f.kill(f.nodes[0])
		}
	}
	to.until(t, entries, 2*time.Minute)
	close(done)
	faults.Wait()
	time.Sleep(3 * time.Second) // whoever is told twice is told by now
	got, twice, last := map[string][]string{}, 0, ""
	for _, h := range to.all() {
		thread := got[about[h.Entry]]
		if len(thread) > 0 {
			last = thread[len(thread)-1]
		}
		if len(thread) > 0 && last == h.Entry {
			twice++ // in flight when the node was killed
			continue
		}
		got[about[h.Entry]] = append(thread, h.Entry)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if twice > 64 {
		t.Errorf("%d came twice", twice)
	}
	t.Logf("%d webhooks of %d incidents in %s, %d of them twice", entries, incidents, time.Since(began).Round(time.Millisecond), twice)
}

// TestFleetPollsGoOnElsewhere: within 30 s of the death of the node that leads the
// cluster, while it polls.
func TestFleetPollsGoOnElsewhere(t *testing.T) {
	to := newHooked(t)
	f := newFleet(t, 2, fmt.Sprintf("webhooks: { url: %s, every: 1s }", to.URL))
	for round := range 2 {
		play(t, f.entries, sandbox.LogEntry{Type: "trigger", Incident: fmt.Sprint("before-", round)})
		to.until(t, 2*round+1, 30*time.Second)
		var leader string
		if err := f.pool.QueryRow(t.Context(), `SELECT leader_id FROM river.river_leader`).Scan(&leader); err != nil {
			t.Fatal(err)
		}
		dead := f.nodes[0]
		if leader != dead.name {
			dead = f.nodes[1]
		}
		f.kill(dead)
		killed := time.Now()
		play(t, f.entries, sandbox.LogEntry{Type: "trigger", Incident: fmt.Sprint("after-", round)})
		to.until(t, 2*round+2, 40*time.Second)
		t.Logf("%s led; the other node told of an incident %s after its death", leader, time.Since(killed).Round(time.Millisecond))
		if took := time.Since(killed); took > 30*time.Second {
			t.Errorf("it took %s", took)
		}
		f.start(dead)
	}
}

// TestFleetReceiverThatHangsDelaysNoEvent, nor another receiver: what each is told
// comes within the interval of polls and a second.
func TestFleetReceiverThatHangsDelaysNoEvent(t *testing.T) {
	to, hangs := newHooked(t), newHooked(t)
	over := make(chan struct{})
	hangs.refuse = func() int { <-over; return http.StatusServiceUnavailable }
	f := newFleet(t, 1, fmt.Sprintf(`webhooks: { url: %s, every: 1s, destinations: [ { name: hangs, url: "%s" } ] }`, to.URL, hangs.URL))
	t.Cleanup(func() { close(over) }) // before the nodes stop
	for begun := 0; begun == 0; time.Sleep(20 * time.Millisecond) {
		if err := f.pool.QueryRow(t.Context(), `SELECT count(*) FROM log_entry_cursor`).Scan(&begun); err != nil {
			t.Fatal(err)
		}
	}
	created := map[string]time.Time{}
	var events []time.Duration
	for i := range 100 {
		e := sandbox.LogEntry{Type: "trigger", Incident: fmt.Sprint("incident-", i), CreatedAt: time.Now()}
		created[play(t, f.entries, e)] = e.CreatedAt
		sent := time.Now()
		name := fmt.Sprint("event-", i)
		f.post(t.Context(), event(testKey, name, "trigger", "s", "error"))
		events = append(events, f.until(t.Context(), name).Sub(sent))
		time.Sleep(20 * time.Millisecond)
	}
	var lags []time.Duration
	for _, h := range to.until(t, 100, 10*time.Second) {
		lags = append(lags, h.At.Sub(created[h.Entry]))
	}
	t.Logf("webhooks: p50 %s, p99 %s; events: p50 %s, p99 %s", percentile(lags, 0.5), percentile(lags, 0.99), percentile(events, 0.5), percentile(events, 0.99))
	if percentile(lags, 0.99) > 2*time.Second { // the interval and a second
		t.Errorf("a webhook came %s after its entry", percentile(lags, 0.99))
	}
	if percentile(events, 0.99) > 500*time.Millisecond {
		t.Errorf("an event took %s", percentile(events, 0.99))
	}
}

// TestFleetRefusedTokenIsSaidOnce, however often it is tried: once an interval,
// as while nothing happens.
func TestFleetRefusedTokenIsSaidOnce(t *testing.T) {
	to := newHooked(t)
	f := newFleet(t, 1, fmt.Sprintf("webhooks: { url: %s, every: 1s }", to.URL))
	for f.asked.Load() < 1 && t.Context().Err() == nil {
		time.Sleep(20 * time.Millisecond)
	}
	asked := f.asked.Load()
	time.Sleep(5 * time.Second)
	if n := f.asked.Load() - asked; n < 3 || n > 6 {
		t.Errorf("%d requests in five quiet intervals", n)
	}
	f.refuse.Store(true)
	asked = f.asked.Load()
	for f.asked.Load() < asked+4 && t.Context().Err() == nil {
		time.Sleep(20 * time.Millisecond)
	}
	n := f.nodes[0]
	stop(t, n.process)
	said := n.log.String()
	n.process = nil
	if got := strings.Count(said, "the API token is refused"); got != 1 || !strings.Contains(said, "pagerduty.api_token") {
		t.Errorf("said %d times:\n%s", got, said)
	}
}
