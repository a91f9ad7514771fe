package history

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pdaltagent/pdaltagent/delivery"
	"github.com/pdaltagent/pdaltagent/ingest"
	"github.com/pdaltagent/pdaltagent/mapping"
)

// nobodyWorks stands for River: no job is being worked.
const nobodyWorks = `busy AS (SELECT NULL::uuid AS id WHERE false)`

func newDesk(t *testing.T) (*Desk, *History, *pgxpool.Pool) {
	t.Helper()
	h, pool := newHistory(t)
	return NewDesk(pool, nobodyWorks), h, pool
}

func somebody() Intervention { return Intervention{Who: "alice@desk", Why: "drill", Chosen: "all"} }

// send commits an event that is then settled in state.
func send(t *testing.T, h *History, state delivery.State, action mapping.Action, dedupKey string) *mapping.Event {
	t.Helper()
	e := event(action, dedupKey)
	commit(t, h, false, e)
	settle(t, h, state, e)
	return e
}

func retryAll(t *testing.T, d *Desk, c Choice) (int, []Reason) {
	t.Helper()
	done, err := d.Retry(t.Context(), c, somebody())
	if err != nil {
		t.Fatal(err)
	}
	var reasons []Reason
	for _, r := range done.Refused {
		reasons = append(reasons, r.Reason)
	}
	return done.Deliveries, reasons
}

const deadOrWaiting = `SELECT dedup_key, ' ', action, ' ', state, coalesce(' ' || held_by, '') FROM deliveries WHERE state IN ('held', 'queued', 'dead') ORDER BY seq`

// TestARetriedTriggerOpensItsAlertAgain: what its death had left pending folds
// repeats again, and its resolve is sent, behind it.
func TestARetriedTriggerOpensItsAlertAgain(t *testing.T) {
	d, h, pool := newDesk(t)
	e := send(t, h, delivery.Dead, mapping.Trigger, "k")
	same(t, "after its death", table(t, pool, `SELECT status FROM alerts`), []string{"pending"})
	n, refused := retryAll(t, d, Choice{})
	same(t, "retried", n, 1)
	same(t, "refused", refused, []Reason(nil))
	same(t, "alert", table(t, pool, `SELECT status FROM alerts`), []string{"open"})
	c, _ := commit(t, h, false, event(mapping.Trigger, "k"), event(mapping.Resolve, "k"))
	same(t, "later ones", c.Decisions, []mapping.Decision{mapping.Folded, mapping.Queued})
	same(t, "in line", table(t, pool, deadOrWaiting), []string{"k trigger held route", "k resolve held alert"})
	same(t, "admitted", tick(t, h, time.Now()), []uuid.UUID{e.ID})
	settle(t, h, delivery.Delivered, e)
	same(t, "who, and why", table(t, pool, `SELECT d.state, ' ', d.attempts, ' ', i.who, ' ', i.what, ' ', i.why, ' ', i.deliveries
		FROM deliveries d JOIN interventions i ON i.id = d.intervention_id`), []string{"delivered 2 alice@desk retry drill 1"})
}

