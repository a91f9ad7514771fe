package delivery

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/pdaltagent/pdaltagent/ingest"
	"github.com/pdaltagent/pdaltagent/mapping"
)

// Status is an alert's, as alerts.status has it.
type Status string

// The statuses.
const (
	Pending      Status = "pending" // a gate holds it, or PagerDuty has not accepted a trigger and none is on its way
	Open         Status = "open"
	Acknowledged Status = "acknowledged"
	Resolved     Status = "resolved"
)

// Alert is what is known of a problem while events about it are decided. It
// knows no clock: time is what events say.
type Alert struct {
	ID          uuid.UUID
	Route       string
	DedupKey    string
	Status      Status // empty: nobody has heard of it
	Severity    mapping.Severity
	Summary     string
	Source      string
	Rule        string
	Protocol    ingest.Protocol
	FirstAt     time.Time
	LastAt      time.Time
	ResolvedAt  *time.Time
	Occurrences int64

	SentAt    time.Time   // of the last trigger that is sent; zero: none was
	Triggers  []time.Time // those that count towards a threshold, which is not reached
	Changes   []time.Time // when it last opened and resolved, as far back as flapping looks
	ResolveAt time.Time   // when it is resolved by itself; zero: never
	Resolving bool        // it was resolved already, and waits for ResolveAt since it flaps
	Gated     *Gated      // the trigger that a gate holds; nil: none is
}

// Gated is a trigger that a gate holds.
type Gated struct {
	ID    uuid.UUID
	By    Hold
	Until time.Time
}

// Ruling is what was decided about an event.
type Ruling struct {
	Decision mapping.Decision

	// By is what the event's delivery waits for, where it is gated: ByTime or
	// ByMaintenance until Until, ByParent until no alert of Parent is open.
	// When the others are over, Parent is looked at again.
	By     Hold
	Until  time.Time
	Parent string

	// Cancel is the delivery of an earlier trigger that is no longer wanted.
	Cancel uuid.UUID

	// Opens is set for a trigger of which PagerDuty opens the alert.
	Opens bool
}

// Decide says what becomes of e, a queued event of the alert, and changes the
// alert accordingly. parentOpen tells whether an alert of a dedup_key inhibits,
// on whatever route.
func (a *Alert) Decide(e *mapping.Event, parentOpen func(dedupKey string) bool) Ruling {
	switch e.Action {
	case mapping.Acknowledge:
		return Ruling{Decision: a.acknowledge(e)}
	case mapping.Resolve:
		return a.resolve(e)
	case mapping.Trigger, mapping.ChangeEvent:
	}
	return a.trigger(e, gatesOf(e), parentOpen)
}

func gatesOf(e *mapping.Event) *mapping.Gates {
	if e.Gates == nil {
		return &mapping.Gates{}
	}
	return e.Gates
}

func (a *Alert) isOpen() bool { return a.Status == Open || a.Status == Acknowledged }

// Inhibits reports whether the alert holds those that name it as their parent:
// it is open, or will be when its time has come. One that waits for a parent
// of its own does not, so that two that name each other never wait for ever.
func (a *Alert) Inhibits() bool {
	return a.isOpen() || a.Gated != nil && (a.Gated.By == ByTime || a.Gated.By == ByMaintenance)
}

// Opens reports whether e would open the alert, if no gate holds it: one that
// is not open, and for which e does not merely count.
func (a *Alert) Opens(e *mapping.Event) bool {
	if e.Action != mapping.Trigger || a.isOpen() || a.Gated != nil {
		return false
	}
	t := gatesOf(e).Threshold
	return t.Count <= 1 || len(within(slices.Clone(a.Triggers), e.ReceivedAt, t.Within))+1 >= t.Count
}

// within cuts times down to those that are less than d before at.
func within(times []time.Time, at time.Time, d time.Duration) []time.Time {
	since := at.Add(-d)
	return slices.DeleteFunc(times, func(t time.Time) bool { return !t.After(since) })
}

