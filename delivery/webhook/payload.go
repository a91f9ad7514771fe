// Package webhook makes PagerDuty's webhooks of its log entries, and sends
// them. What comes in is a delivery.LogEntry; what goes out, for each
// destination whose filters let it pass, is a payload in PagerDuty's V2 or V3
// form, and later the HTTP request that delivers it, signed. It promises that
// a payload's id is the same however often it is made or sent, that an entry
// which makes no payload says why, and that no error text holds a URL's path or a
// secret.
package webhook

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/pdaltagent/pdaltagent/delivery"
	"github.com/pdaltagent/pdaltagent/ingest"
	"github.com/pdaltagent/pdaltagent/mapping"
)

// Reason says why an entry makes no payload. Metrics use it as it is.
type Reason string

// The reasons.
const (
	OtherService Reason = "other_service" // its service is none of the destination's
	OtherType    Reason = "other_type"    // its type is none of the destination's
	NoIncident   Reason = "no_incident"   // it is about no incident
	UnknownType  Reason = "unknown_type"  // its type is no log entry's
	NoEvent      Reason = "no_event"      // V3 has no event for it; V2 has
	NoObject     Reason = "no_object"     // it is not as PagerDuty describes it
)

// Skipped says that an entry makes no payload for a destination. It is no
// fault, unless Unexpected.
type Skipped struct {
	Reason Reason
	Entry  string // id
	Type   string
	Err    error // what is wrong, for NoObject
}

// Error names entry, type and reason.
func (e *Skipped) Error() string {
	text := fmt.Sprintf("log entry %s of type %s is not sent on: %s", e.Entry, e.Type, strings.ReplaceAll(string(e.Reason), "_", " "))
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns what is wrong with the entry, or nil.
func (e *Skipped) Unwrap() error { return e.Err }

// Unexpected reports whether somebody should look: the entry is not as
// PagerDuty's documents have it.
func (e *Skipped) Unexpected() bool {
	return e.Reason == NoIncident || e.Reason == UnknownType || e.Reason == NoObject
}

// Payload is what a destination is told about an entry.
type Payload struct {
	ID   uuid.UUID // the same for the same entry and destination, always
	Type string    // "incident.trigger" in V2, "incident.triggered" in V3
	At   time.Time // when the entry was created
	Body []byte    // JSON
}

// Webhook returns p as rules look at it. What is nested deeper than they look is
// left out, so that nothing hides there from masks: its Payload is another than
// p.Body then.
func (p Payload) Webhook() (mapping.Webhook, error) {
	body, err := ingest.DecodeJSON(p.Body)
	if errors.Is(err, ingest.ErrDeepJSON) {
		p.Body = shallow(p.Body)
		body, err = ingest.DecodeJSON(p.Body)
	}
	if err != nil {
		return mapping.Webhook{}, fmt.Errorf("webhook %s: %w", p.ID, err)
	}
	return mapping.Webhook{Type: p.Type, At: p.At, Body: body, Payload: p.Body}, nil
}

// Route returns what delivery.Delivery.Route is for a webhook to d.
func (d Destination) Route() string { return delivery.WebhookRoute(d.Name) }

// ID returns the id of the payload that d is sent about an entry: a UUIDv5
// (RFC 9562 section 5.5) of both. It is the delivery's, too.
func (d Destination) ID(entry string) uuid.UUID {
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("https://api.pagerduty.com/log_entries/"+entry+"#"+d.Route()))
}

// Compose makes the payload that d is sent about an entry, or returns a
// *Skipped. The incident is as it was when the entry was read, which may be
// later than the entry.
func (d Destination) Compose(e *delivery.LogEntry) (Payload, error) {
	skip := func(why Reason, err error) (Payload, error) {
		return Payload{}, &Skipped{Reason: why, Entry: e.ID, Type: e.Type, Err: err}
	}
	if len(d.Services) > 0 && !slices.Contains(d.Services, e.ServiceID) {
		return skip(OtherService, nil)
	}
	name, ok := eventV2(e.Type)
	if !ok {
		return skip(UnknownType, nil)
	}
	v3, hasV3 := eventV3(e.Type)
	if !d.wants(strings.TrimSuffix(e.Type, suffix), e.Type, name, v3) {
		return skip(OtherType, nil)
	}
	if d.Format == V3 && !hasV3 {
		return skip(NoEvent, nil)
	}
	var entry object
	if err := json.Unmarshal(e.Raw, &entry); err != nil {
		return skip(NoObject, err)
	}
	if e.IncidentID == "" {
		return skip(NoIncident, nil)
	}
	p := Payload{ID: d.ID(e.ID), Type: name, At: e.CreatedAt}
	var err error
	if d.Format == V3 {
		p.Type = v3
		p.Body, err = entry.v3(p, e)
	} else {
		p.Body, err = entry.v2(p, d.Config)
	}
	if err != nil {
		return skip(NoObject, err)
	}
	return p, nil
}

func (d Destination) wants(names ...string) bool {
	return len(d.Types) == 0 || slices.ContainsFunc(names, func(n string) bool { return n != "" && slices.Contains(d.Types, n) })
}

const suffix = "_log_entry"

// eventV2 names the event of V2: incident., and the first word of the entry's
// type. So does PDaltagent, for all types, where PagerDuty itself names eight.
func eventV2(entryType string) (string, bool) {
	name, ok := strings.CutSuffix(entryType, suffix)
	if word, _, _ := strings.Cut(name, "_"); ok && word != "" {
		if word == "acknowledgement" { // as PagerDuty's description has it in one place
			word = "acknowledge"
		}
		return "incident." + word, true
	}
	return "", false
}

// eventV3 names the event of V3, for the types that have one there.
func eventV3(entryType string) (string, bool) {
	switch strings.TrimSuffix(entryType, suffix) {
	case "trigger":
		return "incident.triggered", true
	case "acknowledge", "acknowledgement":
		return "incident.acknowledged", true
	case "unacknowledge":
		return "incident.unacknowledged", true
	case "resolve":
		return "incident.resolved", true
	case "reopen":
		return "incident.reopened", true
	case "assign", "reassign":
		return "incident.reassigned", true
	case "escalate":
		return "incident.escalated", true
	case "delegate":
		return "incident.delegated", true
	case "annotate":
		return "incident.annotated", true
	case "priority_change":
		return "incident.priority_updated", true
	case "responder_request", "responder_request_for_escalation_policy":
		return "incident.responder.added", true
	case "responder_accept", "responder_decline":
		return "incident.responder.replied", true
	case "status_update":
		return "incident.status_update_published", true
	}
	return "", false
}
