package queue

import (
	"context"
	"time"
)

// RunCommits commits until ctx ends, and neither sends nor settles.
func (q *Queue) RunCommits(ctx context.Context) error {
	if err := q.ledger.Maintain(ctx, time.Now()); err != nil {
		return err
	}
	q.commits.run(ctx, context.WithoutCancel(ctx))
	return nil
}
