package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestFleetLongEntriesFitMemory: 600 log entries of 100 kB in half an hour, which
// two destinations are told of, in order and once, by a pdagentd that stays small.
func TestFleetLongEntriesFitMemory(t *testing.T) {
	long(t)
	t.Parallel()
	const entries, incidents = 600, 30
	began := time.Now().UTC().Truncate(time.Second)
	at := func(i int) time.Time { return began.Add(time.Duration(i-entries) * 3 * time.Second) }
	note := strings.Repeat("n", 100_000)
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		since, _ := time.Parse(time.RFC3339, q.Get("since"))
		until, _ := time.Parse(time.RFC3339, q.Get("until"))
		limit, _ := strconv.Atoi(q.Get("limit"))
		offset, _ := strconv.Atoi(q.Get("offset"))
		var found []int
		for i := entries - 1; i >= 0; i-- {
			if !at(i).Before(since) && !at(i).After(until) {
				found = append(found, i)
			}
		}
		page := []any{}
		for _, i := range found[min(offset, len(found)):min(offset+limit, len(found))] {
			page = append(page, map[string]any{
				"id": fmt.Sprintf("R%04d", i), "type": "annotate_log_entry", "created_at": at(i).Format(time.RFC3339), "note": note,
				"incident": map[string]any{"id": fmt.Sprintf("P%04d", i%incidents), "service": map[string]any{"id": "PSVC"}},
			})
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"log_entries": page, "more": offset+limit < len(found), "total": len(found)}) // the client may be gone
	}))
	t.Cleanup(api.Close)
	to, other := newHooked(t), newHooked(t)
	file := settings(t, fmt.Sprintf(`pagerduty: { events_url: "http://127.0.0.1:1", api_url: %s, api_token: token }
routes: { noc: { key: %s } }
default_route: noc
webhooks: { url: %s, every: 1s, since: %s, destinations: [ { name: other, url: "%s" } ] }`,
		api.URL, testKey, to.URL, began.Add(-45*time.Minute).Format(time.RFC3339), other.URL))
	admin := "http://127.0.0.1:" + freePort(t)
	rewrite(t, file, `admin: { listen: "http://127.0.0.1:0" }`, `admin: { listen: "`+admin+`" }`)
	r := rig{process: launch(t, built(t), file, admin+"/readyz")}
	t.Cleanup(func() { stop(t, r.process) })
	for _, h := range []*hooked{to, other} {
		for deadline := time.Now().Add(2 * time.Minute); len(h.all()) < entries; time.Sleep(100 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%d of %d webhooks came in two minutes", len(h.all()), entries)
			}
		}
		last := map[string]string{}
		for _, hook := range h.all() {
			if hook.Entry <= last[hook.Incident] {
				t.Errorf("%s came after %s", hook.Entry, last[hook.Incident])
			}
			last[hook.Incident] = hook.Entry
		}
	}
	t.Logf("RSS: %d MB at most", r.memory("VmHWM"))
	if mb := r.memory("VmHWM"); mb > 200 {
		t.Errorf("pdagentd took %d MB", mb)
	}
}
