package delivery

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/pdaltagent/pdaltagent/mapping"
)

func noParent(string) bool { return false }

// TestAnAlertDecidesByItsStatus is the table of what becomes of an event that
// no gate stands before.
func TestAnAlertDecidesByItsStatus(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	f := func(status Status, e mapping.Event, want mapping.Decision, wantStatus Status) {
		t.Helper()
		a := &Alert{Status: status, Severity: mapping.Warning, Occurrences: 1}
		e.ReceivedAt = at
		got := a.Decide(&e, noParent)
		opens := e.Action == mapping.Trigger && status != Open && status != Acknowledged
		if diff := cmp.Diff(Ruling{Decision: want, Opens: opens}, got); diff != "" || a.Status != wantStatus {
			t.Errorf("%s in %q makes it %q, want %q\n%s", e.Action, status, a.Status, wantStatus, diff)
		}
	}
	trigger := mapping.Event{Action: mapping.Trigger, Severity: mapping.Warning}
	worse := mapping.Event{Action: mapping.Trigger, Severity: mapping.Critical}
	better := mapping.Event{Action: mapping.Trigger, Severity: mapping.Info}
	posted := mapping.Event{Action: mapping.Trigger, Severity: mapping.Warning, Posted: true}
	f("", trigger, mapping.Queued, Open)
	f(Pending, trigger, mapping.Queued, Open)
	f(Resolved, trigger, mapping.Queued, Open)
	f(Open, trigger, mapping.Folded, Open)
	f(Acknowledged, trigger, mapping.Folded, Acknowledged)
	f(Open, worse, mapping.Queued, Open)
	f(Open, better, mapping.Folded, Open)
	f(Open, posted, mapping.Queued, Open)

	ack := mapping.Event{Action: mapping.Acknowledge}
	f("", ack, mapping.Suppressed, "")
	f(Resolved, ack, mapping.Suppressed, Resolved)
	f(Open, ack, mapping.Queued, Acknowledged)
	f(Acknowledged, ack, mapping.Folded, Acknowledged)
	f("", mapping.Event{Action: mapping.Acknowledge, Posted: true}, mapping.Queued, Acknowledged)

	resolve := mapping.Event{Action: mapping.Resolve}
	f("", resolve, mapping.Suppressed, "")
	f(Resolved, resolve, mapping.Suppressed, Resolved)
	f(Open, resolve, mapping.Queued, Resolved)
	f(Acknowledged, resolve, mapping.Queued, Resolved)
	f(Pending, resolve, mapping.Queued, Resolved)
	f("", mapping.Event{Action: mapping.Resolve, Posted: true}, mapping.Queued, Resolved)
}

// TestAnAlertCountsSinceItWasOpened follows one alert through two lives.
func TestAnAlertCountsSinceItWasOpened(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	minute := func(n int) time.Time { return at.Add(time.Duration(n) * time.Minute) }
	a := &Alert{}
	event := func(n int, action mapping.Action, severity mapping.Severity, summary string) {
		a.Decide(&mapping.Event{ReceivedAt: minute(n), Action: action, Severity: severity, Summary: summary, Host: "h", Rule: "r"}, noParent)
	}
	event(0, mapping.Trigger, mapping.Warning, "first")
	event(1, mapping.Trigger, mapping.Warning, "again")
	event(2, mapping.Trigger, mapping.Error, "worse")
	want := Alert{
		Status: Open, Severity: mapping.Error, Summary: "worse", Source: "h", Rule: "r",
		FirstAt: minute(0), LastAt: minute(2), SentAt: minute(2), Occurrences: 3,
	}
	if diff := cmp.Diff(want, *a); diff != "" {
		t.Errorf("after three triggers (-want +got):\n%s", diff)
	}
	event(3, mapping.Resolve, "", "")
	if a.ResolvedAt == nil || !a.ResolvedAt.Equal(minute(3)) {
		t.Errorf("resolved at %v, want %v", a.ResolvedAt, minute(3))
	}
	event(5, mapping.Trigger, mapping.Info, "a new life")
	want = Alert{
		Status: Open, Severity: mapping.Info, Summary: "a new life", Source: "h", Rule: "r",
		FirstAt: minute(5), LastAt: minute(5), SentAt: minute(5), Occurrences: 1,
	}
	if diff := cmp.Diff(want, *a); diff != "" {
		t.Errorf("after it was opened again (-want +got):\n%s", diff)
	}
}

