package mapping

import (
	"encoding/binary"
	"strings"

	"github.com/google/uuid"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// maxSummary is PagerDuty's limit, in characters.
const maxSummary = 1024

// newEvent starts an event about the message.
func (s *scope) newEvent() Event {
	id := s.m.ID
	if s.made > 0 {
		id = further(id, s.made)
	}
	s.made++
	return Event{
		ID:         id,
		ReceivedAt: s.m.ReceivedAt,
		Protocol:   s.m.Protocol,
		Source:     s.m.Source,
		Host:       clean(s.m.Origin()),
	}
}

// further derives the id of a message's nth event: a UUIDv7 of the same
// instant, and the same one whenever the message is mapped again.
func further(id uuid.UUID, n int) uuid.UUID {
	low := binary.BigEndian.Uint64(id[8:]) + uint64(n)*stride
	binary.BigEndian.PutUint64(id[8:], low&(1<<62-1)|1<<63)
	return id
}

const (
	stride  = 0x9e3779b97f4a7c15 // between the ids of a message's events
	inverse = 0xf1de83e19937733d // stride * inverse is 1, modulo 2^64
)

// SameMessage says whether two events, by their ids, were made of one message.
func SameMessage(a, b uuid.UUID) bool {
	if [8]byte(a[:8]) != [8]byte(b[:8]) {
		return false
	}
	const all = 1<<62 - 1
	n := (binary.BigEndian.Uint64(b[8:]) - binary.BigEndian.Uint64(a[8:])) * inverse & all
	return min(n, all+1-n) < 1<<24 // more events than any message makes
}

// build adds the event of a rule that matched.
func (s *scope) build(r *rule, action Action) {
	switch {
	case s.webhook != nil:
		s.changeWebhook(r)
	case r.drop:
		s.addDropped(r)
	case s.posted != nil:
		s.change(r, action)
	default:
		s.addEvent(r, action)
	}
}

func (s *scope) addEvent(r *rule, action Action) {
	e := s.newEvent()
	e.Rule, e.API, e.Action, e.Decision = r.id, ingest.EventsV2, action, Queued
	if r.suppress {
		e.Decision = Suppressed
	}
	b := body{
		source:    s.string(r, fieldSource),
		component: s.string(r, fieldComponent),
	}
	if b.source == "" {
		b.source = e.Host
	}
	e.Route = s.string(r, fieldRoute)
	e.Summary = s.eventSummary(r, action)
	if e.Severity = Warning; action == Trigger {
		e.Severity = s.severity(r)
	}
	e.DedupKey = s.dedupKey(r, b.source, b.component)
	e.Payload = s.payload(r, &e, b)
	e.Gates = s.gates(r, &e)
	e.Message = s.messageJSON()
	s.out.Events = append(s.out.Events, e)
}

// addDropped adds the trace of a message that a rule drops. A posted one
// keeps what its sender is answered.
func (s *scope) addDropped(r *rule) {
	e := s.newEvent()
	if s.posted != nil {
		e = s.posted.event
		s.posted = nil
	}
	e.Rule, e.Decision, e.Gates = r.id, Dropped, nil
	s.out.Events = append(s.out.Events, e)
}

// eventSummary is what the rule says about the problem. What ends a problem
// says so in the message's own words, as those of the rule claim that it is
// there; an element of a posted list has no other words than the rule's.
func (s *scope) eventSummary(r *rule, action Action) string {
	summary := ""
	if action == Trigger || s.m.Request != nil {
		summary = strings.TrimSpace(s.masked(r, fieldSummary))
	}
	if summary == "" {
		summary = s.summary()
		if s.m.Trap != nil && action != Trigger {
			summary = strings.TrimSpace(summary + " " + s.rules.masks.text(clean(s.index())))
		}
	}
	switch action {
	case Acknowledge:
		summary = "acknowledged: " + summary
	case Resolve:
		summary = "resolved: " + summary
	case Trigger, ChangeEvent:
	}
	return limit(summary, maxSummary)
}

// gates returns the gates of an event that a rule makes.
func (s *scope) gates(r *rule, e *Event) *Gates {
	switch {
	case e.Decision != Queued:
		return nil
	case e.Action == Trigger:
		return s.triggerGates(r)
	}
	return r.later
}

// summary says what a message is about where no rule does.
func (s *scope) summary() string {
	origin, about := s.m.Origin(), ""
	switch {
	case s.m.Trap != nil:
		about = s.trapName()
	case s.m.Line != nil:
		about = s.m.Line.Text
	case s.m.Request != nil:
		about = s.m.Request.Path
	}
	return limit(s.rules.masks.text(clean(strings.TrimSpace(strings.TrimSpace(origin+": "+about)))), maxSummary)
}

// maxDedupKey is PagerDuty's limit, in characters.
const maxDedupKey = 255

// dedupKey is what the rule says, else its id, the source and, for traps, the
// index of the trap's objects; for others, or where a trap has none, the
// component.
func (s *scope) dedupKey(r *rule, source, component string) string {
	for _, b := range [...]*blueprint{&r.event, &s.rules.defaults} {
		t := b[fieldDedupKey]
		if t == nil {
			continue
		}
		key, err := t.text(s, true)
		if key = clean(key); err == nil && key != "" {
			return shorten(key)
		}
		if err == nil {
			err = Fault{Place: t.place, Message: "the dedup_key is empty"}
		}
		s.failIn(b, placed(err, t.place))
	}
	key := r.id + "/" + source
	detail := ""
	if s.m.Trap != nil {
		detail = clean(s.index())
	}
	if detail == "" {
		detail = component
	}
	if detail != "" {
		key += "/" + detail
	}
	return shorten(key)
}
