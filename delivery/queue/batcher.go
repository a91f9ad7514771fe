package queue

import (
	"context"
	"sync"
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
