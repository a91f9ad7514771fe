package mapping

import (
	"encoding/binary"
	"hash/maphash"
	"sync/atomic"
	"time"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// Size of a sampler: how many kinds of messages it tells apart in a minute,
// and in how many of its slots it looks for one.
const (
	samplerSlots  = 4096
	samplerProbes = 8
)

// sampler lets through so many messages of a kind in each minute. It takes no
// lock and allocates nothing; when a minute brings more kinds than it has
// slots for, further kinds are not let through, so that what it lets through
// in a minute is bounded whatever comes.
//
// A slot holds, from its high bits: 32 bits of the kind's hash, 24 bits of
// the minute, 8 bits of the count. Zero is an empty slot.
type sampler struct {
	limit uint64
	seed  maphash.Seed
	slots [samplerSlots]atomic.Uint64
}

func newSampler(limit uint64) *sampler { return &sampler{limit: limit, seed: maphash.MakeSeed()} }

// allow says whether a message of which d was decided may be kept as a
// sample. Its kind is its protocol, its source and its trap's OID, its
// mnemonic or app name, or its path.
func (s *sampler) allow(m *ingest.Message, d Decision) bool {
	kind := ""
	switch {
	case m.Trap != nil:
		kind = m.Trap.OID
	case m.Line != nil && m.Line.Mnemonic != "":
		kind = m.Line.Mnemonic
	case m.Line != nil:
		kind = m.Line.AppName
	case m.Request != nil:
		kind = m.Request.Path
	}
	h := maphash.String(s.seed, kind)
	source := m.Source.As16()
	h = mix(h, binary.BigEndian.Uint64(source[:8]))
	h = mix(h, binary.BigEndian.Uint64(source[8:]))
	h = mix(h, maphash.String(s.seed, string(m.Protocol)))
	h = mix(h, maphash.String(s.seed, string(d)))
	return s.allowHash(h, m.ReceivedAt)
}

// allowName is allow for what has a name.
func (s *sampler) allowName(name string, at time.Time) bool {
	return s.allowHash(maphash.String(s.seed, name), at)
}

func mix(h, v uint64) uint64 {
	h = (h ^ v) * 0x9e3779b97f4a7c15
	return h ^ h>>29
}

// allowHash lets limit calls through for a hash in a minute.
func (s *sampler) allowHash(h uint64, at time.Time) bool {
	minute := uint64(at.Unix()/60) & (1<<24 - 1)
	tag := h >> 32
	free := -1
	for i := range samplerProbes {
		n := (int(h&0xffffffff) + i) % samplerSlots
		old := s.slots[n].Load()
		switch {
		case old != 0 && old>>32 == tag:
			return s.count(n, old, tag, minute)
		case free < 0 && (old == 0 || over(old, minute)):
			free = n
		}
	}
	if free < 0 {
		return false
	}
	return s.count(free, s.slots[free].Load(), tag, minute)
}

// over says whether a slot's minute is over. A minute that is a little in the
// future belongs to a message that overtook ours; one that is far off, to a
// clock that was set back.
func over(slot, minute uint64) bool {
	ahead := (slot>>8 - minute) & (1<<24 - 1)
	return ahead > 5
}

// count counts a call in a slot, whose value was old. Calls that race for a
// slot may lose a count to each other; they never get more than one each.
func (s *sampler) count(n int, old, tag, minute uint64) bool {
	fresh := tag<<32 | minute<<8 | 1
	if old>>32 != tag || over(old, minute) {
		return s.slots[n].CompareAndSwap(old, fresh)
	}
	if old&0xff >= s.limit {
		return false
	}
	return s.slots[n].CompareAndSwap(old, old+1)
}
