package queue

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/pdaltagent/pdaltagent/delivery"
	"github.com/pdaltagent/pdaltagent/mapping"
)

// windowStart is the size that a window begins with.
const windowStart = 32

// patience is how often a route fails before it pauses, however small its
// window: one delivery that fails alone is no sign.
const patience = 8

// windows bound what is outstanding of each route: the deliveries that this
// node has admitted, or tries again, and whose attempt is not settled. A window
// grows by one with each delivery that is accepted, as TCP's does in slow start,
// and halves when the route says that it has enough. A route that says so, or
// that fails as often as its window is wide (and patience says) without
// accepting anything, pauses; after the pause one delivery goes first, as a
// probe, and after failures the window begins at one again.
//
// All routes together have total places, and none takes more than as many as it
// leaves free: so one that hangs, and learns nothing until its attempts time
// out, leaves the others what they need.
//
// What waits to be tried again holds no place: it would keep others from a
// route that fails with it alone.
type windows struct {
	most    int     // the largest size of a window
	total   int     // places of all routes
	backoff Backoff // of pauses
	now     func() time.Time

	mu     sync.Mutex
	busy   bool // what comes in goes first
	given  int  // places of all windows that are given, see window.given
	routes map[string]*window
	slots  map[uuid.UUID]string // the route of each delivery that is outstanding
}

// window is what is known of one route.
type window struct {
	size     int
	taken    int
	given    int // places for what is being admitted
	direct   int // places taken by new deliveries since the last tick
	crowded  int // deliveries may wait for room; it is raised whenever one begins to
	calm     int // what crowded was when nothing was found waiting
	failures int // since a delivery was accepted or refused
	pauses   int // since then
	reason   reason
	told     string    // the fault that was told of last, since then
	paused   time.Time // when the last pause began
	until    time.Time
	halved   time.Time
}

func newWindows(most, total int, backoff Backoff) *windows {
	return &windows{most: most, total: total, backoff: backoff, now: time.Now, routes: map[string]*window{}, slots: map[uuid.UUID]string{}}
}

func (w *windows) route(name string) *window {
	r := w.routes[name]
	if r == nil {
		r = &window{size: min(windowStart, w.most)}
		w.routes[name] = r
	}
	return r
}

// room is how many more deliveries may be outstanding while so many places are
// free.
func (r *window) room(now time.Time, free int) int {
	size := r.size
	switch {
	case now.Before(r.until):
		return 0
	case r.pauses > 0:
		size = 1
	}
	taken := r.taken + r.given
	return max(0, min(size-taken, (free-taken+1)/2))
}

// free is how many places no route has taken.
func (w *windows) free() int { return w.total - len(w.slots) - w.given }

// admit takes a place for a new delivery, if there is room and nothing waits
// for it already.
func (w *windows) admit(route string, id uuid.UUID) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := w.route(route)
	if r.crowded > r.calm || r.room(w.now(), w.free()) == 0 || w.busy && r.direct >= busyAdmits {
		return false
	}
	w.take(r, route, id)
	r.direct++
	return true
}

// enter takes a place for a delivery that is about to be sent, unless it has
// one. It returns false when the delivery is to wait for its route again: the
// route pauses, or has no room for what is tried again.
func (w *windows) enter(d *delivery.Delivery) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	r, now := w.route(d.Route), w.now()
	if now.Before(r.until) {
		return false
	}
	_, has := w.slots[d.ID]
	admitted := has || d.Attempts == 0 && r.pauses == 0 // its place is about to be taken
	if !admitted && r.room(now, w.free()) == 0 {
		return false
	}
	w.take(r, d.Route, d.ID)
	return true
}

// tick begins another tick, in which new deliveries take few places where what
// comes in goes first.
func (w *windows) tick(busy bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.busy = busy
	for _, r := range w.routes {
		r.direct = 0
	}
}

func (w *windows) take(r *window, route string, id uuid.UUID) {
	if _, ok := w.slots[id]; !ok {
		w.slots[id] = route
		r.taken++
	}
}

func (w *windows) leave(id uuid.UUID) {
	if route, ok := w.slots[id]; ok {
		delete(w.slots, id)
		w.routes[route].taken--
	}
}

// withdraw gives the places of events back that were not committed.
func (w *windows) withdraw(events []*mapping.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range events {
		w.leave(e.ID)
	}
}

// crowd says that deliveries of routes have begun to wait.
func (w *windows) crowd(routes []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, name := range routes {
		w.route(name).crowded++
	}
}

