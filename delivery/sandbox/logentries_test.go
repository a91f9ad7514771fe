package sandbox

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/PagerDuty/go-pagerduty"
	"github.com/google/go-cmp/cmp"
)

// listEntries gets log entries as a client does and returns types, status,
// header and what else was said.
func listEntries(tb testing.TB, base, query, token string) (types []string, status int, header http.Header, more bool) {
	tb.Helper()
	req, err := http.NewRequestWithContext(tb.Context(), http.MethodGet, base+"/log_entries?"+query, nil)
	if err != nil {
		tb.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var body struct {
		LogEntries []struct{ Type string } `json:"log_entries"`
		More       bool
	}
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
		tb.Fatal(err)
	}
	for _, e := range body.LogEntries {
		types = append(types, strings.TrimSuffix(e.Type, "_log_entry"))
	}
	return types, resp.StatusCode, resp.Header, body.More
}

// TestAnIncidentsLifeIsLogged from its trigger to its second trigger.
func TestAnIncidentsLifeIsLogged(t *testing.T) {
	s, base := serve(t, Config{})
	for _, action := range []string{"trigger", "trigger", "acknowledge", "acknowledge", "resolve", "resolve", "acknowledge", "trigger"} {
		body := strings.Replace(trigger(key, "k1"), `"event_action":"trigger"`, `"event_action":"`+action+`"`, 1)
		if status, answer := mustCall(t, http.MethodPost, base+"/v2/enqueue", asJSON, body); status != http.StatusAccepted {
			t.Fatal(status, answer)
		}
	}
	types, _, _, _ := listEntries(t, base, "is_overview=true", "Token token=any")
	slices.Reverse(types)
	if diff := cmp.Diff([]string{"trigger", "acknowledge", "resolve", "trigger"}, types); diff != "" {
		t.Errorf("overview (-want +got):\n%s", diff)
	}
	types, _, _, _ = listEntries(t, base, "", "Bearer any")
	slices.Reverse(types)
	if diff := cmp.Diff([]string{"trigger", "assign", "notify", "acknowledge", "resolve", "trigger", "assign", "notify"}, types); diff != "" {
		t.Errorf("all (-want +got):\n%s", diff)
	}
	if n := len(s.log.incidents); n != 1 {
		t.Errorf("%d incidents are current, want the second of the key only", n)
	}
}

