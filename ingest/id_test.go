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
