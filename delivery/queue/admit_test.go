package queue_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pdaltagent/pdaltagent/delivery"
	"github.com/pdaltagent/pdaltagent/mapping"
	"github.com/pdaltagent/pdaltagent/migrations/pgtest"
)

// TestUrgentFirstWhenARouteCannotKeepUp: a critical event overtakes the storm
// of info that came before it, all but what is outstanding already.
func TestUrgentFirstWhenARouteCannotKeepUp(t *testing.T) {
	const storm, outstanding = 300, 32
	pool := pgtest.New(t)
	open := make(chan struct{})
	var (
		calls atomic.Int64
		when  atomic.Int64
	)
	q := newQueue(t, pool, func(ctx context.Context, d *delivery.Delivery) (delivery.Answer, error) {
		select {
		case <-open:
		case <-ctx.Done():
			return delivery.Answer{}, ctx.Err()
		}
		n := calls.Add(1)
		if d.Severity == mapping.Critical {
			when.Store(n)
		}
		return accept(ctx, d)
	})
	start(t, q)
	for i := range storm {
		e := newEvent(mapping.Trigger, fmt.Sprint(i))
		e.Severity = mapping.Info
		enqueue(t, q, e)
	}
	urgent := newEvent(mapping.Trigger, "urgent")
	urgent.Severity = mapping.Critical
	enqueue(t, q, urgent)
	eventually(t, pool, storm+1-16, `SELECT count(*) FROM deliveries WHERE state = 'held' AND held_by = 'route'`)
	close(open)
	eventually(t, pool, storm+1, `SELECT count(*) FROM deliveries WHERE state = 'delivered' AND held_by IS NULL`)
	if n := when.Load(); n > outstanding {
		t.Errorf("the critical event was the %dth of %d", n, storm+1)
	}
}

// TestAThrottledRouteHoldsOnlyItsOwn: a route that answers 429 is left alone
// while it asks for it, and others go on.
func TestAThrottledRouteHoldsOnlyItsOwn(t *testing.T) {
	const each = 100
	pool := pgtest.New(t)
	var (
		mu      sync.Mutex
		refused time.Time
		early   int
	)
	const retryAfter = 4 * time.Second
	q := newQueue(t, pool, func(ctx context.Context, d *delivery.Delivery) (delivery.Answer, error) {
		if !strings.Contains(string(d.Body), "slow") {
			return accept(ctx, d)
		}
		mu.Lock()
		defer mu.Unlock()
		switch since := time.Since(refused); {
		case refused.IsZero():
			refused = time.Now()
			fallthrough
		case since < 300*time.Millisecond: // in flight together
			return delivery.Answer{}, &delivery.Busy{Status: 429, After: retryAfter}
		case since < retryAfter:
			early++
		}
		return accept(ctx, d)
	})
	start(t, q)
	var events []mapping.Event
	for i := range each {
		slow := newEvent(mapping.Trigger, fmt.Sprint("slow-", i))
		slow.Key = "fedcba9876543210fedcba9876543210" // a route of its own
		events = append(events, slow, newEvent(mapping.Trigger, fmt.Sprint("quick-", i)))
	}
	enqueue(t, q, events...)
	eventually(t, pool, each, `SELECT count(*) FROM deliveries WHERE dedup_key LIKE 'quick%' AND state = 'delivered'`)
	mu.Lock()
	if time.Since(refused) > retryAfter {
		t.Error("the quick route waited for the slow one")
	}
	mu.Unlock()
	eventually(t, pool, each, `SELECT count(*) FROM deliveries WHERE dedup_key LIKE 'slow%' AND state = 'delivered'`)
	if early > 0 {
		t.Errorf("%d calls were made while the route paused", early)
	}
}

// TestADeadNodesDeliveriesAreTakenOver: what is in the queue of a node that
// does not speak any more is delivered by one that does.
func TestADeadNodesDeliveriesAreTakenOver(t *testing.T) {
	pool := pgtest.New(t)
	dead := newQueue(t, pool, accept)
	stop := start(t, dead)
	eventually(t, pool, 1, `SELECT count(*) FROM nodes WHERE name = 'n1'`)
	stop()
	eventually(t, pool, 0, `SELECT count(*) FROM nodes`)
	enqueueOnly(t, dead, newEvent(mapping.Trigger, "left"), newEvent(mapping.Trigger, "running"))
	if _, err := pool.Exec(t.Context(), `UPDATE river.river_job SET state = 'running' WHERE id = (SELECT max(id) FROM river.river_job WHERE kind = 'deliver_v1')`); err != nil {
		t.Fatal(err)
	}
	living := newNode(t, pool, "N2.example.net", accept)
	living.Hasten(50*time.Millisecond, 500*time.Millisecond)
	start(t, living)
	eventually(t, pool, 2, `SELECT count(*) FROM deliveries WHERE state = 'delivered'`)
	eventually(t, pool, 2, `SELECT count(*) FROM attempts WHERE node = 'N2.example.net'`)
}

