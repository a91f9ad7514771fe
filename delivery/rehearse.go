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
	soonest  time.Time // nothing is due before
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
	return r.decide(a, e)
}

// decide decides about e, and does what that asks for.
func (r *Rehearsal) decide(a *Alert, e *mapping.Event) (heard []Heard, decision mapping.Decision) {
	ruling := a.Decide(e, r.open)
	r.expect(a.ResolveAt)
	r.expect(ruling.Until)
	r.cancel(ruling.Cancel)
	r.orphan(e.ReceivedAt)
	switch {
	case ruling.By != "":
		r.waiting = append(r.waiting, waiting{e, a, ruling.Until, ruling.Parent})
	case ruling.Decision == mapping.Queued:
		heard = []Heard{{e.ReceivedAt, e}}
	}
	return heard, ruling.Decision
}

// Advance lets time pass until at, and returns what PagerDuty hears meanwhile.
func (r *Rehearsal) Advance(at time.Time) (heard []Heard) {
	for !at.Before(r.soonest) {
		next := r.next(at)
		if next == nil {
			return heard
		}
		heard = append(heard, next()...)
	}
	return heard
}

// next returns what is due first, not after at; nil: nothing is, and nothing
// before soonest.
func (r *Rehearsal) next(at time.Time) (do func() []Heard) {
	due := time.Unix(1<<40, 0) // far away
	for i, w := range r.waiting {
		if !w.until.IsZero() && w.until.Before(due) {
			due, do = w.until, func() []Heard { return r.release(i, due) }
		}
	}
	var first *Alert
	for _, a := range r.alerts {
		if a.ResolveAt.IsZero() || a.ResolveAt.After(due) || a.ResolveAt.Equal(due) && !a.before(first) {
			continue
		}
		first, due = a, a.ResolveAt
		do = func() []Heard { return r.expire(first, due) }
	}
	r.soonest = due
	if due.After(at) {
		return nil
	}
	return do
}

// before gives alerts that are due at once an order that does not change from
// run to run.
func (a *Alert) before(b *Alert) bool {
	return b != nil && cmp.Or(cmp.Compare(a.Route, b.Route), cmp.Compare(a.DedupKey, b.DedupKey)) < 0
}

// expect notes that something may be due at a time; zero: it is not.
func (r *Rehearsal) expect(at time.Time) {
	if !at.IsZero() && at.Before(r.soonest) {
		r.soonest = at
	}
}

// release lets a trigger go whose time has come, or leaves it to its parent.
func (r *Rehearsal) release(i int, at time.Time) []Heard {
	w := r.waiting[i]
	if w.parent != "" && r.open(w.parent) {
		r.waiting[i].until, w.alert.Gated.By = time.Time{}, ByParent
		return nil
	}
	r.waiting = slices.Delete(r.waiting, i, i+1)
	w.alert.Status, w.alert.SentAt, w.alert.Gated = Open, at, nil
	return []Heard{{at, w.event}}
}

// expire resolves an alert that resolves itself. What a gate still holds is
// cancelled, and nobody hears of it.
func (r *Rehearsal) expire(a *Alert, at time.Time) []Heard {
	heard, _ := r.decide(a, a.Silence(at))
	return heard
}

// orphan has those go at once that nothing but a parent held, which is no
// longer open.
func (r *Rehearsal) orphan(at time.Time) {
	for i := range r.waiting {
		if w := &r.waiting[i]; w.parent != "" && w.until.Before(at) && !r.open(w.parent) {
			w.until, w.parent = at, ""
			r.expect(at)
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
	if !s.Tells(a, e, r.open) {
		a.Fold(e)
		r.expect(a.ResolveAt)
		return nil
	}
	heard, _ := r.decide(a, s.Event(e))
	return heard
}

// open tells whether an alert of a dedup_key inhibits, on whatever route.
func (r *Rehearsal) open(dedupKey string) bool {
	for key, a := range r.alerts {
		if key.dedupKey == dedupKey && a.Inhibits() {
			return true
		}
	}
	return false
}
