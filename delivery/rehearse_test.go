package delivery

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/pdaltagent/pdaltagent/mapping"
)

// TestAStormIsToldAsWhatItSwallows: it waits for the gates of what it folds,
// goes with the first that no gate holds, and again with a more severe one.
func TestAStormIsToldAsWhatItSwallows(t *testing.T) {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	storm := mapping.Storm{Alerts: 1, Within: time.Hour}
	f := func(name string, gates []mapping.Gates, severities []mapping.Severity, until time.Duration, want ...string) {
		t.Helper()
		r := NewRehearsal("noc")
		var got []string
		note := func(heard []Heard) {
			for _, h := range heard {
				if h.Event.DedupKey == StormKey("sw1") {
					got = append(got, fmt.Sprintf("%s %s %s", h.At.Sub(start), h.Event.Action, h.Event.Severity))
				}
			}
		}
		for i, g := range gates {
			at := start.Add(time.Duration(i) * time.Second)
			g.Storm = storm
			note(r.Advance(at))
			heard, _ := r.Take(&mapping.Event{
				ID: uuid.New(), ReceivedAt: at, Action: mapping.Trigger, DedupKey: fmt.Sprint("port-", i), Severity: severities[i],
				Decision: mapping.Queued, Host: "sw1", Rule: "r", Gates: &g,
			})
			note(heard)
		}
		note(r.Advance(start.Add(until)))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: -want +got:\n%s", name, diff)
		}
	}
	none := mapping.Gates{}
	window := mapping.Gates{Maintenance: &mapping.Window{Name: "w", Until: start.Add(4 * time.Minute)}}
	long := mapping.Gates{Maintenance: &mapping.Window{Name: "w", Until: start.Add(time.Hour)}}
	info, critical := mapping.Info, mapping.Critical
	f("no gate", []mapping.Gates{none, none, none}, []mapping.Severity{info, info, info}, time.Hour, "1s trigger info", "5m2s resolve info")
	f("over within the window", []mapping.Gates{long, long, long}, []mapping.Severity{info, info, info}, 2*time.Hour)
	f("longer than the window", []mapping.Gates{window, window}, []mapping.Severity{info, info}, time.Hour, "4m0s trigger info", "5m1s resolve info")
	f("one that no window covers", []mapping.Gates{long, long, none, long}, []mapping.Severity{info, info, info, info}, time.Hour, "2s trigger info", "5m3s resolve info")
	f("a severer one", []mapping.Gates{none, none, none, none}, []mapping.Severity{info, info, critical, critical}, time.Hour,
		"1s trigger info", "2s trigger critical", "5m3s resolve critical")
	f("held", []mapping.Gates{{Hold: time.Minute}, {Hold: time.Minute}}, []mapping.Severity{info, info}, time.Hour, "1m1s trigger info", "5m1s resolve info")
}

// TestAHeldParentInhibits, since it will open when its time has come; two that
// name each other do not wait for each other for ever.
func TestAHeldParentInhibits(t *testing.T) {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	r := NewRehearsal("noc")
	var got []string
	note := func(heard []Heard) {
		for _, h := range heard {
			got = append(got, fmt.Sprintf("%s %s %s", h.At.Sub(start), h.Event.Action, h.Event.DedupKey))
		}
	}
	take := func(after time.Duration, action mapping.Action, dedupKey string, gates mapping.Gates) {
		note(r.Advance(start.Add(after)))
		heard, _ := r.Take(&mapping.Event{
			ID: uuid.New(), ReceivedAt: start.Add(after), Action: action, DedupKey: dedupKey, Severity: mapping.Error,
			Decision: mapping.Queued, Host: "sw1", Rule: "r", Gates: &gates,
		})
		note(heard)
	}
	take(0, mapping.Trigger, "uplink", mapping.Gates{Hold: time.Minute})
	take(time.Second, mapping.Trigger, "port", mapping.Gates{UnlessOpen: "uplink", Hold: time.Second})
	take(2*time.Minute, mapping.Resolve, "uplink", mapping.Gates{})
	take(time.Hour, mapping.Trigger, "a", mapping.Gates{UnlessOpen: "b", Hold: time.Minute})
	take(time.Hour, mapping.Trigger, "b", mapping.Gates{UnlessOpen: "a", Hold: time.Minute})
	note(r.Advance(start.Add(2 * time.Hour)))
	take(3*time.Hour, mapping.Resolve, "a", mapping.Gates{})
	note(r.Advance(start.Add(4 * time.Hour)))
	want := []string{"1m0s trigger uplink", "2m0s resolve uplink", "2m0s trigger port", "1h1m0s trigger a", "3h0m0s resolve a", "3h0m0s trigger b"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestARehearsalGoesThroughTheGates: what PagerDuty hears, and when, of a
// parent and its child, of a blip, of silence and of a storm.
func TestARehearsalGoesThroughTheGates(t *testing.T) {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	r := NewRehearsal("noc")
	var got []string
	note := func(heard []Heard) {
		for _, h := range heard {
			got = append(got, fmt.Sprintf("%s %s %s", h.At.Sub(start), h.Event.Action, h.Event.DedupKey))
		}
	}
	take := func(after time.Duration, action mapping.Action, dedupKey string, gates mapping.Gates) {
		note(r.Advance(start.Add(after)))
		heard, _ := r.Take(&mapping.Event{
			ID: uuid.New(), ReceivedAt: start.Add(after), Action: action, DedupKey: dedupKey, Severity: mapping.Error,
			Decision: mapping.Queued, Host: "sw1", Rule: "r", Gates: &gates,
		})
		note(heard)
	}
	hold, child, quiet := mapping.Gates{Hold: time.Minute}, mapping.Gates{UnlessOpen: "uplink"}, mapping.Gates{ResolveAfter: 10 * time.Minute}
	storm := mapping.Gates{Storm: mapping.Storm{Alerts: 2, Within: time.Minute}}
	s := time.Second
	take(0, mapping.Trigger, "uplink", mapping.Gates{})
	take(1*s, mapping.Trigger, "port", child)
	take(2*s, mapping.Trigger, "blip", hold)
	take(3*s, mapping.Trigger, "lasting", hold)
	take(20*s, mapping.Resolve, "blip", mapping.Gates{})
	take(30*s, mapping.Trigger, "flood", quiet)
	take(40*s, mapping.Resolve, "uplink", mapping.Gates{})
	for i := range 4 {
		take(time.Hour+time.Duration(i)*s, mapping.Trigger, fmt.Sprint("storm-", i), storm)
	}
	note(r.Advance(start.Add(3 * time.Hour)))
	want := []string{
		"0s trigger uplink", "30s trigger flood", "40s resolve uplink",
		"40s trigger port",
		"1m3s trigger lasting", "10m30s resolve flood",
		"1h0m0s trigger storm-0", "1h0m1s trigger storm-1", "1h0m2s trigger storm/sw1", "1h5m3s resolve storm/sw1",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
