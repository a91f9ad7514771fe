package history

import (
	"time"

	"github.com/google/uuid"

	"github.com/pdaltagent/pdaltagent/delivery"
	"github.com/pdaltagent/pdaltagent/mapping"
)

// An alert's status, as alerts.status has it.
const (
	pending      = "pending" // PagerDuty has not accepted a trigger, and none is on its way
	open         = "open"
	acknowledged = "acknowledged"
	resolved     = "resolved"
)

// alertKey is what makes an alert one problem.
type alertKey struct{ route, dedupKey string }

// alert is a row of alerts while a batch is decided. It is locked, or new.
type alert struct {
	id          uuid.UUID
	key         alertKey
	status      string // empty: new
	severity    mapping.Severity
	summary     string
	source      string
	rule        string
	firstAt     time.Time
	lastAt      time.Time
	resolvedAt  *time.Time
	occurrences int64
	waiting     bool // has a delivery that is not settled
}

// decide says what becomes of e, a queued event of alert a, and changes a
// accordingly. It knows nothing but its arguments: time is the event's.
func (a *alert) decide(e *mapping.Event) mapping.Decision {
	switch e.Action {
	case mapping.Acknowledge:
		return a.acknowledge(e)
	case mapping.Resolve:
		return a.resolve(e)
	case mapping.Trigger, mapping.ChangeEvent:
		return a.trigger(e)
	}
	return a.trigger(e)
}

func (a *alert) isOpen() bool { return a.status == open || a.status == acknowledged }

// trigger opens the alert; what is open already folds, unless it became more
// severe or was posted to PagerDuty's own paths.
func (a *alert) trigger(e *mapping.Event) mapping.Decision {
	if !a.isOpen() {
		a.describe(e)
		a.status, a.firstAt, a.occurrences, a.resolvedAt = open, e.ReceivedAt, 0, nil
		a.seen(e)
		return mapping.Queued
	}
	a.seen(e)
	if !e.Posted && delivery.Priority(e.Severity) >= delivery.Priority(a.severity) {
		return mapping.Folded
	}
	a.describe(e)
	return mapping.Queued
}

func (a *alert) acknowledge(e *mapping.Event) mapping.Decision {
	if a.status == open || e.Posted {
		a.meet(e)
		a.status = acknowledged
		return mapping.Queued
	}
	if a.status == acknowledged {
		return mapping.Folded
	}
	return mapping.Suppressed
}

// resolve closes what is open. What a rule would resolve but nobody opened is
// only recorded; a sender who posts a resolve knows better than we do.
func (a *alert) resolve(e *mapping.Event) mapping.Decision {
	if !e.Posted && (a.status == "" || a.status == resolved) {
		return mapping.Suppressed
	}
	a.meet(e)
	at := e.ReceivedAt
	a.status, a.resolvedAt = resolved, &at
	return mapping.Queued
}

// meet makes a row of an alert that somebody else opened.
func (a *alert) meet(e *mapping.Event) {
	if a.status == "" {
		a.describe(e)
		a.firstAt, a.lastAt = e.ReceivedAt, e.ReceivedAt
	}
}

func (a *alert) describe(e *mapping.Event) {
	a.severity, a.summary, a.source, a.rule = e.Severity, e.Summary, e.Host, e.Rule
}

func (a *alert) seen(e *mapping.Event) {
	a.occurrences++
	if e.ReceivedAt.After(a.lastAt) {
		a.lastAt = e.ReceivedAt
	}
}