// TestAJobThatWasLostIsPickedUp: fetched, as the database says, but never begun
// here, since the connection was lost in between; one that is being worked is
// left alone.
func TestAJobThatWasLostIsPickedUp(t *testing.T) {
	pool := pgtest.New(t)
	var slow atomic.Int64
	q := newQueue(t, pool, func(ctx context.Context, d *delivery.Delivery) (delivery.Answer, error) {
		if strings.Contains(string(d.Body), "slow") {
			slow.Add(1)
			time.Sleep(4 * time.Second)
		}
		return accept(ctx, d)
	})
	q.Hasten(time.Minute, 500*time.Millisecond)
	enqueueOnly(t, q, newEvent(mapping.Trigger, "lost"))
	start(t, q)
	eventually(t, pool, 1, `SELECT count(*) FROM deliveries WHERE state = 'delivered'`)
	enqueue(t, q, newEvent(mapping.Trigger, "slow"))
	eventually(t, pool, 1, `SELECT count(*) FROM river.river_job WHERE state = 'running' AND kind = 'deliver_v1'`)
	eventually(t, pool, 1, `SELECT count(*) FROM river.river_job WHERE state = 'completed' AND kind = 'deliver_v1'`) // River says so later than we
	if _, err := pool.Exec(t.Context(), `WITH d AS (UPDATE deliveries SET state = 'queued' WHERE dedup_key = 'lost' RETURNING id)
		UPDATE river.river_job j SET state = 'running', finalized_at = NULL, attempted_at = now() - interval '1 minute'
		FROM d WHERE (j.args ->> 'delivery_id')::uuid = d.id`); err != nil {
		t.Fatal(err)
	}
	eventually(t, pool, 2, `SELECT count(*) FROM deliveries WHERE state = 'delivered'`)
	eventually(t, pool, 2, `SELECT attempts FROM deliveries WHERE dedup_key = 'lost'`)
	if slow.Load() != 1 {
		t.Errorf("what was being worked was sent %d times", slow.Load())
	}
}

// TestARouteThatHangsDelaysNoOther: it holds its own window until its attempts
// time out, and one place at a time afterwards, until it answers: then all that
// waited goes.
func TestARouteThatHangsDelaysNoOther(t *testing.T) {
	const each, timeout = 200, 2 * time.Second
	pool := pgtest.New(t)
	var (
		hanging, most atomic.Int64
		timedOut      atomic.Bool
		answers       = make(chan struct{})
	)
	q := newQueue(t, pool, func(ctx context.Context, d *delivery.Delivery) (delivery.Answer, error) {
		if !strings.Contains(string(d.Body), "slow") {
			return accept(ctx, d)
		}
		if n := hanging.Add(1); timedOut.Load() && n > most.Load() {
			most.Store(n)
		}
		defer hanging.Add(-1)
		select {
		case <-answers:
			return accept(ctx, d)
		case <-time.After(timeout):
			timedOut.Store(true)
			return delivery.Answer{}, context.DeadlineExceeded
		}
	})
	start(t, q)
	var events []mapping.Event
	for i := range each {
		slow := newEvent(mapping.Trigger, fmt.Sprint("slow-", i))
		slow.Key = "fedcba9876543210fedcba9876543210" // a route of its own
		events = append(events, slow)
	}
	enqueue(t, q, events...)
	eventually(t, pool, each-16, `SELECT count(*) FROM deliveries WHERE held_by = 'route'`)
	enqueue(t, q, newEvent(mapping.Trigger, "quick"))
	eventually(t, pool, 1, `SELECT count(*) FROM deliveries WHERE state = 'delivered'`)
	if timedOut.Load() {
		t.Error("it waited for a route that hangs")
	}
	eventually(t, pool, each, `SELECT count(*) FROM deliveries WHERE dedup_key LIKE 'slow%' AND held_by = 'route' OR attempts > 1`)
	time.Sleep(timeout)
	if n := most.Load(); n > 1 {
		t.Errorf("%d requests at once to a route that hangs", n)
	}
	close(answers)
	eventually(t, pool, each+1, `SELECT count(*) FROM deliveries WHERE state = 'delivered' AND held_by IS NULL`)
	eventually(t, pool, 0, `SELECT count(*) FROM attempts WHERE number = 0`)
}
