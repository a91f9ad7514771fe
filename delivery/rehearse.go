package delivery

import (
	"cmp"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/pdaltagent/pdaltagent/mapping"
)

// Rehearsal passes events through the gates as the commit does, on a clock of
// its own and in memory: for the tests that rules carry, and to show what a
// changed rule set would do.
type Rehearsal struct {
	standard string // the default route
	alerts   map[rehearsalKey]*Alert
	storms   map[string]*Storm
	waiting  []waiting
}

type rehearsalKey struct{ route, dedupKey string }

// waiting is a trigger that a gate holds.
type waiting struct {
	event  *mapping.Event
	alert  *Alert
	until  time.Time // zero: its parent alone holds it
	parent string
}

// Heard is an event that PagerDuty would hear of.
type Heard struct {
	At    time.Time
	Event *mapping.Event // one that was taken, or one of our own: a storm, or the end of a silence
}

// NewRehearsal returns a Rehearsal that has heard nothing. Events that name no
// route go to standard.
func NewRehearsal(standard string) *Rehearsal {
	return &Rehearsal{standard: standard, alerts: map[rehearsalKey]*Alert{}, storms: map[string]*Storm{}}
}

// Take passes an event, and returns what PagerDuty hears of it at once and what
// was decided. Call Advance first: time does not go back.
func (r *Rehearsal) Take(e *mapping.Event) (heard []Heard, decision mapping.Decision) {
	if e.Decision != mapping.Queued {
		return nil, e.Decision
	}
	if e.Action == mapping.ChangeEvent {
		return []Heard{{e.ReceivedAt, e}}, mapping.Queued
	}
	a := r.alert(cmp.Or(e.Route, r.standard), e.DedupKey)
	if e.Gates != nil && e.Gates.Storm.Alerts > 0 && a.Opens(e) && !r.storm(e.Host).Permits(e) {
		return r.swallow(e), mapping.Folded
	}
	ruling := a.Decide(e, r.open)
	r.cancel(ruling.Cancel)
	r.orphan(e.ReceivedAt)
	switch {
	case ruling.By != "":
		r.waiting = append(r.waiting, waiting{e, a, ruling.Until, ruling.Parent})
	case ruling.Decision == mapping.Queued:
		heard = append(heard, Heard{e.ReceivedAt, e})
	}
	return heard, ruling.Decision
}

// Advance lets time pass until at, and returns what PagerDuty hears meanwhile.
func (r *Rehearsal) Advance(at time.Time) (heard []Heard) {
	for {
		next, ok := r.next(at)
		if !ok {
			return heard
		}
		heard = append(heard, next())
	}
}

// next returns what is due first, not after at.
func (r *Rehearsal) next(at time.Time) (do func() Heard, ok bool) {
	due := at.Add(1)
	for i, w := range r.waiting {
		if w.until.Before(due) && (w.parent == "" || !r.open(w.parent)) {
			due, do = w.until, func() Heard { return r.release(i, due) }
		}
	}
	for _, a := range r.sorted() {
		if !a.ResolveAt.IsZero() && a.ResolveAt.Before(due) {
			due, do = a.ResolveAt, func() Heard { return r.expire(a, due) }
		}
	}
	return do, do != nil
}

// sorted are the alerts in an order that does not change from run to run.
func (r *Rehearsal) sorted() []*Alert {
	all := make([]*Alert, 0, len(r.alerts))
	for _, a := range r.alerts {
		all = append(all, a)
	}
	slices.SortFunc(all, func(a, b *Alert) int {
		return cmp.Or(cmp.Compare(a.Route, b.Route), cmp.Compare(a.DedupKey, b.DedupKey))
	})
	return all
}

func (r *Rehearsal) release(i int, at time.Time) Heard {
	w := r.waiting[i]
	r.waiting = slices.Delete(r.waiting, i, i+1)
	w.alert.Status, w.alert.SentAt, w.alert.Gated = Open, at, nil
	return Heard{at, w.event}
}

func (r *Rehearsal) expire(a *Alert, at time.Time) Heard {
	e := a.Silence(at)
	r.cancel(a.Decide(e, r.open).Cancel)
	r.orphan(at)
	return Heard{at, e}
}

// orphan has those go at once that nothing but a parent held, which is no
// longer open.
func (r *Rehearsal) orphan(at time.Time) {
	for i := range r.waiting {
		if w := &r.waiting[i]; w.parent != "" && w.until.Before(at) && !r.open(w.parent) {
			w.until, w.parent = at, ""
		}
	}
}

func (r *Rehearsal) cancel(id uuid.UUID) {
	r.waiting = slices.DeleteFunc(r.waiting, func(w waiting) bool { return id != uuid.Nil && w.event.ID == id })
}

func (r *Rehearsal) alert(route, dedupKey string) *Alert {
	key := rehearsalKey{route, dedupKey}
	a := r.alerts[key]
	if a == nil {
		a = &Alert{ID: uuid.New(), Route: route, DedupKey: dedupKey}
		r.alerts[key] = a
	}
	return a
}

func (r *Rehearsal) storm(source string) *Storm {
	s := r.storms[source]
	if s == nil {
		s = &Storm{Source: source}
		r.storms[source] = s
	}
	return s
}

func (r *Rehearsal) swallow(e *mapping.Event) []Heard {
	s := r.storm(e.Host)
	a := r.alert(r.standard, StormKey(e.Host))
	opens := !a.isOpen()
	storm := s.Event(e)
	a.Decide(storm, r.open)
	if opens {
		return []Heard{{e.ReceivedAt, storm}}
	}
	return nil
}

// open tells whether an alert of a dedup_key is open, on whatever route.
func (r *Rehearsal) open(dedupKey string) bool {
	for key, a := range r.alerts {
		if key.dedupKey == dedupKey && a.isOpen() {
			return true
		}
	}
	return false
}