// rooms gives the places that crowded routes have, at most so many a route, to
// what is being admitted, until fill is called. It says how crowded each was.
// Those that have taken the fewest come first.
func (w *windows) rooms(most int) (room, crowded map[string]int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var names []string
	for name, r := range w.routes {
		if r.crowded > r.calm {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil, nil
	}
	slices.SortFunc(names, func(a, b string) int { return w.routes[a].taken - w.routes[b].taken })
	room, crowded = make(map[string]int, len(names)), make(map[string]int, len(names))
	now := w.now()
	for _, name := range names {
		r := w.routes[name]
		if n := min(r.room(now, w.free()), most); n > 0 {
			room[name], crowded[name] = n, r.crowded
			r.given += n
			w.given += n
		}
	}
	return room, crowded
}

// restore takes the places of deliveries that have their jobs already.
func (w *windows) restore(admitted []delivery.Admitted) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range admitted {
		w.take(w.route(a.Route), a.Route, a.ID)
	}
}

// fill takes the places of what was admitted to room, and takes back what rooms
// gave. A route that had more room than deliveries is not crowded any more,
// unless others have come, or crowded is nil: then nothing is known.
func (w *windows) fill(room, crowded map[string]int, admitted []delivery.Admitted) {
	w.restore(admitted)
	w.mu.Lock()
	defer w.mu.Unlock()
	left := maps.Clone(room)
	for _, a := range admitted {
		left[a.Route]--
	}
	for name, n := range room {
		r := w.routes[name]
		r.given -= n
		w.given -= n
		if left[name] > 0 {
			r.calm = crowded[name]
		}
	}
}

// reason is why a route pauses, as pdaltagent_route_paused has it.
type reason string

const (
	whyBusy      reason = "busy"        // PagerDuty takes no more for now
	whyFailing   reason = "failing"     // it takes nothing
	whyUntrusted reason = "certificate" // it cannot be trusted
)

// probeEvery is the longest pause of a route whose other side cannot be
// trusted: a person is about to mend that, and wants to see that it helps.
const probeEvery = time.Minute

// settled learns from an attempt. It returns how long the route pauses for it,
// when that is to be told: when a pause begins, but of one and the same fault of
// a certificate only once; and whether a fault is over that was told of.
func (w *windows) settled(a *delivery.Attempt, verdict verdict) (pause time.Duration, over bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := w.route(a.Delivery.Route)
	w.leave(a.Delivery.ID)
	switch verdict.kind {
	case postponed:
	case accepted:
		if 2*(r.taken+1) >= r.size { // what is not used proves nothing
			r.size = min(r.size+1, w.most)
		}
		return 0, r.resume()
	case refused:
		return 0, r.resume()
	case busy:
		if a.Started.After(r.halved) { // once for what was in flight together
			r.size, r.halved = max(1, r.size/2), w.now()
		}
		return r.pause(w.now(), w.backoff, verdict.after, whyBusy), false
	case failed:
		if r.pauses > 0 && !a.Started.After(r.paused) {
			return 0, false // known
		}
		if r.failures++; r.failures >= max(r.size, patience) || r.pauses > 0 {
			r.size = 1
			return r.pause(w.now(), w.backoff, 0, whyFailing), false
		}
	case untrusted:
		probes := Backoff{w.backoff.Initial, min(w.backoff.Max, probeEvery)}
		pause = r.pause(w.now(), probes, 0, whyUntrusted)
		if pause == 0 || r.told == a.Error {
			return 0, false
		}
		r.told = a.Error
		return pause, false
	}
	return 0, false
}

// resume says that the other side answers. It returns whether it was told that
// it does not.
func (r *window) resume() (over bool) {
	over = r.pauses > 0 && r.reason != whyBusy
	r.failures, r.pauses, r.told = 0, 0, ""
	return over
}

// pause makes the route pause for as long as it asks, else longer each time.
// It returns 0 when the route pauses already.
func (r *window) pause(now time.Time, backoff Backoff, asked time.Duration, why reason) time.Duration {
	if now.Before(r.until) {
		if until := now.Add(asked); until.After(r.until) {
			r.until = until
		}
		return 0
	}
	if asked == 0 {
		asked = backoff.after(r.pauses + 1)
	}
	r.paused, r.until, r.reason = now, now.Add(asked), why
	r.pauses++
	return asked
}

// outstanding returns the deliveries that hold a place.
func (w *windows) outstanding() []uuid.UUID {
	w.mu.Lock()
	defer w.mu.Unlock()
	ids := make([]uuid.UUID, 0, len(w.slots))
	for id := range w.slots {
		ids = append(ids, id)
	}
	return ids
}

// forget gives the places of ids back.
func (w *windows) forget(ids []uuid.UUID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range ids {
		w.leave(id)
	}
}

// sizes are the windows of all routes.
func (w *windows) sizes() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	sizes := make(map[string]int, len(w.routes))
	for name, r := range w.routes {
		sizes[name] = r.size
	}
	return sizes
}

// paused are the routes that pause, or wait for what comes of a probe.
func (w *windows) paused() map[string]reason {
	w.mu.Lock()
	defer w.mu.Unlock()
	paused := map[string]reason{}
	for name, r := range w.routes {
		if r.pauses > 0 {
			paused[name] = r.reason
		}
	}
	return paused
}
