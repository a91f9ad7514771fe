// Command pd-send sends one event to pdagentd, which keeps it and delivers it
// to PagerDuty. Its options are those of PagerDuty Agent's pd-send and of
// PDaltagent's together; it exits with 0 when the event is durable, 1 when it
// could not be sent, and 2 on wrong usage.
package main

import (
	"time"

	"github.com/pdaltagent/pdaltagent/cmd/internal/sender"
)

func main() { program(sender.Patience).Main() }

func program(patience time.Duration) *sender.Program {
	return &sender.Program{Name: "pd-send", Usage: usage(), Patience: patience, Event: parse}
}

// event is an Events API v2 event.
type event struct {
	RoutingKey  string   `json:"routing_key"`
	EventAction string   `json:"event_action"`
	DedupKey    string   `json:"dedup_key,omitempty"`
	Payload     *payload `json:"payload,omitempty"`
	Client      string   `json:"client,omitempty"`
	ClientURL   string   `json:"client_url,omitempty"`
}

type payload struct {
	Summary       string            `json:"summary"`
	Source        string            `json:"source"`
	Severity      string            `json:"severity"`
	Component     string            `json:"component,omitempty"`
	Group         string            `json:"group,omitempty"`
	Class         string            `json:"class,omitempty"`
	CustomDetails map[string]string `json:"custom_details,omitempty"`
}

func (o *options) event(details map[string]string) event {
	e := event{RoutingKey: o.key, EventAction: o.eventType, DedupKey: o.incidentKey, Client: o.client, ClientURL: o.clientURL}
	if o.description != "" {
		e.Payload = &payload{
			Summary: o.description, Source: o.source, Severity: o.severity,
			Component: o.component, Group: o.group, Class: o.class, CustomDetails: details,
		}
	}
	return e
}
