package history

import (
	"testing"
	"time"

	"github.com/pdaltagent/pdaltagent/delivery"
	"github.com/pdaltagent/pdaltagent/mapping"
)

// TestDiedTellsOfWhatIsDeadOfLate, not of what was sent again since, nor of
// alerts about the appliance itself.
func TestDiedTellsOfWhatIsDeadOfLate(t *testing.T) {
	d, h, pool := newDesk(t)
	died := func(since time.Time) []delivery.DeadLetters {
		t.Helper()
		list, err := h.Died(t.Context(), since, "noc")
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	began := time.Now()
	send(t, h, delivery.Delivered, mapping.Trigger, "delivered")
	send(t, h, delivery.Dead, mapping.Trigger, "self/dead")
	same(t, "without any", died(began.Add(-time.Minute)), []delivery.DeadLetters{})
	send(t, h, delivery.Dead, mapping.Trigger, "a")
	send(t, h, delivery.Dead, mapping.Trigger, "b")
	if _, err := pool.Exec(t.Context(), `UPDATE deliveries SET last_error = 'the last of ' || dedup_key`); err != nil {
		t.Fatal(err)
	}
	same(t, "two", died(began.Add(-time.Minute)), []delivery.DeadLetters{{Route: "noc", Count: 2, Error: "the last of b"}})
	same(t, "later", died(time.Now().Add(time.Minute)), []delivery.DeadLetters{})
	retryAll(t, d, Choice{Alert: "b"})
	same(t, "one is sent again", died(began.Add(-time.Minute)), []delivery.DeadLetters{{Route: "noc", Count: 1, Error: "the last of a"}})
}

// TestOpenTellsOfAlertsThatAreNotResolved, with their routes.
func TestOpenTellsOfAlertsThatAreNotResolved(t *testing.T) {
	_, h, _ := newDesk(t)
	send(t, h, delivery.Dead, mapping.Trigger, "refused")
	commit(t, h, false, event(mapping.Trigger, "open"), event(mapping.Trigger, "over"), event(mapping.Resolve, "over"), event(mapping.Trigger, "other"))
	list, err := h.Open(t.Context(), []string{"open", "over", "unheard"})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "open", list, []delivery.OpenAlert{{DedupKey: "open", Route: "noc", Severity: mapping.Error}})
	if list, err = h.Open(t.Context(), []string{"refused"}); err != nil || len(list) != 1 {
		t.Errorf("one that PagerDuty has refused: %v: %v", list, err)
	}
}
