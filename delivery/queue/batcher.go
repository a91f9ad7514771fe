package queue

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// batcher gathers items while the last batch is being worked: the longer a
// batch takes, the larger the next one is.
type batcher[T any] struct {
	work   func(context.Context, []T)
	rows   int           // the most items in a batch
	weigh  func(T) int64 // nil: items weigh nothing
	weight int64         // a batch is closed when it weighs this much
	linger time.Duration // how long a batch waits for company; 0: not at all

	turns   atomic.Int64 // how often the loop has looked for a batch
	wake    chan struct{}
	mu      sync.Mutex
	waiting []T
}

func newBatcher[T any](work func(context.Context, []T), rows int) *batcher[T] {
	return &batcher[T]{work: work, rows: rows, wake: make(chan struct{}, 1)}
}

// add queues items, in their order. It does not block.
func (b *batcher[T]) add(items ...T) {
	b.mu.Lock()
	b.waiting = append(b.waiting, items...)
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// run works batches, each with the context work, until ctx ends and nothing is
// left.
func (b *batcher[T]) run(ctx, work context.Context) {
	for {
		select {
		case <-b.wake:
			sleep(ctx, b.linger)
			b.drain(work)
		case <-ctx.Done():
			b.drain(work)
			return
		}
	}
}

func (b *batcher[T]) drain(ctx context.Context) {
	for batch := b.take(); len(batch) > 0; batch = b.take() {
		b.work(ctx, batch)
	}
}

// take returns the next batch, in the order of add.
func (b *batcher[T]) take() []T {
	b.turns.Add(1)
	b.mu.Lock()
	defer b.mu.Unlock()
	n := min(len(b.waiting), b.rows)
	if b.weigh != nil {
		n = b.heavy(n)
	}
	batch := b.waiting[:n:n]
	b.waiting = b.waiting[n:]
	if len(b.waiting) == 0 {
		b.waiting = nil
	}
	return batch
}

// turn returns nil as soon as the loop has looked for a batch once more, and an
// error when ctx ends before.
func (b *batcher[T]) turn(ctx context.Context) error {
	for before := b.turns.Load(); b.turns.Load() == before; sleep(ctx, 10*time.Millisecond) {
		if ctx.Err() != nil {
			return fmt.Errorf("no batch was begun: %w", context.Cause(ctx))
		}
		b.add() // nothing, but it wakes the loop
	}
	return nil
}

// heavy returns how many of the first n items close a batch by their weight.
func (b *batcher[T]) heavy(n int) int {
	var weight int64
	for i := range n {
		if weight += b.weigh(b.waiting[i]); weight >= b.weight {
			return i + 1
		}
	}
	return n
}
