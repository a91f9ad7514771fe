package delivery

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/pdaltagent/pdaltagent/mapping"
)

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
