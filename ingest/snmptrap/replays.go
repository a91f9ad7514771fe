package snmptrap

import "time"

// Sizes of replays. A generation lasts longer than the time window, so that
// what it forgets is refused for being late. At most 2 of 3 MiB.
const (
	generationLasts = (timeWindow + 30) * time.Second
	generationSize  = 1 << 17
)

// replays remembers the authentication codes of messages that were taken: RFC
// 3414 alone lets a message be repeated for as long as the time window lasts.
// Beyond 700 messages a second it remembers for a shorter time.
type replays struct {
	recent, older map[uint64]struct{}
	turned        time.Time
}

func newReplays(now time.Time) *replays {
	return &replays{recent: map[uint64]struct{}{}, older: map[uint64]struct{}{}, turned: now}
}

// add reports whether code is new, and remembers it.
func (r *replays) add(code uint64, now time.Time) bool {
	if r.has(code) {
		return false
	}
	if len(r.recent) >= generationSize || now.Sub(r.turned) >= generationLasts {
		r.recent, r.older, r.turned = r.older, r.recent, now
		clear(r.recent)
	}
	r.recent[code] = struct{}{}
	return true
}

func (r *replays) has(code uint64) bool {
	_, recent := r.recent[code]
	if recent {
		return true
	}
	_, older := r.older[code]
	return older
}
