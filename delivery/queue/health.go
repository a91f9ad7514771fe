package queue

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// health remembers how the last commit and the last write to the spool went.
type health struct{ commit, spool atomic.Pointer[error] }

func (h *health) set(err error) { remember(&h.commit, err) }

// spill remembers how the spool took events, and returns how it did before.
func (h *health) spill(err error) (before error) {
	if p := remember(&h.spool, err); p != nil {
		return *p
	}
	return nil
}

func remember(p *atomic.Pointer[error], err error) (before *error) {
	if err == nil {
		return p.Swap(nil)
	}
	return p.Swap(&err)
}

// Ready returns nil while events can be committed or spooled, and says which.
func (q *Queue) Ready(ctx context.Context) (how string, err error) {
	if q.spooling() {
		n, _ := q.config.Spool.Len()
		if fault := q.state.spool.Load(); fault != nil {
			return "", fmt.Errorf("%d events are spooled, and the spool takes no more: %w", n, *fault)
		}
		return fmt.Sprintf("spooling: %d events wait on disk for the database", n), nil
	}
	if err = q.reachable(ctx); err == nil {
		return "committing", nil
	}
	if q.config.Spool != nil {
		return "spooling: " + err.Error(), nil
	}
	return "", err
}

// Alive returns nil as soon as the loop that makes events durable takes its
// next batch, or finds none: within milliseconds where there is little to do,
// else after the batch under way, which Postgres has five seconds for. It
// returns an error when ctx ends before.
func (q *Queue) Alive(ctx context.Context) error { return q.commits.turn(ctx) }

func (q *Queue) reachable(ctx context.Context) error {
	if fault := q.state.commit.Load(); fault != nil {
		return fmt.Errorf("the last commit failed: %w", *fault)
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if err := q.strict.Ping(ctx); err != nil {
		return fmt.Errorf("database: %w", err)
	}
	return nil
}
