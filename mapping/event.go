// Package mapping turns messages into events. Rules are compiled once, when
// they are loaded; applying them is a total function that knows no clock, no
// logger and no I/O: the same message always makes the same events. What comes
// in is an ingest.Message; what goes out are Events, each with its rule, its
// route, its decision and a dedup_key.
package mapping

import (
	"context"
	"net/netip"
	"time"

	"github.com/google/uuid"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// Action is what an event asks of PagerDuty.
type Action string

// The actions of the Events API.
const (
	Trigger     Action = "trigger"
	Acknowledge Action = "acknowledge"
	Resolve     Action = "resolve"
	ChangeEvent Action = "change"
)

// Severity is PagerDuty's.
type Severity string

// The severities of the Events API, most urgent first.
const (
	Critical Severity = "critical"
	Error    Severity = "error"
	Warning  Severity = "warning"
	Info     Severity = "info"
)

// Decision says what was decided about an event. Rules decide Queued, Dropped
// and Unmatched; the commit may turn Queued into Folded or Suppressed.
type Decision string

// The decisions, as events.decision has them.
const (
	Queued      Decision = "queued"      // it is sent
	Folded      Decision = "folded"      // its alert is open already: counted there
	Suppressed  Decision = "suppressed"  // recorded, not sent
	Dropped     Decision = "dropped"     // a rule says drop
	Held        Decision = "held"        // waits for its hold time or its parent
	Maintenance Decision = "maintenance" // a maintenance window holds it
	Inhibited   Decision = "inhibited"   // its parent is open
	Unmatched   Decision = "unmatched"   // no rule matched: a sample, so that one can be written
)

// Event is what we decided to tell PagerDuty about a message. It owns all
// that it points to.
type Event struct {
	ID         uuid.UUID // UUIDv7; the message's own for its first event
	ReceivedAt time.Time
	Protocol   ingest.Protocol
	Source     netip.Addr
	Host       string // ingest.Message.Origin

	Rule     string // the rule's id; empty for an event that no rule touched
	Decision Decision

	Route string        // a named route; empty: the route of Key, or the default route
	Key   ingest.Secret // the sender's integration key, for events posted to PagerDuty's own paths

	API      ingest.API // what Payload (or Body) is written for
	Action   Action
	DedupKey string // never empty, but for change events and for what no rule matched or one dropped
	Severity Severity
	Summary  string

	// Posted is set on events that came on PagerDuty's own paths: they are
	// never folded.
	Posted bool

	// Payload is the event as a JSON object, without routing_key and
	// service_key: an Events API v2 event for what rules make, the sender's
	// own fields for what was posted, nil for what is Dropped or Unmatched.
	Payload []byte

	// Body, if not nil, is sent instead of Payload, byte for byte, as
	// ContentType.
	Body        []byte
	ContentType string

	// Gates are what the commit decides by. nil: nothing but folding.
	Gates *Gates

	// Message is the message as JSON, for events.message.
	Message []byte
}

// Enqueuer makes events durable.
type Enqueuer interface {
	// Enqueue takes events, which it owns from then on, and blocks only
	// while its queue is full or until ctx ends. done is called exactly
	// once, from any goroutine: with nil when the events are committed, in
	// the order of the calls of one caller.
	Enqueue(ctx context.Context, events []Event, done func(error))
}
