package queue

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/pdaltagent/pdaltagent/delivery"
)

// settleRows is how many deliveries are read, or settled, at once.
const settleRows = 500

// load is a worker that waits for its delivery to be read.
type load struct {
	id    uuid.UUID
	reply chan<- loaded
}

type loaded struct {
	delivery *delivery.Delivery // nil: not on record
	err      error
}

// find reads a delivery, together with those that other workers ask for.
func (q *Queue) find(ctx context.Context, id uuid.UUID) (*delivery.Delivery, error) {
	reply := make(chan loaded, 1)
	q.loads.add(load{id, reply})
	select {
	case l := <-reply:
		return l.delivery, l.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (q *Queue) load(ctx context.Context, batch []load) {
	ids := make([]uuid.UUID, len(batch))
	for i, l := range batch {
		ids[i] = l.id
	}
	found, err := q.ledger.Load(ctx, ids)
	if err != nil && ctx.Err() == nil {
		q.logger.Error("deliveries cannot be read and wait: is the database up?", "deliveries", len(ids), "error", err)
	}
	byID := make(map[uuid.UUID]*delivery.Delivery, len(found))
	for _, d := range found {
		byID[d.ID] = d
	}
	for _, l := range batch {
		l.reply <- loaded{byID[l.id], err}
	}
}

// settlement is a worker that waits for its attempt to be on record.
type settlement struct {
	attempt *delivery.Attempt
	verdict verdict
	reply   chan<- error
}

// record puts an attempt on record, together with those of other workers.
func (q *Queue) record(ctx context.Context, a *delivery.Attempt, v verdict) error {
	reply := make(chan error, 1)
	q.settles.add(settlement{a, v, reply})
	select {
	case err := <-reply:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// settle puts a batch on record, however long that takes: what PagerDuty has
// accepted must not be sent again because Postgres was away.
func (q *Queue) settle(ctx context.Context, batch []settlement) {
	attempts := make([]*delivery.Attempt, len(batch))
	for i, s := range batch {
		attempts[i] = s.attempt
	}
	pause := 50 * time.Millisecond
	freed, err := q.trySettle(ctx, attempts)
	for err != nil && ctx.Err() == nil {
		q.logger.Error("attempts cannot be recorded and are tried again: is the database up?",
			"attempts", len(attempts), "error", err, "again_in", pause)
		sleep(ctx, pause)
		pause = min(2*pause, 2*time.Second)
		freed, err = q.trySettle(ctx, attempts)
	}
	q.windows.crowd(freed)
	for _, s := range batch {
		q.learn(s.attempt, s.verdict)
	}
	q.free()
	for _, s := range batch {
		s.reply <- err
	}
}

// learn has a route's window learn from an attempt, and says when the route
// begins to pause.
func (q *Queue) learn(a *delivery.Attempt, v verdict) {
	if a.State == delivery.Held {
		q.windows.crowd([]string{a.Delivery.Route}) // it waits again
	}
	pause, over := q.windows.settled(a, v)
	switch {
	case over:
		q.logger.Info("a route takes deliveries again: what waits for it goes, the most severe first", "route", a.Delivery.Route)
	case pause > 0 && v.kind == busy:
		q.logger.Warn("a route has enough for now: its deliveries wait, the most severe go first afterwards",
			"route", a.Delivery.Route, "status", a.Status, "pause", pause)
	case pause > 0 && v.kind == untrusted:
		q.logger.Error("a route pauses, since PagerDuty's certificate cannot be trusted: its deliveries wait, and one is tried now and then until that is mended, or given up after delivery.give_up_after",
			"route", a.Delivery.Route, "error", a.Error, "pause", pause)
	case pause > 0:
		q.logger.Error("a route takes nothing: its deliveries wait and are tried again; nothing is lost",
			"route", a.Delivery.Route, "error", a.Error, "pause", pause)
	case v.kind == failed && a.Number == 1 && a.State == delivery.Queued:
		q.logger.Warn("an attempt failed and is made again",
			"delivery_id", a.Delivery.ID, "route", a.Delivery.Route, "error", a.Error, "again_in", v.after)
	}
}

// trySettle records attempts, in one transaction. It returns the routes that
// more deliveries wait for now.
func (q *Queue) trySettle(ctx context.Context, attempts []*delivery.Attempt) (freed []string, err error) {
	if err := q.ledger.PrepareAttempts(ctx, attempts); err != nil {
		return nil, err
	}
	conn, err := q.strict.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Release()
	return q.ledger.Settle(ctx, conn.Conn(), attempts)
}
