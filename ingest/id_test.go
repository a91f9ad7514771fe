package ingest

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/uuid"
)

func TestIDsSortByReceipt(t *testing.T) {
	at := time.Date(2027, 3, 4, 5, 6, 7, 0, time.UTC)
	var last uuid.UUID
	for _, step := range []time.Duration{0, time.Microsecond, 500 * time.Microsecond, 998 * time.Microsecond, time.Millisecond, time.Second, time.Hour} {
		id := NewID(at.Add(step))
		if bytes.Compare(last[:], id[:]) >= 0 {
			t.Errorf("the id after %v, %v, is not greater than the one before, %v", step, id, last)
		}
		last = id
	}
}

func TestIDsAreUUIDv7OfTheirReceipt(t *testing.T) {
	at := time.Date(2027, 3, 4, 5, 6, 7, 89e6, time.UTC)
	id := NewID(at)
	if id.Version() != 7 || id.Variant() != uuid.RFC4122 {
		t.Errorf("%v has version %v, variant %v", id, id.Version(), id.Variant())
	}
	if sec, nsec := id.Time().UnixTime(); !time.Unix(sec, nsec).Equal(at) {
		t.Errorf("%v was minted at %v, want %v", id, time.Unix(sec, nsec), at)
	}
}

func TestIDsOfOneInstantDiffer(t *testing.T) {
	at := time.Now()
	seen := map[uuid.UUID]bool{}
	for range 10_000 {
		seen[NewID(at)] = true
	}
	if len(seen) != 10_000 {
		t.Errorf("%d different ids of 10,000", len(seen))
	}
}

func TestAnIDAllocatesNothing(t *testing.T) {
	at := time.Now()
	if n := testing.AllocsPerRun(100, func() { _ = NewID(at) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestAscendingIDsFollowOneAnother(t *testing.T) {
	var ids IDs
	var last uuid.UUID
	at := time.Date(2027, 3, 4, 5, 6, 7, 89e6, time.UTC)
	for _, step := range []time.Duration{0, 0, 0, 1, time.Microsecond, time.Millisecond, -time.Millisecond, -500 * time.Millisecond, 0, time.Second} {
		at = at.Add(step)
		for range 1000 {
			id := ids.Next(at)
			if bytes.Compare(last[:], id[:]) >= 0 || id.Version() != 7 || id.Variant() != uuid.RFC4122 {
				t.Fatalf("after a step of %v: %v follows %v", step, id, last)
			}
			last = id
		}
	}
	id := ids.Next(at.Add(-time.Hour)) // the clock was set
	if sec, nsec := id.Time().UnixTime(); at.Add(-time.Hour).Sub(time.Unix(sec, nsec)).Abs() > time.Millisecond {
		t.Errorf("%v was minted an hour before %v", id, at)
	}
}

func TestAscendingIDsOfManyGoroutinesDiffer(t *testing.T) {
	at := time.Now()
	seen := map[uuid.UUID]bool{}
	for range 100 {
		var ids IDs
		for range 1000 {
			seen[ids.Next(at)] = true
		}
	}
	if len(seen) != 100_000 {
		t.Errorf("%d different ids of 100,000", len(seen))
	}
}

func BenchmarkIDs(b *testing.B) {
	at := time.Now()
	b.Run("one", func(b *testing.B) {
		for b.Loop() {
			_ = NewID(at)
		}
	})
	b.Run("ascending", func(b *testing.B) {
		var ids IDs
		for b.Loop() {
			_ = ids.Next(at)
		}
	})
}
