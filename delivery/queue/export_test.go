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

// Hasten makes nodes speak, and nodes and jobs count as gone, sooner.
func (q *Queue) Hasten(beat, stale time.Duration) { q.beat, q.stale, q.adrift = beat, stale, stale }

// AgeSpool has what the spool said last be older.
func (q *Queue) AgeSpool(by time.Duration) {
	if f := q.state.spool.Load(); f != nil {
		q.state.spool.Store(&spoolFault{f.err, f.at.Add(-by)})
	}
}
