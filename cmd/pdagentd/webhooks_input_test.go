package main

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pdaltagent/pdaltagent/delivery/sandbox"
)

// TestBadEntriesAreNamedAndCountedAndNothingElseIsLost: whatever PagerDuty lists
// between two good entries, once, however often it is listed.
func TestBadEntriesAreNamedAndCountedAndNothingElseIsLost(t *testing.T) {
	at := time.Now().UTC().Add(-time.Minute).Format(time.RFC3339)
	const incident = `"incident":{"id":"PINC","type":"incident_reference"},"service":{"id":"PSVC","type":"service_reference"}`
	entry := func(id, kind, created, rest string) string {
		return fmt.Sprintf(`{"id":"%s","type":"%s","created_at":%s,%s}`, id, kind, created, rest)
	}
	good := func(id string) string { return entry(id, "annotate_log_entry", `"`+at+`"`, incident) }
	listed := []string{
		good("RGOOD1"),
		entry("RNOINCIDENT", "annotate_log_entry", `"`+at+`"`, `"incident":null`),
		entry("RUNKNOWN", "something_new", `"`+at+`"`, incident),
		entry("RNULL", "annotate_log_entry", `null`, incident),
		entry("RGARBAGE", "annotate_log_entry", `"the day before"`, incident),
		entry("RNUMBER", "annotate_log_entry", `1760000000`, incident),
		`null`, `[]`,
		entry("RBIG", "annotate_log_entry", `"`+at+`"`, incident+`,"note":"`+strings.Repeat("x", 5<<20)+`"`),
		good("RTWICE"), good("RTWICE"),
		good("RGOOD2"),
	}
	var polls atomic.Int64
	rest := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page := listed
		if r.URL.Query().Get("limit") == "1" {
			page = nil // it asks for the time
		}
		polls.Add(1)
		fmt.Fprintf(w, `{"log_entries":[%s],"more":false}`, strings.Join(page, ","))
	}))
	t.Cleanup(rest.Close)
	to := newHooked(t)
	file := settings(t, fmt.Sprintf(`pagerduty: { events_url: sandbox, api_url: "%s", api_token: x }
webhooks: { url: "%s", every: 1s, since: %s }`, rest.URL, to.URL, at))
	var logs keep
	a, stop := beginWith(t, file, slog.New(slog.NewTextHandler(&logs, nil)))
	t.Cleanup(stop)
	hooks := to.until(t, 4, 20*time.Second)
	for deadline := time.Now().Add(30 * time.Second); polls.Load() < 5 && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond) // what is listed again is read again by then
	}
	var told []string
	for _, h := range to.all() {
		told = append(told, h.Entry)
	}
	if diff := cmp.Diff([]string{"RBIG", "RGOOD1", "RGOOD2", "RTWICE"}, told); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if n := len(hooks[0].Body); n < 5<<20 {
		t.Errorf("the large one has %d bytes", n)
	}
	if diff := cmp.Diff(map[string]float64{"sent": 4, "malformed": 5, "no_incident": 1, "unknown_type": 1}, outcomes(t, a)); diff != "" {
		t.Errorf("counts -want +got:\n%s", diff)
	}
	said := logs.String()
	for _, id := range []string{"RNOINCIDENT", "RUNKNOWN", "RNULL", "RGARBAGE", "RNUMBER"} {
		if n := strings.Count(said, id); n != 1 {
			t.Errorf("%s is named %d times", id, n)
		}
	}
	if n := strings.Count(said, "is no log entry, and is left out"); n != 5 || polls.Load() < 5 {
		t.Errorf("%d are named in %d polls:\n%.4000s", n, polls.Load(), said)
	}
}

// TestADestinationThatIsNoURLHasItsPlace, and what is secret of it is not said.
func TestADestinationThatIsNoURLHasItsPlace(t *testing.T) {
	file := settings(t, `webhooks:
  url: https://hooks.example.net/
  destinations:
    - { name: a, url: tickets.example.net/s3cret }
    - { name: b, url: "https://b.example.net/" }`)
	_, _, err := loadConfig(file, func(string) (string, bool) { return "", false })
	if err == nil || strings.Contains(err.Error(), "s3cret") || !strings.Contains(err.Error(), ":14:") ||
		!strings.Contains(err.Error(), "webhooks.destinations[0].url: is no URL that begins with https:// or http://") {
		t.Errorf("got %v", err)
	}
}

// TestAClockThatWasWrongPassesNothingOver: PagerDuty's time was hours ahead, so
// that the cursor is, and entries were created meanwhile.
func TestAClockThatWasWrongPassesNothingOver(t *testing.T) {
	to := newHooked(t)
	a := begin(t, settings(t, fmt.Sprintf("pagerduty: { events_url: sandbox }\nwebhooks: { url: %s, every: 1s, since: %s }",
		to.URL, time.Now().Add(-2*time.Hour).UTC().Format(time.RFC3339))))
	at := func(ago time.Duration) time.Time { return time.Now().UTC().Add(-ago).Truncate(time.Second) }
	before := play(t, a.stand, sandbox.LogEntry{Type: "trigger", Incident: "disk", CreatedAt: at(time.Hour)})
	to.until(t, 1, 10*time.Second)
	if _, err := a.database.pool.Exec(t.Context(), `UPDATE log_entry_cursor SET at = now() + interval '3 hours'`); err != nil {
		t.Fatal(err)
	}
	meanwhile := play(t, a.stand, sandbox.LogEntry{Type: "resolve", Incident: "disk", CreatedAt: at(30 * time.Minute)})
	to.until(t, 2, 10*time.Second)
	time.Sleep(1500 * time.Millisecond) // what comes twice has come by now
	var got []string
	for _, h := range to.all() {
		got = append(got, h.Entry)
	}
	if diff := cmp.Diff([]string{before, meanwhile}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
