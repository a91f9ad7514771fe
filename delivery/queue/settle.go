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
	reply   chan<- error
}

// record puts an attempt on record, together with those of other workers.
func (q *Queue) record(ctx context.Context, a *delivery.Attempt) error {
	reply := make(chan error, 1)
	q.settles.add(settlement{a, reply})
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
	err := q.trySettle(ctx, attempts)
	for err != nil && ctx.Err() == nil {
		q.logger.Error("attempts cannot be recorded and are tried again: is the database up?",
			"attempts", len(attempts), "error", err, "again_in", pause)
		sleep(ctx, pause)
		pause = min(2*pause, 2*time.Second)
		err = q.trySettle(ctx, attempts)
	}
	for _, s := range batch {
		s.reply <- err
	}
}

// trySettle records attempts and frees the deliveries behind them, in one
// transaction.
func (q *Queue) trySettle(ctx context.Context, attempts []*delivery.Attempt) error {
	if err := q.ledger.PrepareAttempts(ctx, attempts); err != nil {
		return err
	}
	conn, err := q.relaxed.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	return q.ledger.Settle(ctx, conn.Conn(), attempts)
}