// TestGates tells, for each gate, a story: events at seconds, and what is
// decided about each.
func TestGates(t *testing.T) {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	f := func(name string, gates mapping.Gates, parent bool, story, want string) {
		t.Helper()
		a := &Alert{ID: uuid.New()}
		var got []string
		for _, step := range strings.Fields(story) {
			// "t12" is a trigger after 12 s, "T12" one that is critical, "r12" a resolve.
			after, err := time.ParseDuration(step[1:] + "s")
			if err != nil {
				t.Fatal(err)
			}
			e := &mapping.Event{ID: uuid.New(), ReceivedAt: start.Add(after), Action: mapping.Trigger, Severity: mapping.Warning, Gates: &gates, DedupKey: "k"}
			switch step[0] {
			case 'T':
				e.Severity = mapping.Critical
			case 'r':
				e.Action, e.Gates = mapping.Resolve, &mapping.Gates{Flapping: gates.Flapping}
			}
			opens := a.Opens(e)
			r := a.Decide(e, func(string) bool { return parent })
			word := string(r.Decision)
			if r.By != "" && !r.Until.IsZero() {
				word += "+" + r.Until.Sub(start).String()
			}
			if r.Cancel != uuid.Nil {
				word += "!"
			}
			if opens != (e.Action == mapping.Trigger && (r.Decision == mapping.Queued && r.Cancel == uuid.Nil || r.By != "" && r.Cancel == uuid.Nil) && a.Occurrences <= int64(max(1, gates.Threshold.Count))) {
				t.Errorf("%s: Opens says %t of what was %s", name, opens, word)
			}
			got = append(got, word)
		}
		if g := strings.Join(got, " "); g != want {
			t.Errorf("%s: %s\ngot  %s\nwant %s", name, story, g, want)
		}
	}
	f("the third within a minute opens", mapping.Gates{Threshold: mapping.Threshold{Count: 3, Within: time.Minute}}, false,
		"t0 t10 t20 t30 r40 r41 t50 t60", "suppressed suppressed queued folded queued suppressed suppressed suppressed")
	f("too slow for a threshold", mapping.Gates{Threshold: mapping.Threshold{Count: 3, Within: time.Minute}}, false,
		"t0 t30 t60 t89 t91", "suppressed suppressed suppressed queued folded")
	f("resolved below its threshold", mapping.Gates{Threshold: mapping.Threshold{Count: 2, Within: time.Minute}}, false,
		"t0 r1 t2 t3", "suppressed suppressed suppressed queued")
	f("a blip is never sent", mapping.Gates{Hold: time.Minute}, false,
		"t0 t5 r30 r31 t40", "held+1m0s folded suppressed! suppressed held+1m40s")
	f("what gets worse takes the place of what is held", mapping.Gates{Hold: time.Minute}, false,
		"t0 T10 T20 r30", "held+1m0s held+1m0s! folded suppressed!")
	f("the parent is open", mapping.Gates{UnlessOpen: "uplink"}, true, "t0 t1 r2", "inhibited folded suppressed!")
	f("the parent is not open", mapping.Gates{UnlessOpen: "uplink"}, false, "t0 r1", "queued queued")
	f("nobody is his own parent", mapping.Gates{UnlessOpen: "k"}, true, "t0", "queued")
	window := &mapping.Window{Name: "patching", Until: start.Add(time.Hour)}
	f("in maintenance", mapping.Gates{Maintenance: window, Hold: time.Minute}, true, "t0 r2 t3599 t3600", "maintenance+1h0m0s suppressed! maintenance+1h0m59s folded")
	f("repeated", mapping.Gates{Repeat: 10 * time.Minute}, false, "t0 t599 t600 t900 t1200", "queued folded queued folded queued")
	f("flapping", mapping.Gates{Flapping: mapping.Flapping{Changes: 4, Within: time.Minute, Quiet: 5 * time.Minute}}, false,
		"t0 r1 t2 r3 r4 t5 r6", "queued queued queued held folded folded held")
	f("not flapping any more", mapping.Gates{Flapping: mapping.Flapping{Changes: 4, Within: time.Minute, Quiet: 5 * time.Minute}}, false,
		"t0 r1 t2 r70 t71 r72", "queued queued queued queued queued queued")
}

// TestAnAlertSaysWhenItResolvesItself.
func TestAnAlertSaysWhenItResolvesItself(t *testing.T) {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	a := &Alert{}
	at := func(after time.Duration, action mapping.Action, gates mapping.Gates, want time.Duration) {
		t.Helper()
		a.Decide(&mapping.Event{ReceivedAt: start.Add(after), Action: action, Severity: mapping.Error, Gates: &gates}, noParent)
		if got := a.ResolveAt; want == 0 && !got.IsZero() || want > 0 && !got.Equal(start.Add(want)) {
			t.Errorf("%s after %s: it resolves itself at %s, want %s after the start", action, after, got, want)
		}
	}
	silence := mapping.Gates{ResolveAfter: 10 * time.Minute}
	at(0, mapping.Trigger, silence, 10*time.Minute)
	at(4*time.Minute, mapping.Trigger, silence, 14*time.Minute)
	at(3*time.Minute, mapping.Trigger, silence, 14*time.Minute) // late
	at(5*time.Minute, mapping.Resolve, mapping.Gates{}, 0)
	flaps := mapping.Flapping{Changes: 2, Within: time.Hour, Quiet: time.Minute}
	at(6*time.Minute, mapping.Trigger, mapping.Gates{Flapping: flaps}, 0)
	at(7*time.Minute, mapping.Resolve, mapping.Gates{Flapping: flaps}, 8*time.Minute)
	at(7*time.Minute+time.Second, mapping.Trigger, mapping.Gates{Flapping: flaps}, 0)
	if !slices.Contains([]Status{Open}, a.Status) || a.Resolving {
		t.Errorf("a trigger while it flaps leaves it %s, resolving %t", a.Status, a.Resolving)
	}
	at(8*time.Minute, mapping.Resolve, mapping.Gates{Flapping: flaps}, 9*time.Minute)
	at(9*time.Minute, mapping.Resolve, mapping.Gates{}, 0) // its own
	if a.Status != Resolved {
		t.Errorf("it is %s after it has resolved itself", a.Status)
	}
}
