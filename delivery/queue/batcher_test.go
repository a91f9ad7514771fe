package queue

import (
	"context"
	"slices"
	"testing"
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