// TestPagerDutysClientReadsTheLog with incidents and services in full.
func TestPagerDutysClientReadsTheLog(t *testing.T) {
	s, base := serve(t, Config{Token: "right"})
	if enqueue(t, base, "k1") != http.StatusAccepted {
		t.Fatal("not accepted")
	}
	if _, err := s.Play(LogEntry{Type: "annotate", Incident: "k1", Note: "looking", CreatedAt: time.Now().Add(time.Second)}); err != nil {
		t.Fatal(err)
	}
	client := pagerduty.NewClient("right", pagerduty.WithAPIEndpoint(base))
	got, err := client.ListLogEntriesWithContext(context.Background(), pagerduty.ListLogEntriesOptions{Includes: []string{"incidents", "services"}, Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.LogEntries) != 1 || !got.More {
		t.Fatalf("got %d entries, more %t, want 1 and more", len(got.LogEntries), got.More)
	}
	e := got.LogEntries[0]
	if e.Type != "annotate_log_entry" || e.Incident.Title != "k1" && e.Incident.Title != "disk full" || e.Incident.Status != "triggered" || e.Incident.Service.ID != "PSANDBOX" || e.Service.Type != "service" {
		t.Errorf("got %+v", e)
	}
	if _, err := pagerduty.NewClient("wrong", pagerduty.WithAPIEndpoint(base)).ListLogEntriesWithContext(context.Background(), pagerduty.ListLogEntriesOptions{}); err == nil {
		t.Error("a wrong token was taken")
	}
}

// TestAListingIsWithinItsWindow and pages are of its limit, the newest first.
func TestAListingIsWithinItsWindow(t *testing.T) {
	s, base := serve(t, Config{})
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for i, kind := range []string{"trigger", "acknowledge", "annotate", "escalate", "resolve"} {
		if _, err := s.Play(LogEntry{Type: kind, Incident: "k", CreatedAt: noon.Add(time.Duration(i) * time.Minute)}); err != nil {
			t.Fatal(err)
		}
	}
	f := func(query, want string, wantMore bool) {
		t.Helper()
		types, status, header, more := listEntries(t, base, query, "Token token=x")
		if got := strings.Join(types, " "); got != want || more != wantMore || status != http.StatusOK {
			t.Errorf("%s: %d %q more %t, want %q more %t", query, status, got, more, want, wantMore)
		}
		if header.Get("ratelimit-remaining") == "" || header.Get("Date") == "" {
			t.Errorf("%s: no limits or date in %v", query, header)
		}
	}
	f("", "resolve escalate annotate acknowledge trigger", false)
	f("limit=2", "resolve escalate", true)
	f("limit=2&offset=3", "acknowledge trigger", false)
	f("limit=2&offset=9", "", false)
	f("since=2026-03-01T12:01:00Z&until=2026-03-01T12:02:00Z", "annotate acknowledge", false)
	f("since=2026-03-01T12:05:00Z", "", false)

	status, answer := mustCall(t, http.MethodPost, base+"/log_entries", asJSON, `{"type":"snooze","incident":"k","created_at":"2026-03-01T12:02:30Z"}`)
	if status != http.StatusCreated || !strings.Contains(answer, `"id"`) {
		t.Errorf("playing a late entry: %d %s", status, answer)
	}
	f("since=2026-03-01T12:02:00Z&until=2026-03-01T12:03:00Z", "escalate snooze annotate", false)
	for query, want := range map[string]int{"limit=x": 400, "since=yesterday": 400, "offset=9950&limit=100": 400, "offset=9900&limit=100": 200} {
		if _, status, _, _ := listEntries(t, base, query, "Token token=x"); status != want {
			t.Errorf("%s: %d, want %d", query, status, want)
		}
	}
	if status, _ := mustCall(t, http.MethodPost, base+"/log_entries", asJSON, `{"typ":"x"}`); status != http.StatusBadRequest {
		t.Errorf("an entry without type: %d", status)
	}
	if _, status, _, _ := listEntries(t, base, "", ""); status != http.StatusUnauthorized {
		t.Errorf("without a token: %d", status)
	}
}

// TestTheRESTAPIHasItsOwnLimitAndFaults, and those of the Events API are
// untouched.
func TestTheRESTAPIHasItsOwnLimitAndFaults(t *testing.T) {
	s, base := serve(t, Config{})
	s.Behave(Behavior{Status: 429, RetryAfter: 3 * time.Second, Path: "/log_entries", Count: 1})
	if got := enqueue(t, base, "k"); got != http.StatusAccepted {
		t.Errorf("an event: %d", got)
	}
	_, status, header, _ := listEntries(t, base, "", "Token token=x")
	if status != 429 || header.Get("Retry-After") != "3" {
		t.Errorf("got %d, Retry-After %q", status, header.Get("Retry-After"))
	}
	if _, status, _, _ := listEntries(t, base, "", "Token token=x"); status != 200 {
		t.Errorf("the fault was for one request, then: %d", status)
	}
	var l restLimit
	at := time.Date(2026, 3, 1, 12, 0, 30, 0, time.UTC)
	for i := range maxRequests {
		if left, _ := l.take(at); left != maxRequests-1-i {
			t.Fatalf("%d are left after %d", left, i+1)
		}
	}
	if left, reset := l.take(at); left != -1 || reset != 31 {
		t.Errorf("one too many: %d left for %d s", left, reset)
	}
	if left, _ := l.take(at.Add(time.Minute)); left != maxRequests-1 {
		t.Errorf("the next minute: %d left", left)
	}
}

// TestTheLogForgetsItsOldest entries, and incidents without entries.
func TestTheLogForgetsItsOldest(t *testing.T) {
	s, _ := serve(t, Config{Keep: 8})
	for i := range 100 {
		if _, err := s.Play(LogEntry{Type: "trigger", Incident: fmt.Sprint("k", i)}); err != nil {
			t.Fatal(err)
		}
	}
	if n, m, b := len(s.log.entries), len(s.log.incidents), len(s.log.byID); n < 8 || n > 10 || m != n || b != n {
		t.Errorf("it keeps %d entries of %d incidents (%d ids), want 8 to 10", n, m, b)
	}
}
