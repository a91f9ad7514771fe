package queue

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"
)

// TestABatcherWorksWhatItHasBeforeItEnds, in the order in which it came and in
// batches of no more rows and weight than it may take.
func TestABatcherWorksWhatItHasBeforeItEnds(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 { // which of two ready channels is heard first is chance
		var got [][]int
		b := newBatcher(func(_ context.Context, batch []int) { got = append(got, batch) }, 3)
		b.weigh, b.weight = func(n int) int64 { return int64(n) }, 10
		b.add(1, 2, 3, 4)
		b.add(20, 5, 6)
		b.run(ended, t.Context())
		want := [][]int{{1, 2, 3}, {4, 20}, {5, 6}}
		if !slices.EqualFunc(got, want, slices.Equal) {
			t.Fatalf("got %v, want %v", got, want)
		}
	}
}

// TestABatcherThatHangsTakesNoTurn: it takes one between any two batches, and
// none while one hangs.
func TestABatcherThatHangsTakesNoTurn(t *testing.T) {
	hang, hangs := make(chan struct{}), make(chan struct{})
	b := newBatcher(func(_ context.Context, _ []int) {
		close(hangs)
		<-hang
	}, 3)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		b.run(ctx, ctx)
	}()
	if err := b.turn(t.Context()); err != nil {
		t.Errorf("with nothing to do: %v", err)
	}
	b.add(1)
	<-hangs
	soon, stop := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer stop()
	if err := b.turn(soon); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while it hangs: %v", err)
	}
	close(hang)
	if err := b.turn(t.Context()); err != nil {
		t.Errorf("after it hung: %v", err)
	}
	cancel()
	<-ended
}
