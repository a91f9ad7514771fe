package history

import (
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pdaltagent/pdaltagent/mapping"
)

func fewer(n, from int) (batch []*mapping.Event) {
	for i := range n {
		batch = append(batch, gated(mapping.Trigger, fmt.Sprint("port-", from+i), mapping.Gates{Storm: mapping.Storm{Alerts: 100, Within: time.Minute}}))
	}
	return batch
}

func count(decisions []mapping.Decision, d mapping.Decision) (n int) {
	for _, got := range decisions {
		if got == d {
			n++
		}
	}
	return n
}

// TestAFewAlertsWriteNoRowOfStorms, and more of them only the one; the limit
// holds to the alert, however they come.
func TestAFewAlertsWriteNoRowOfStorms(t *testing.T) {
	h, pool := newHistory(t)
	const rows = `SELECT source, ' ', alerts, ' ', kinds FROM storms`
	queued, folded := 0, 0
	send := func(n int) {
		c, _ := commit(t, h, false, fewer(n, queued+folded)...)
		queued, folded = queued+count(c.Decisions, mapping.Queued), folded+count(c.Decisions, mapping.Folded)
	}
	send(7)
	send(3)
	same(t, "ten", table(t, pool, rows), []string(nil))
	send(1)
	same(t, "eleven", table(t, pool, rows), []string{"sw1 11 map[link-down:11]"})
	for range 14 {
		send(7)
	}
	same(t, "all", []int{queued, folded}, []int{100, 9})
	same(t, "all", table(t, pool, rows), []string{"sw1 109 map[link-down:109]"})
}

// TestWhatIsNotCommittedIsNotCounted.
func TestWhatIsNotCommittedIsNotCounted(t *testing.T) {
	h, pool := newHistory(t)
	conn, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	for range 5 {
		broken := fewer(9, 0)
		broken[8].Payload = []byte("{")
		if _, err := h.Commit(t.Context(), conn.Conn(), broken, false, roomy); err == nil {
			t.Fatal("a payload that is no JSON was committed")
		}
	}
	commit(t, h, false, fewer(10, 0)...)
	same(t, "storms", table(t, pool, `SELECT source FROM storms`), []string(nil))
}

// TestTwoNodesShareALimit, once each has opened more than its own share of it.
func TestTwoNodesShareALimit(t *testing.T) {
	h, pool := newHistory(t)
	other := New(pool, h.routes, h.config, slog.New(slog.DiscardHandler))
	queued := 0
	for i := range 60 {
		for _, node := range []*History{h, other} {
			c, _ := commit(t, node, false, fewer(2, 1000*i+2*queued)...)
			queued += count(c.Decisions, mapping.Queued)
		}
	}
	same(t, "queued", queued, 100)
}

// TestAStormIsForgottenWithItsWindow.
func TestAStormIsForgottenWithItsWindow(t *testing.T) {
	h, pool := newHistory(t)
	commit(t, h, false, fewer(10, 0)...)
	later := fewer(10, 10)
	for _, e := range later {
		e.ReceivedAt = e.ReceivedAt.Add(time.Minute)
	}
	c, _ := commit(t, h, false, later...)
	same(t, "queued", count(c.Decisions, mapping.Queued), 10)
	same(t, "storms", table(t, pool, `SELECT source FROM storms`), []string(nil))
}

// TestAStormInAMaintenanceWindowWaitsForItsEnd; one alert that no window covers
// lets it go, in a batch of its own too.
func TestAStormInAMaintenanceWindowWaitsForItsEnd(t *testing.T) {
	h, pool := newHistory(t)
	if _, err := pool.Exec(t.Context(), `INSERT INTO maintenance_windows (name, source, rule, from_at, until_at)
		VALUES ('w', 'sw*', 'link-*', now() - interval '1 hour', now() + interval '1 hour')`); err != nil {
		t.Fatal(err)
	}
	const storms = `SELECT action, ' ', state, coalesce(' ' || held_by, '') FROM deliveries WHERE dedup_key = 'storm/sw1' ORDER BY seq`
	commit(t, h, false, fewer(150, 0)...)
	same(t, "in the window", table(t, pool, storms), []string{"trigger held maintenance"})
	commit(t, h, false, fewer(50, 150)...)
	same(t, "more of it", table(t, pool, storms), []string{"trigger held maintenance"})
	other := fewer(1, 1000)
	other[0].Rule = "fan"
	_, ready := commit(t, h, false, other...)
	same(t, "what may go", len(ready), 1)
	same(t, "another rule's", table(t, pool, storms), []string{"trigger cancelled", "trigger queued"})
}

// TestTheFirstAlertsOfAStormAreNotForgotten when two nodes open them at once,
// before the storm has a row that one could wait for: who comes second fails
// as a race, and counts on what the first one wrote.
func TestTheFirstAlertsOfAStormAreNotForgotten(t *testing.T) {
	h, pool := newHistory(t)
	other := New(pool, h.routes, h.config, slog.New(slog.DiscardHandler))
	conn, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	first := true
	meanwhile := func(string, uuid.UUID) bool {
		if first {
			first = false
			commit(t, other, false, fewer(40, 0)...)
		}
		return true
	}
	mine := fewer(50, 40)
	_, err = h.Commit(t.Context(), conn.Conn(), mine, false, meanwhile)
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Code != "23505" {
		t.Fatalf("the second of two firsts: %v, want a unique violation", err)
	}
	if _, err := h.Commit(t.Context(), conn.Conn(), mine, true, roomy); err != nil {
		t.Fatal(err)
	}
	same(t, "storms", table(t, pool, `SELECT source, ' ', alerts FROM storms`), []string{"sw1 90"})
}