// trigger opens the alert; what is open or gated already folds, unless it
// became more severe, is to be repeated, or was posted to PagerDuty's own
// paths.
func (a *Alert) trigger(e *mapping.Event, g *mapping.Gates, parentOpen func(string) bool) Ruling {
	switch {
	case a.Gated != nil:
		return a.again(e, g, parentOpen)
	case !a.isOpen():
		if !a.reaches(e, g.Threshold) {
			return Ruling{Decision: mapping.Suppressed}
		}
		return a.open(e, g, parentOpen)
	}
	if a.Resolving {
		a.Resolving = false
		a.change(e, g.Flapping)
	}
	a.seen(e, g)
	if !e.Posted && Priority(e.Severity) >= Priority(a.Severity) && !a.due(e, g.Repeat) {
		return Ruling{Decision: mapping.Folded}
	}
	a.describe(e)
	a.SentAt = e.ReceivedAt
	return Ruling{Decision: mapping.Queued}
}

func (a *Alert) due(e *mapping.Event, repeat time.Duration) bool {
	return repeat > 0 && e.ReceivedAt.Sub(a.SentAt) >= repeat
}

// reaches counts e towards a threshold, and reports whether that is reached.
func (a *Alert) reaches(e *mapping.Event, t mapping.Threshold) bool {
	if t.Count <= 1 {
		return true
	}
	if len(a.Triggers) == 0 {
		a.describe(e)
		a.Status, a.FirstAt, a.Occurrences, a.ResolvedAt = Pending, e.ReceivedAt, 0, nil
	}
	a.Triggers = append(within(a.Triggers, e.ReceivedAt, t.Within), e.ReceivedAt)
	a.Occurrences = int64(len(a.Triggers)) - 1
	a.FirstAt = a.Triggers[0]
	if len(a.Triggers) < t.Count {
		a.Occurrences++
		if e.ReceivedAt.After(a.LastAt) {
			a.LastAt = e.ReceivedAt
		}
		return false
	}
	return true
}

// open opens the alert, or has a gate hold what would open it.
func (a *Alert) open(e *mapping.Event, g *mapping.Gates, parentOpen func(string) bool) Ruling {
	a.describe(e)
	if len(a.Triggers) == 0 {
		a.FirstAt, a.Occurrences = e.ReceivedAt, 0
	}
	a.Status, a.Triggers, a.ResolvedAt, a.Resolving = Open, nil, nil, false
	a.seen(e, g)
	a.change(e, g.Flapping)
	r := gate(e, g, parentOpen)
	if r.By == "" {
		a.SentAt = e.ReceivedAt
		return r
	}
	a.Status = Pending
	a.Gated = &Gated{ID: e.ID, By: r.By, Until: r.Until}
	return r
}

// gate says which gate holds a trigger that opens its alert; By is empty where
// none does.
func gate(e *mapping.Event, g *mapping.Gates, parentOpen func(string) bool) Ruling {
	r := Ruling{Decision: mapping.Queued, Parent: g.UnlessOpen, Opens: true}
	if g.Hold > 0 {
		r.Decision, r.By, r.Until = mapping.Held, ByTime, e.ReceivedAt.Add(g.Hold)
	}
	if g.UnlessOpen != "" && g.UnlessOpen != e.DedupKey && parentOpen(g.UnlessOpen) {
		r.Decision, r.By = mapping.Inhibited, ByParent
	}
	if g.Maintenance != nil && g.Maintenance.Until.After(e.ReceivedAt) {
		r.Decision, r.By = mapping.Maintenance, ByMaintenance
		if g.Maintenance.Until.After(r.Until) {
			r.Until = g.Maintenance.Until
		}
	}
	return r
}

