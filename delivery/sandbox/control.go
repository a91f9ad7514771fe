package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
)

// defaultLimit is how many events a listing has when it is not told.
const defaultLimit = 100

// overview says what this is, and counts.
func (s *Sandbox) overview(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	body := map[string]any{
		"what":      "a PagerDuty stand-in: no one is paged",
		"accepted":  s.journal.accepted,
		"refused":   s.journal.refused,
		"forgotten": s.journal.forgotten,
		"behavior":  s.behavior.now,
		"see":       []string{"/events", "/behavior", "/log_entries", "/incidents"},
	}
	s.mu.Unlock()
	reply(w, answer{status: http.StatusOK, body: body})
}

// filter says which events a listing has.
type filter struct {
	limit                              int
	dedupKey, suffix, endpoint, action string
	status                             int
}

func parseFilter(query url.Values) (f filter, err error) {
	f = filter{
		limit: defaultLimit, dedupKey: query.Get("dedup_key"), suffix: query.Get("routing_key_suffix"),
		endpoint: query.Get("endpoint"), action: query.Get("action"),
	}
	for _, number := range []struct {
		name string
		to   *int
	}{{"limit", &f.limit}, {"status", &f.status}} {
		text := query.Get(number.name)
		if text == "" {
			continue
		}
		if *number.to, err = strconv.Atoi(text); err != nil || *number.to < 0 {
			return f, fmt.Errorf("%s=%s: must be a whole number, 0 or more", number.name, text)
		}
	}
	return f, nil
}

func (f filter) wants(e *Event) bool {
	same := func(want, got string) bool { return want == "" || want == got }
	return same(f.dedupKey, e.DedupKey) && same(f.suffix, e.RoutingKeySuffix) && same(f.endpoint, e.Endpoint) &&
		same(f.action, e.Action) && (f.status == 0 || f.status == e.Status)
}

// list answers with the newest events that are wanted, the oldest of them
// first.
func (s *Sandbox) list(w http.ResponseWriter, r *http.Request) {
	f, err := parseFilter(r.URL.Query())
	if err != nil {
		reply(w, answer{status: http.StatusBadRequest, body: problem{Status: "invalid query", Message: err.Error()}})
		return
	}
	events := []*Event{}
	s.mu.Lock()
	for e := range s.journal.all() {
		if f.wants(e) {
			copied := *e
			events = append(events, &copied)
		}
	}
	forgotten := s.journal.forgotten
	s.mu.Unlock()
	found := len(events)
	if f.limit > 0 && found > f.limit {
		events = events[found-f.limit:]
	}
	reply(w, answer{status: http.StatusOK, body: map[string]any{
		"events": events, "found": found, "forgotten": forgotten,
	}})
}

func (s *Sandbox) forget(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	s.journal.clear()
	s.log.clear()
	s.mu.Unlock()
	w.WriteHeader(http.StatusNoContent)
}

func (s *Sandbox) showBehavior(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	now := s.behavior.now
	s.mu.Unlock()
	reply(w, answer{status: http.StatusOK, body: now})
}

func (s *Sandbox) putBehavior(w http.ResponseWriter, r *http.Request) {
	var b Behavior
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10)).Decode(&b); err != nil {
		reply(w, answer{status: http.StatusBadRequest, body: problem{Status: "invalid behavior", Message: err.Error()}})
		return
	}
	s.Behave(b)
	reply(w, answer{status: http.StatusOK, body: b})
}

func (s *Sandbox) resetBehavior(w http.ResponseWriter, _ *http.Request) {
	s.Behave(Behavior{})
	w.WriteHeader(http.StatusNoContent)
}