// TestARetryNeverGoesBackInTime, nor tells what is not so any more.
func TestARetryNeverGoesBackInTime(t *testing.T) {
	d, h, pool := newDesk(t)
	f := func(name string, arrange func(h *History) Choice, n int, refused []Reason, after ...string) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			t.Helper()
			if _, err := pool.Exec(t.Context(), `TRUNCATE deliveries, alerts, events, attempts`); err != nil {
				t.Fatal(err)
			}
			gotN, gotRefused := retryAll(t, d, arrange(h))
			same(t, "retried", gotN, n)
			same(t, "refused", gotRefused, refused)
			same(t, "deliveries", table(t, pool, deadOrWaiting), after)
		})
	}
	up, down, ack := mapping.Resolve, mapping.Trigger, mapping.Acknowledge
	dead, delivered := delivery.Dead, delivery.Delivered
	f("a newer trigger was accepted", func(h *History) Choice {
		send(t, h, dead, down, "k")
		send(t, h, delivered, down, "k")
		return Choice{}
	}, 0, []Reason{Overtaken}, "k trigger dead")
	f("a newer resolve was accepted", func(h *History) Choice {
		send(t, h, dead, down, "k")
		send(t, h, delivered, up, "k")
		return Choice{}
	}, 0, []Reason{Overtaken}, "k trigger dead")
	f("a resolve, and the problem is back", func(h *History) Choice {
		send(t, h, delivered, down, "k")
		send(t, h, dead, up, "k")
		send(t, h, delivered, down, "k")
		return Choice{}
	}, 0, []Reason{Overtaken}, "k resolve dead")
	f("a newer one is under way", func(h *History) Choice {
		send(t, h, dead, down, "k")
		commit(t, h, false, event(up, "k"))
		return Choice{}
	}, 0, []Reason{Overtaken}, "k trigger dead", "k resolve queued")
	f("both are dead: in order", func(h *History) Choice {
		send(t, h, dead, down, "k")
		send(t, h, dead, up, "k")
		send(t, h, dead, down, "other")
		return Choice{}
	}, 3, nil, "k trigger held route", "k resolve held alert", "other trigger held route")
	f("a trigger alone, whose resolve is dead", func(h *History) Choice {
		e := send(t, h, dead, down, "k")
		send(t, h, dead, up, "k")
		return Choice{IDs: []uuid.UUID{e.ID}}
	}, 0, []Reason{Over}, "k trigger dead", "k resolve dead")
	f("a resolve alone, after which it opened again", func(h *History) Choice {
		send(t, h, delivered, down, "k")
		e := send(t, h, dead, up, "k")
		send(t, h, dead, down, "k")
		return Choice{IDs: []uuid.UUID{e.ID}}
	}, 0, []Reason{Reopened}, "k resolve dead", "k trigger dead")
	f("the last of them, and the ones before it not", func(h *History) Choice {
		send(t, h, dead, down, "k")
		e := send(t, h, dead, up, "k")
		return Choice{IDs: []uuid.UUID{e.ID}}
	}, 1, nil, "k trigger dead", "k resolve held route")
	f("an acknowledgement", func(h *History) Choice {
		send(t, h, delivered, down, "k")
		send(t, h, dead, ack, "k")
		return Choice{}
	}, 1, nil, "k acknowledge held route")
	f("what a gate holds is newer", func(h *History) Choice {
		send(t, h, dead, down, "k")
		commit(t, h, false, gated(down, "k", mapping.Gates{Hold: time.Hour}))
		return Choice{}
	}, 0, []Reason{Overtaken}, "k trigger dead", "k trigger held hold")
	f("behind an older one that is retried already", func(h *History) Choice {
		e := send(t, h, dead, down, "k")
		e2 := event(down, "k")
		e2.Severity = mapping.Critical
		commit(t, h, false, e2)
		settle(t, h, dead, e2)
		if n, _ := retryAll(t, NewDesk(h.pool, nobodyWorks), Choice{IDs: []uuid.UUID{e.ID}}); n != 1 {
			t.Fatal("the older one was not retried")
		}
		return Choice{}
	}, 1, nil, "k trigger held route", "k trigger held alert")
	f("change events know no order", func(h *History) Choice {
		for range 2 {
			e := event(mapping.ChangeEvent, "")
			e.API = ingest.Change
			commit(t, h, false, e)
			settle(t, h, dead, e)
		}
		return Choice{}
	}, 2, nil, " change held route", " change held route")
}