// again folds a trigger into the one that a gate holds. A more severe one takes
// its place, and waits for what that waited for; one that no gate holds goes at
// once in its place.
func (a *Alert) again(e *mapping.Event, g *mapping.Gates, parentOpen func(string) bool) Ruling {
	a.seen(e, g)
	severer := Priority(e.Severity) < Priority(a.Severity)
	if severer {
		a.describe(e)
	}
	r := gate(e, g, parentOpen)
	r.Cancel = a.Gated.ID
	switch {
	case r.By == "":
		a.Status, a.SentAt, a.Gated = Open, e.ReceivedAt, nil
		return r
	case !severer:
		return Ruling{Decision: mapping.Folded}
	}
	r.Decision, r.By, r.Until = decisionOf(a.Gated.By), a.Gated.By, a.Gated.Until
	a.Gated.ID = e.ID
	return r
}

// decisionOf is the decision about an event whose delivery a gate holds.
func decisionOf(by Hold) mapping.Decision {
	switch by {
	case ByMaintenance:
		return mapping.Maintenance
	case ByParent:
		return mapping.Inhibited
	case ByTime, ByAlert, ByRoute:
	}
	return mapping.Held
}

func (a *Alert) acknowledge(e *mapping.Event) mapping.Decision {
	if a.Status == Open || e.Posted {
		a.meet(e)
		a.Status = Acknowledged
		return mapping.Queued
	}
	if a.Status == Acknowledged {
		return mapping.Folded
	}
	return mapping.Suppressed
}

// resolve closes what is open, or waits with it while the alert flaps. What a
// gate holds is cancelled, and PagerDuty hears nothing of it. What a rule would
// resolve but nobody opened is only recorded; a sender who posts a resolve
// knows better than we do.
func (a *Alert) resolve(e *mapping.Event) Ruling {
	if !e.Posted && (a.Status == "" || a.Status == Resolved) {
		return Ruling{Decision: mapping.Suppressed}
	}
	g := gatesOf(e)
	if a.isOpen() && !a.Resolving {
		a.change(e, g.Flapping)
		if f := g.Flapping; f.Changes > 0 && len(a.Changes) >= f.Changes {
			a.Resolving, a.ResolveAt = true, e.ReceivedAt.Add(f.Quiet)
			return Ruling{Decision: mapping.Held}
		}
	} else if a.Resolving && g.Flapping.Changes > 0 {
		return Ruling{Decision: mapping.Folded}
	}
	r := Ruling{Decision: mapping.Queued}
	if a.Gated != nil || len(a.Triggers) > 0 {
		if !e.Posted {
			r.Decision = mapping.Suppressed
		}
		if a.Gated != nil {
			r.Cancel = a.Gated.ID
		}
	}
	a.meet(e)
	at := e.ReceivedAt
	a.Status, a.ResolvedAt, a.ResolveAt, a.Resolving, a.Gated, a.Triggers = Resolved, &at, time.Time{}, false, nil, nil
	return r
}

// change remembers that the alert opened or resolved, as far back as flapping
// looks.
func (a *Alert) change(e *mapping.Event, f mapping.Flapping) {
	if f.Changes <= 0 {
		return
	}
	a.Changes = append(within(a.Changes, e.ReceivedAt, f.Within), e.ReceivedAt)
	if len(a.Changes) > f.Changes {
		a.Changes = a.Changes[len(a.Changes)-f.Changes:]
	}
}

// meet makes a row of an alert that somebody else opened.
func (a *Alert) meet(e *mapping.Event) {
	if a.Status == "" {
		a.describe(e)
		a.FirstAt, a.LastAt = e.ReceivedAt, e.ReceivedAt
	}
}

func (a *Alert) describe(e *mapping.Event) {
	a.Severity, a.Summary, a.Source, a.Rule, a.Protocol = e.Severity, e.Summary, e.Host, e.Rule, e.Protocol
}

func (a *Alert) seen(e *mapping.Event, g *mapping.Gates) {
	a.Occurrences++
	if e.ReceivedAt.After(a.LastAt) {
		a.LastAt = e.ReceivedAt
	}
	a.ResolveAt = time.Time{}
	if g.ResolveAfter > 0 {
		a.ResolveAt = a.LastAt.Add(g.ResolveAfter)
	}
}
