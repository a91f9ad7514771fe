package history

import (
	"testing"
	"time"

	"github.com/pdaltagent/pdaltagent/delivery"
	"github.com/pdaltagent/pdaltagent/mapping"
)

// TestBacklogIsWhatPagerDutyShouldKnow: what waits for its attempt, its alert or
// its route, and not what a gate holds or what is dead; by severity, with the
// receipt of the oldest.
func TestBacklogIsWhatPagerDutyShouldKnow(t *testing.T) {
	h, pool := newHistory(t)
	at := time.Now().UTC().Truncate(time.Second).Add(-time.Hour)
	put := func(key string, age time.Duration, severity mapping.Severity, set string) {
		t.Helper()
		commit(t, h, false, event(mapping.Trigger, key))
		if _, err := pool.Exec(t.Context(), `UPDATE deliveries SET received_at = $1, severity = $2, `+set+` WHERE dedup_key = $3`, at.Add(-age), severity, key); err != nil {
			t.Fatal(err)
		}
	}
	put("sent next", time.Minute, mapping.Critical, "state = 'queued'")
	put("for its route", time.Hour, mapping.Error, "state = 'held', held_by = 'route'")
	put("for its alert", 2*time.Hour, mapping.Error, "state = 'held', held_by = 'alert'")
	put("for a gate", 3*time.Hour, mapping.Error, "state = 'held', held_by = 'hold'")
	put("for a window", 3*time.Hour, mapping.Info, "state = 'held', held_by = 'maintenance'")
	put("given up", 4*time.Hour, mapping.Critical, "state = 'dead'")
	put("done", 4*time.Hour, mapping.Critical, "state = 'delivered'")
	got, err := h.Waiting(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for severity, b := range got.Backlog { // the pool's time zone is not ours
		if !b.Oldest.IsZero() {
			b.Oldest = b.Oldest.UTC()
		}
		got.Backlog[severity] = b
	}
	same(t, "waiting", got, delivery.Waiting{
		States: map[delivery.State]int64{delivery.Held: 4, delivery.Queued: 1, delivery.Dead: 1},
		Backlog: map[mapping.Severity]delivery.Backlog{
			mapping.Critical: {Deliveries: 1, Oldest: at.Add(-time.Minute)},
			mapping.Error:    {Deliveries: 2, Oldest: at.Add(-2 * time.Hour)},
			mapping.Warning:  {},
			mapping.Info:     {},
		},
	})
}
