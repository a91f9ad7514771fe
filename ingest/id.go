package ingest

import (
	"encoding/binary"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
)

// NewID mints a UUIDv7 (RFC 9562 section 5.7) for what was received at the
// given time, so that ids sort by receipt: 48 bits of milliseconds, 12 bits of
// the fraction of the millisecond (method 3 of section 6.2), 62 random bits.
// It takes no lock and allocates nothing.
func NewID(at time.Time) uuid.UUID { return idOf(instantOf(at), rand.Uint64()) }

// instantOf returns the first eight bytes of a UUIDv7 of the given time.
func instantOf(at time.Time) uint64 {
	ns := at.UnixNano()
	ms := ns / 1e6
	fraction := (ns % 1e6) << 12 / 1e6
	return uint64(ms)<<16 | 0x7000 | uint64(fraction)
}

// idOf returns the UUID of an instant and 62 bits, the lower ones of tail.
func idOf(instant, tail uint64) (id uuid.UUID) {
	binary.BigEndian.PutUint64(id[:8], instant)
	binary.BigEndian.PutUint64(id[8:], tail<<2>>2|1<<63)
	return id
}

// IDs mints UUIDv7s as NewID does, for one goroutine: each is greater than the
// one before, also where the clock's ticks are too coarse to tell two messages
// apart or it is set back by less than a second. The zero value is ready.
type IDs struct {
	at            time.Time
	instant, tail uint64
}

// Next returns the next id, for what was received at the given time.
func (s *IDs) Next(at time.Time) uuid.UUID {
	if at != s.at {
		s.at = at
		const second = 1000 << 16
		if instant := instantOf(at); instant > s.instant || s.instant-instant > second {
			s.instant = instant
			s.tail = rand.Uint64() >> 3 // of 62 bits the first is 0, so that there is room to count on
		}
	}
	s.tail++ // method 1 of section 6.2
	return idOf(s.instant, s.tail)
}
