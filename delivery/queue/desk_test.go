package queue_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/pdaltagent/pdaltagent/delivery"
	"github.com/pdaltagent/pdaltagent/delivery/history"
	"github.com/pdaltagent/pdaltagent/delivery/queue"
	"github.com/pdaltagent/pdaltagent/mapping"
	"github.com/pdaltagent/pdaltagent/migrations"
	"github.com/pdaltagent/pdaltagent/migrations/pgtest"
)

// TestWhatIsCancelledIsNotSent: its job is cancelled with it, and what waited
// behind it is sent.
func TestWhatIsCancelledIsNotSent(t *testing.T) {
	pool := pgtest.New(t)
	var sent sync.Map
	q := newQueue(t, pool, func(ctx context.Context, d *delivery.Delivery) (delivery.Answer, error) {
		sent.Store(d.ID, true)
		return accept(ctx, d)
	})
	first, end, other := newEvent(mapping.Trigger, "k"), newEvent(mapping.Resolve, "k"), newEvent(mapping.Trigger, "other")
	enqueueOnly(t, q, first, end, other)
	desk := history.NewDesk(pool, queue.Withdraw(migrations.RiverSchema))
	done, err := desk.Cancel(t.Context(), history.Choice{IDs: []uuid.UUID{first.ID}}, history.Intervention{Who: "alice@desk"})
	if diff := cmp.Diff(history.Changed{Deliveries: 1}, done); err != nil || diff != "" {
		t.Fatalf("%v: -want +got:\n%s", err, diff)
	}
	eventually(t, pool, 1, `SELECT count(*) FROM river.river_job WHERE state = 'cancelled' AND finalized_at IS NOT NULL`)
	start(t, q)
	eventually(t, pool, 2, `SELECT count(*) FROM deliveries WHERE state = 'delivered'`)
	eventually(t, pool, 0, `SELECT count(*) FROM river.river_job WHERE kind = 'deliver_v1' AND finalized_at IS NULL`)
	if _, ok := sent.Load(first.ID); ok {
		t.Error("what was cancelled was sent")
	}
}

// TestWhatIsBeingSentIsNotCancelled, since nobody knows what becomes of it; it
// can be when it waits for its next attempt.
func TestWhatIsBeingSentIsNotCancelled(t *testing.T) {
	pool := pgtest.New(t)
	begun, release := make(chan struct{}, 100), make(chan struct{})
	q := newQueue(t, pool, func(ctx context.Context, d *delivery.Delivery) (delivery.Answer, error) {
		begun <- struct{}{}
		select {
		case <-release:
		case <-ctx.Done():
		}
		return accept(ctx, d)
	})
	start(t, q)
	e := newEvent(mapping.Trigger, "k")
	enqueue(t, q, e)
	<-begun
	desk := history.NewDesk(pool, queue.Withdraw(migrations.RiverSchema))
	done, err := desk.Cancel(t.Context(), history.Choice{}, history.Intervention{Who: "alice@desk"})
	want := history.Changed{Refused: []history.Refusal{{ID: e.ID, Route: "noc", DedupKey: "k", Reason: history.Sending}}}
	if diff := cmp.Diff(want, done); err != nil || diff != "" {
		t.Errorf("%v: -want +got:\n%s", err, diff)
	}
	close(release)
	eventually(t, pool, 1, `SELECT count(*) FROM deliveries WHERE state = 'delivered'`)
	eventually(t, pool, 0, `SELECT count(*) FROM interventions`)
}

// TestDesksAndNodesKeepTheOrder: two nodes send to a PagerDuty that refuses and
// fails at random, while two people retry and cancel whatever they find. No
// alert is told of out of order, and nothing waits for ever.
func TestDesksAndNodesKeepTheOrder(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	pool := pgtest.New(t)
	var (
		mu       sync.Mutex
		accepted = map[uuid.UUID][]uuid.UUID{} // by alert, in order
		kind     atomic.Bool                   // PagerDuty accepts everything from now on
	)
	sender := func(ctx context.Context, d *delivery.Delivery) (delivery.Answer, error) {
		switch n := rand.N(10); {
		case kind.Load():
		case n < 4:
			return delivery.Answer{}, &delivery.Rejected{Status: 400, Answer: "no"}
		case n < 6:
			return delivery.Answer{}, &delivery.Failed{Status: 500}
		}
		mu.Lock()
		accepted[d.AlertID] = append(accepted[d.AlertID], d.ID)
		mu.Unlock()
		return accept(ctx, d)
	}
	one, two := newNode(t, pool, "n1", sender), newNode(t, pool, "n2", sender)
	start(t, one)
	start(t, two)
	const alerts, rounds = 30, 12
	busy, stop := context.WithCancel(t.Context())
	defer stop()
	var people sync.WaitGroup
	desk := history.NewDesk(pool, queue.Withdraw(migrations.RiverSchema))
	often := func(pause time.Duration, do func() error) {
		people.Go(func() {
			for busy.Err() == nil {
				if err := do(); err != nil {
					t.Error(err)
				}
				time.Sleep(pause)
			}
		})
	}
	for range 2 {
		often(5*time.Millisecond, func() error {
			_, err := desk.Retry(t.Context(), history.Choice{Limit: 1 + rand.N(40)}, history.Intervention{Who: "alice"})
			return err
		})
		often(150*time.Millisecond, func() error { // seldom: most are sent
			_, err := desk.Cancel(t.Context(), history.Choice{Alert: fmt.Sprint("k", rand.N(alerts))}, history.Intervention{Who: "bob"})
			return err
		})
	}
	for i := range rounds {
		for _, q := range []*queue.Queue{one, two} {
			var events []mapping.Event
			for n := range alerts {
				e := newEvent([]mapping.Action{mapping.Trigger, mapping.Resolve}[i%2], fmt.Sprint("k", n))
				e.Posted = true
				events = append(events, e)
			}
			enqueue(t, q, events...)
		}
	}
	time.Sleep(time.Second)
	stop()
	people.Wait()
	kind.Store(true)
	eventually(t, pool, 0, `SELECT count(*) FROM deliveries WHERE state IN ('held', 'queued')`)
	eventually(t, pool, 0, `SELECT count(*) FROM river.river_job WHERE kind = 'deliver_v1' AND finalized_at IS NULL`)
	var retried, cancelled int
	if err := pool.QueryRow(t.Context(), `SELECT coalesce(sum(deliveries) FILTER (WHERE what = 'retry'), 0), coalesce(sum(deliveries) FILTER (WHERE what = 'cancel'), 0)
		FROM interventions`).Scan(&retried, &cancelled); err != nil || cancelled == 0 {
		t.Fatalf("retried %d, cancelled %d: %v", retried, cancelled, err)
	}
	t.Logf("retried %d, cancelled %d", retried, cancelled) // few can be retried: something newer of their alert was sent
	for alert, ids := range accepted {
		var last int64
		for _, id := range ids {
			var seq int64
			if err := pool.QueryRow(t.Context(), `SELECT seq FROM deliveries WHERE id = $1`, id).Scan(&seq); err != nil {
				t.Fatal(err)
			}
			if seq < last {
				t.Errorf("alert %s was told of out of order", alert)
			}
			last = seq
		}
	}
}
