package queue

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// spoolHolds is for how long it is believed that the spool takes nothing. Then
// events are let in again, which tell whether there is room now: who goes by
// /readyz would send none before.
const spoolHolds = time.Minute

// health remembers how the last commit and the last write to the spool went.
type health struct {
	commit atomic.Pointer[error]
	spool  atomic.Pointer[spoolFault]
}

type spoolFault struct {
	err error
	at  time.Time
}

func (h *health) set(err error) {
	if err == nil {
		h.commit.Store(nil)
		h.spool.Store(nil) // it is not asked
		return
	}
	h.commit.Store(&err)
}

// spill remembers how the spool took events, and reports whether it is the
// first time that it takes none.
func (h *health) spill(err error) (first bool) {
	if err == nil {
		h.spool.Store(nil)
		return false
	}
	return h.spool.Swap(&spoolFault{err, time.Now()}) == nil
}

// unspooled returns why the spool took nothing when it was last asked.
func (h *health) unspooled() error {
	if f := h.spool.Load(); f != nil && time.Since(f.at) < spoolHolds {
		return f.err
	}
	return nil
}

// Ready returns nil while events can be committed or spooled, and says which.
func (q *Queue) Ready(ctx context.Context) (how string, err error) {
	if q.spooling() {
		n, _ := q.config.Spool.Len()
		if fault := q.state.unspooled(); fault != nil {
			return "", fmt.Errorf("%d events are spooled, and the spool takes no more: %w", n, fault)
		}
		return fmt.Sprintf("spooling: %d events wait on disk for the database", n), nil
	}
	if err = q.reachable(ctx); err == nil {
		return "committing", nil
	}
	if q.config.Spool == nil {
		return "", err
	}
	if fault := q.state.unspooled(); fault != nil {
		return "", fmt.Errorf("%w; and the spool takes nothing: %w", err, fault)
	}
	return "spooling: " + err.Error(), nil
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
