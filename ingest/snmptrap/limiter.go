package snmptrap

import (
	"hash/maphash"
	"net/netip"
	"time"
)

// limiter lets so many events a second through, of each source and in all. It
// remembers no source: those whose hashes fall together share what one may
// have. It is not for several goroutines at once.
type limiter struct {
	perSource uint16
	overall   int

	seed   maphash.Seed
	second int64
	events int
	slots  [4096]uint16
}

func newLimiter(perSource uint16, overall int) *limiter {
	return &limiter{perSource: perSource, overall: overall, seed: maphash.MakeSeed()}
}

func (l *limiter) allow(source netip.Addr, now time.Time) bool {
	if second := now.Unix(); second != l.second {
		l.second, l.events = second, 0
		clear(l.slots[:])
	}
	octets := source.As16()
	slot := &l.slots[maphash.Bytes(l.seed, octets[:])%uint64(len(l.slots))]
	if *slot >= l.perSource || l.events >= l.overall {
		return false
	}
	*slot++
	l.events++
	return true
}
