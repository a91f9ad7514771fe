package delivery

import (
	"time"

	"github.com/pdaltagent/pdaltagent/ingest"
	"github.com/pdaltagent/pdaltagent/mapping"
)

// SelfRule is what stands for a rule in events about the appliance itself, and
// SelfProtocol for the way that they came.
const (
	SelfRule     = "self"
	SelfProtocol = ingest.Protocol("self")
)

// Trouble is something that is wrong with the appliance itself.
type Trouble struct {
	Key      string // its alert's dedup_key
	Severity mapping.Severity
	Summary  string // a sentence: what is wrong, and what to do
	Details  map[string]any
}

// Event is the event of our own that opens the trouble's alert on route, or
// resolves it; node is who says so. The alert resolves by itself when nobody
// has said for silence that the trouble lasts.
func (t *Trouble) Event(action mapping.Action, route, node string, at time.Time, silence time.Duration) mapping.Event {
	return mapping.Event{
		ID: ingest.NewID(at), ReceivedAt: at, Protocol: SelfProtocol, Host: node, Rule: SelfRule, Route: route,
		Decision: mapping.Queued, API: ingest.EventsV2, Action: action, DedupKey: t.Key, Severity: t.Severity, Summary: t.Summary,
		Payload: compose(action, t.Key, t.Summary, node, t.Severity, t.Details),
		Gates:   &mapping.Gates{ResolveAfter: silence},
	}
}

// DeadLetters are the deliveries of a route that died of late.
type DeadLetters struct {
	Route string
	Count int
	Error string // of the last one
}

// OpenAlert is an alert that is not resolved.
type OpenAlert struct {
	DedupKey, Route string
	Severity        mapping.Severity
}
