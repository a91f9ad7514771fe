package queue

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// health remembers whether the last commit went well.
type health struct{ fault atomic.Pointer[error] }

func (h *health) set(err error) {
	if err == nil {
		h.fault.Store(nil)
		return
	}
	h.fault.Store(&err)
}

// Ready returns nil while events can be committed.
func (q *Queue) Ready(ctx context.Context) error {
	if fault := q.state.fault.Load(); fault != nil {
		return fmt.Errorf("the last commit failed: %w", *fault)
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if err := q.strict.Ping(ctx); err != nil {
		return fmt.Errorf("database: %w", err)
	}
	return nil
}
