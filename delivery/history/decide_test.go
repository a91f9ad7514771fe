package history

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pdaltagent/pdaltagent/mapping"
)

// TestAnAlertDecidesByItsStatus is the table of what becomes of an event.
func TestAnAlertDecidesByItsStatus(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	f := func(status string, e mapping.Event, want mapping.Decision, wantStatus string) {
		t.Helper()
		a := &alert{status: status, severity: mapping.Warning, occurrences: 1}
		e.ReceivedAt = at
		got := a.decide(&e)
		if got != want || a.status != wantStatus {
			t.Errorf("%s in %q: got %s and %q, want %s and %q", e.Action, status, got, a.status, want, wantStatus)
		}
	}
	trigger := mapping.Event{Action: mapping.Trigger, Severity: mapping.Warning}
	worse := mapping.Event{Action: mapping.Trigger, Severity: mapping.Critical}
	better := mapping.Event{Action: mapping.Trigger, Severity: mapping.Info}
	posted := mapping.Event{Action: mapping.Trigger, Severity: mapping.Warning, Posted: true}
	f("", trigger, mapping.Queued, open)
	f(pending, trigger, mapping.Queued, open)
	f(resolved, trigger, mapping.Queued, open)
	f(open, trigger, mapping.Folded, open)
	f(acknowledged, trigger, mapping.Folded, acknowledged)
	f(open, worse, mapping.Queued, open)
	f(open, better, mapping.Folded, open)
	f(open, posted, mapping.Queued, open)

	ack := mapping.Event{Action: mapping.Acknowledge}
	f("", ack, mapping.Suppressed, "")
	f(resolved, ack, mapping.Suppressed, resolved)
	f(open, ack, mapping.Queued, acknowledged)
	f(acknowledged, ack, mapping.Folded, acknowledged)
	f("", mapping.Event{Action: mapping.Acknowledge, Posted: true}, mapping.Queued, acknowledged)

	resolve := mapping.Event{Action: mapping.Resolve}
	f("", resolve, mapping.Suppressed, "")
	f(resolved, resolve, mapping.Suppressed, resolved)
	f(open, resolve, mapping.Queued, resolved)
	f(acknowledged, resolve, mapping.Queued, resolved)
	f(pending, resolve, mapping.Queued, resolved)
	f("", mapping.Event{Action: mapping.Resolve, Posted: true}, mapping.Queued, resolved)
}

// TestAnAlertCountsSinceItWasOpened follows one alert through two lives.
func TestAnAlertCountsSinceItWasOpened(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	minute := func(n int) time.Time { return at.Add(time.Duration(n) * time.Minute) }
	a := &alert{}
	event := func(n int, action mapping.Action, severity mapping.Severity, summary string) {
		a.decide(&mapping.Event{ReceivedAt: minute(n), Action: action, Severity: severity, Summary: summary, Host: "h", Rule: "r"})
	}
	event(0, mapping.Trigger, mapping.Warning, "first")
	event(1, mapping.Trigger, mapping.Warning, "again")
	event(2, mapping.Trigger, mapping.Error, "worse")
	want := alert{
		status: open, severity: mapping.Error, summary: "worse", source: "h", rule: "r",
		firstAt: minute(0), lastAt: minute(2), occurrences: 3,
	}
	if diff := cmp.Diff(want, *a, cmp.AllowUnexported(alert{}, alertKey{})); diff != "" {
		t.Errorf("after three triggers (-want +got):\n%s", diff)
	}
	event(3, mapping.Resolve, "", "")
	if a.resolvedAt == nil || !a.resolvedAt.Equal(minute(3)) {
		t.Errorf("resolved at %v, want %v", a.resolvedAt, minute(3))
	}
	event(5, mapping.Trigger, mapping.Info, "a new life")
	want = alert{
		status: open, severity: mapping.Info, summary: "a new life", source: "h", rule: "r",
		firstAt: minute(5), lastAt: minute(5), occurrences: 1,
	}
	if diff := cmp.Diff(want, *a, cmp.AllowUnexported(alert{}, alertKey{})); diff != "" {
		t.Errorf("after it was opened again (-want +got):\n%s", diff)
	}
}
