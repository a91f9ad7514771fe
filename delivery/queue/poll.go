package queue

import (
	"context"

	"github.com/pdaltagent/pdaltagent/delivery"
)

// Tell commits a poll of log entries, and has its webhooks delivered. After an
// error nothing of it is on record, and it may be told again; what is on record
// already is left out.
func (q *Queue) Tell(ctx context.Context, p delivery.Poll) error {
	conn, err := q.strict.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	routes, err := q.ledger.Record(ctx, conn.Conn(), p)
	if err != nil {
		return err
	}
	q.windows.crowd(routes)
	q.free()
	return nil
}
