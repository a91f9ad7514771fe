package delivery

import (
	"encoding/json"
	"time"

	"github.com/pdaltagent/pdaltagent/ingest"
	"github.com/pdaltagent/pdaltagent/mapping"
)

// Event is the event of our own that opens the alert of a source's storm, which
// e was one alert too many for. Its severity is e's, and what would hold e holds
// it.
func (s *Storm) Event(e *mapping.Event) *mapping.Event {
	summary := s.Summary(e.Gates.Storm)
	gates := &mapping.Gates{Hold: e.Gates.Hold, UnlessOpen: e.Gates.UnlessOpen, Maintenance: e.Gates.Maintenance, ResolveAfter: StormQuiet}
	return &mapping.Event{
		ID: ingest.NewID(e.ReceivedAt), ReceivedAt: e.ReceivedAt, Protocol: e.Protocol, Source: e.Source, Host: e.Host,
		Rule: "storm", Decision: mapping.Queued, API: ingest.EventsV2, Action: mapping.Trigger,
		DedupKey: StormKey(s.Source), Severity: e.Severity, Summary: summary,
		Payload: compose(mapping.Trigger, StormKey(s.Source), summary, s.Source, e.Severity, s.Kinds),
		Gates:   gates,
	}
}

// Silence is the event of our own that resolves an alert by itself.
func (a *Alert) Silence(at time.Time) *mapping.Event {
	reason := "nothing was heard of it"
	if a.Resolving {
		reason = "it has stopped flapping"
	}
	summary := "resolved, since " + reason + ": " + a.Summary
	return &mapping.Event{
		ID: ingest.NewID(at), ReceivedAt: at, Protocol: a.Protocol, Host: a.Source, Rule: a.Rule,
		Decision: mapping.Queued, API: ingest.EventsV2, Action: mapping.Resolve, DedupKey: a.DedupKey,
		Severity: a.Severity, Summary: summary,
		Payload: compose(mapping.Resolve, a.DedupKey, summary, a.Source, a.Severity, nil),
	}
}

// compose makes the payload of an event of our own.
func compose(action mapping.Action, dedupKey, summary, source string, severity mapping.Severity, details any) []byte {
	event := map[string]any{"event_action": action, "dedup_key": dedupKey}
	payload := map[string]any{"summary": summary, "source": source, "severity": severity}
	if details != nil {
		payload["custom_details"] = details
	}
	event["payload"] = payload
	body, err := json.Marshal(event)
	if err != nil {
		return nil // cannot be: it is made of texts and numbers
	}
	return body
}
