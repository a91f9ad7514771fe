package queue

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/pdaltagent/pdaltagent/mapping"
)

// timing lets go what gates held, and resolves what resolves itself, when its
// time has come, until ctx ends. Every node does: what is due stands in the
// tables, and whoever is first takes it, so that a timer survives every crash
// and happens once.
func (q *Queue) timing(ctx context.Context) {
	tick := time.NewTicker(timerTick)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, pass := range []func(context.Context) (bool, error){q.release, q.expire} {
			more, err := pass(ctx)
			for err == nil && more {
				more, err = pass(ctx)
			}
			if err != nil && ctx.Err() == nil {
				q.logger.Error("gates cannot be looked after and are tried again: is the database up?", "error", err)
			}
		}
	}
}

func (q *Queue) release(ctx context.Context) (more bool, err error) {
	conn, err := q.relaxed.Acquire(ctx)
	if err != nil {
		return false, err
	}
	defer conn.Release()
	freed, more, err := q.ledger.Release(ctx, conn.Conn(), time.Now())
	if len(freed) > 0 {
		q.windows.crowd(freed)
		q.free()
	}
	return more, err
}

func (q *Queue) expire(ctx context.Context) (more bool, err error) {
	conn, err := q.relaxed.Acquire(ctx)
	if err != nil {
		return false, err
	}
	defer conn.Release()
	var taken []*mapping.Event
	c, more, err := q.ledger.Expire(ctx, conn.Conn(), time.Now(), func(route string, id uuid.UUID) bool {
		ok := q.windows.admit(route, id)
		if ok {
			taken = append(taken, &mapping.Event{ID: id})
		}
		return ok
	})
	if err != nil {
		q.windows.withdraw(taken)
		return false, err
	}
	q.metrics.decided(c)
	if len(c.Crowded) > 0 {
		q.windows.crowd(c.Crowded)
		q.free()
	}
	return more, nil
}
