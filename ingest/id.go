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
func NewID(at time.Time) uuid.UUID {
	var id uuid.UUID
	ns := at.UnixNano()
	ms := ns / 1e6
	fraction := (ns % 1e6) << 12 / 1e6
	binary.BigEndian.PutUint64(id[:8], uint64(ms)<<16|0x7000|uint64(fraction))
	binary.BigEndian.PutUint64(id[8:], rand.Uint64()>>2|1<<63)
	return id
}