// TestDesksThatWorkAtOnceRetryEachOnce, in chunks that keep alerts whole.
func TestDesksThatWorkAtOnceRetryEachOnce(t *testing.T) {
	d, h, pool := newDesk(t)
	const alerts = 1000
	for _, action := range []mapping.Action{mapping.Trigger, mapping.Acknowledge, mapping.Resolve} {
		var batch []*mapping.Event
		for i := range alerts {
			batch = append(batch, event(action, fmt.Sprint("k", i)))
		}
		commit(t, h, false, batch...)
	}
	if _, err := pool.Exec(t.Context(), `UPDATE deliveries SET state = 'dead', held_by = NULL`); err != nil {
		t.Fatal(err)
	}
	var (
		all sync.WaitGroup
		sum [3]Changed
	)
	for i := range sum {
		all.Go(func() {
			var err error
			if sum[i], err = d.Retry(t.Context(), Choice{}, somebody()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	same(t, "retried", sum[0].Deliveries+sum[1].Deliveries+sum[2].Deliveries, 3*alerts)
	same(t, "on record", table(t, pool, `SELECT sum(deliveries)::text FROM interventions`), []string{fmt.Sprint(3 * alerts)})
	same(t, "in line", table(t, pool, `SELECT action, ' ', held_by, ' ', count(*) FROM deliveries GROUP BY action, held_by ORDER BY 1`),
		[]string{fmt.Sprintf("acknowledge alert %d", alerts), fmt.Sprintf("resolve alert %d", alerts), fmt.Sprintf("trigger route %d", alerts)})
}

// TestWhatIsCancelledFreesWhatWaitedBehindIt, and the next message about its
// alert is sent.
func TestWhatIsCancelledFreesWhatWaitedBehindIt(t *testing.T) {
	d, h, pool := newDesk(t)
	first, end := event(mapping.Trigger, "k"), event(mapping.Resolve, "k")
	commit(t, h, false, first, end, event(mapping.Trigger, "alone"), gated(mapping.Trigger, "held", mapping.Gates{Hold: time.Hour}))
	done, err := d.Cancel(t.Context(), Choice{IDs: []uuid.UUID{first.ID}}, somebody())
	if err != nil {
		t.Fatal(err)
	}
	same(t, "cancelled", done, Changed{Deliveries: 1})
	same(t, "its resolve goes", table(t, pool, deadOrWaiting), []string{"k resolve held route", "alone trigger queued", "held trigger held hold"})
	for _, key := range []string{"alone", "held"} {
		if _, err := d.Cancel(t.Context(), Choice{Alert: key}, somebody()); err != nil {
			t.Fatal(err)
		}
	}
	same(t, "alerts", table(t, pool, `SELECT dedup_key, ' ', status, ' ', gated_id IS NULL FROM alerts ORDER BY 1`),
		[]string{"alone pending true", "held pending true", "k resolved true"})
	same(t, "who, and why", table(t, pool, `SELECT last_error FROM deliveries WHERE dedup_key = 'held'`), []string{"cancelled by alice@desk: drill"})
	c, _ := commit(t, h, false, event(mapping.Trigger, "alone"), event(mapping.Trigger, "held"))
	same(t, "the next ones", c.Decisions, []mapping.Decision{mapping.Queued, mapping.Queued})
	same(t, "what ended is not cancelled", cancelAll(t, d, Choice{States: []delivery.State{delivery.Dead, delivery.Cancelled}}), 0)
}

func cancelAll(t *testing.T, d *Desk, c Choice) int {
	t.Helper()
	done, err := d.Cancel(t.Context(), c, somebody())
	if err != nil {
		t.Fatal(err)
	}
	return done.Deliveries
}

// TestPurgeRemovesWhatCameToItsEnd and is meant, with its attempts.
func TestPurgeRemovesWhatCameToItsEnd(t *testing.T) {
	d, h, pool := newDesk(t)
	send(t, h, delivery.Delivered, mapping.Trigger, "delivered")
	send(t, h, delivery.Dead, mapping.Trigger, "dead")
	commit(t, h, false, event(mapping.Trigger, "waits"))
	purge := func(c Choice) int {
		t.Helper()
		done, err := d.Purge(t.Context(), c, somebody())
		if err != nil {
			t.Fatal(err)
		}
		return done.Deliveries
	}
	same(t, "too young", purge(Choice{Before: time.Now().Add(-time.Hour)}), 0)
	same(t, "what waits", purge(Choice{States: []delivery.State{delivery.Queued}, Before: time.Now()}), 0)
	same(t, "dead ones", purge(Choice{States: []delivery.State{delivery.Dead}, Before: time.Now()}), 1)
	same(t, "attempts", table(t, pool, `SELECT d.dedup_key FROM attempts a LEFT JOIN deliveries d ON d.id = a.delivery_id`), []string{"delivered"})
	same(t, "the others", purge(Choice{Before: time.Now()}), 1)
	same(t, "what is left", table(t, pool, deadOrWaiting), []string{"waits trigger queued"})
	same(t, "on record", table(t, pool, `SELECT what, ' ', deliveries FROM interventions`), []string{"purge 1", "purge 1"})
}

// TestChoiceNarrows by each of its fields, and takes nothing for SQL.
func TestChoiceNarrows(t *testing.T) {
	d, h, _ := newDesk(t)
	old := event(mapping.Trigger, "old")
	old.ReceivedAt = old.ReceivedAt.Add(-2 * time.Hour)
	commit(t, h, false, old)
	settle(t, h, delivery.Dead, old)
	commit(t, h, false, event(mapping.Trigger, "new"), event(mapping.Resolve, "new"))
	f := func(c Choice, want ...string) {
		t.Helper()
		list, _, err := d.List(t.Context(), c)
		if err != nil {
			t.Fatalf("%+v: %v", c, err)
		}
		var got []string
		for _, l := range list {
			got = append(got, fmt.Sprint(l.DedupKey, " ", l.Action, " ", l.State, " ", l.HeldBy))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%+v: -want +got:\n%s", c, diff)
		}
		if n, err := d.Count(t.Context(), c); err != nil || n != len(want) {
			t.Errorf("%+v: counted %d: %v", c, n, err)
		}
	}
	oldOne, opens, ends := "old trigger dead ", "new trigger queued ", "new resolve held alert"
	f(Choice{}, oldOne, opens, ends)
	f(Choice{States: []delivery.State{delivery.Held, delivery.Dead}}, oldOne, ends)
	f(Choice{IDs: []uuid.UUID{old.ID}}, oldOne)
	f(Choice{Alert: "new"}, opens, ends)
	f(Choice{Kind: "event"}, oldOne, opens, ends)
	f(Choice{Kind: "webhook"})
	f(Choice{Routes: []string{"noc", "lab"}}, oldOne, opens, ends)
	f(Choice{Routes: []string{"lab"}})
	f(Choice{Before: time.Now().Add(-time.Hour)}, oldOne)
	f(Choice{After: time.Now().Add(-time.Hour)}, opens, ends)
	f(Choice{Error: "ANSWERED 5"}, oldOne)
	f(Choice{Error: "%"})
	f(Choice{Limit: 2}, oldOne, opens)
	f(Choice{States: []delivery.State{delivery.Dead}, Limit: 9, Error: "500"}, oldOne)
	for _, hostile := range []string{`'; DROP TABLE deliveries; --`, `' OR '1'='1`, `\'`, `$1`, `@ids`, `{}`, `%' AND true`} {
		f(Choice{Alert: hostile})
		f(Choice{Routes: []string{hostile}})
		f(Choice{States: []delivery.State{delivery.State(hostile)}})
		f(Choice{Error: hostile})
	}
}

// TestListSaysWhatWaitsForWhat.
func TestListSaysWhatWaitsForWhat(t *testing.T) {
	d, h, _ := newDesk(t)
	first, end := event(mapping.Trigger, "k"), event(mapping.Resolve, "k")
	held := gated(mapping.Trigger, "gated", mapping.Gates{Hold: time.Hour})
	commit(t, h, false, first, end, held)
	list, more, err := d.List(t.Context(), Choice{Limit: 3})
	if err != nil || more || len(list) != 3 {
		t.Fatalf("%d, more %v: %v", len(list), more, err)
	}
	same(t, "behind", list[1].Behind, &first.ID)
	same(t, "due", list[2].DueAt.UTC(), held.ReceivedAt.Add(time.Hour))
	same(t, "summary", list[0].Summary, "down")
	if list, more, err = d.List(t.Context(), Choice{Limit: 2}); err != nil || !more || len(list) != 2 {
		t.Errorf("%d, more %v: %v", len(list), more, err)
	}
}

// TestShowTellsAll, and of what is unknown that it is.
func TestShowTellsAll(t *testing.T) {
	d, h, _ := newDesk(t)
	e := send(t, h, delivery.Dead, mapping.Trigger, "k")
	if _, err := d.Retry(t.Context(), Choice{}, somebody()); err != nil {
		t.Fatal(err)
	}
	told, err := d.Show(t.Context(), e.ID)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "payload", string(told.Event.Payload), `{"event_action": "trigger"}`)
	same(t, "alert", told.Alert.Status, delivery.Open)
	same(t, "attempts", []any{len(told.Attempts), told.Attempts[0].Status, told.Attempts[0].DurationMS}, []any{1, 500, 1.5})
	same(t, "intervention", []string{told.Intervention.Who, told.Intervention.What, told.Intervention.Why}, []string{"alice@desk", "retry", "drill"})
	if _, err := d.Show(t.Context(), uuid.New()); !errors.Is(err, ErrUnknown) {
		t.Errorf("of what is unknown: %v", err)
	}
}

// TestADeskSurvivesADeadlock with a node that settles in another order.
func TestADeskSurvivesADeadlock(t *testing.T) {
	d, h, pool := newDesk(t)
	var events []*mapping.Event
	for i := range 2 {
		e := event(mapping.ChangeEvent, fmt.Sprint(i))
		e.API = ingest.Change
		events = append(events, e)
	}
	commit(t, h, false, events...)
	last, first := events[1].ID, events[0].ID
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.WithoutCancel(t.Context())) //nolint:errcheck // it has ended
	lock := func(id uuid.UUID) error {
		_, err := tx.Exec(t.Context(), `UPDATE deliveries SET attempts = 1 WHERE id = $1`, id)
		return err
	}
	if err := lock(last); err != nil {
		t.Fatal(err)
	}
	cancelled := make(chan error, 1)
	go func() {
		_, err := d.Cancel(t.Context(), Choice{}, somebody())
		cancelled <- err
	}()
	waiting := func() (n int) {
		_ = pool.QueryRow(t.Context(), `SELECT count(*) FROM pg_locks WHERE NOT granted`).Scan(&n)
		return n
	}
	for waiting() == 0 {
		time.Sleep(5 * time.Millisecond)
	}
	err = lock(first) // one of the two is ended
	if err == nil {
		err = tx.Commit(t.Context())
	} else {
		err = tx.Rollback(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := <-cancelled; err != nil {
		t.Error(err)
	}
	same(t, "cancelled", table(t, pool, `SELECT count(*) FROM deliveries WHERE state = 'cancelled'`), []string{"2"})
}
