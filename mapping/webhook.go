package mapping

import (
	"strings"
	"time"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// Webhook is something that happened at PagerDuty and that is to be sent on.
type Webhook struct {
	Type    string // what match.webhook looks at, as the payload names it: "incident.trigger"
	At      time.Time
	Body    any    // the payload, decoded as ingest.Request.Body is
	Payload []byte // the payload as JSON
}

// ApplyWebhook returns the payload that is to be sent: that of w, with the
// custom_details of the rules that match laid over it, and what the masks find
// covered; nil where a rule says drop. to is the destination that the last of
// them names in its place; empty: none does. What goes wrong in rules is added
// to out, which gets no events.
func (rs *Rules) ApplyWebhook(w Webhook, out *Result) (payload []byte, to string) {
	var buf [16]ref
	refs, last := rs.index.webhook.find(w.Type, buf[:0])
	m := ingest.Message{ReceivedAt: w.At, Protocol: ingest.HTTP, Request: &ingest.Request{Path: w.Type, Body: w.Body, Raw: w.Payload}}
	s := rs.begin(&m, out)
	defer rs.end(s)
	s.webhook = &webhook{payload: w.Payload}
	if !s.try(refs) {
		s.try(last)
	}
	if s.webhook.dropped {
		return nil, ""
	}
	return rs.masks.maskJSON(s.webhook.payload, webhookKind), s.webhook.to
}

// webhookKind says which members of a webhook are keys, identities, times and
// addresses. The config is what the receiver is to be given as it is.
func webhookKind(_, name string) textKind {
	switch name {
	case "config":
		return keptWhole
	case "id", "type", "event_type", "resource_type", "status", "urgency", "severity", "time_zone",
		"incident_key", "alert_key", "dedup_key", "routing_key", "service_key", "integration_key":
		return keptText
	case "self", "html_url", "url", "href", "src", "client_url":
		return linkText
	}
	if strings.HasSuffix(name, "_id") || strings.HasSuffix(name, "_at") || strings.HasSuffix(name, "_on") {
		return keptText
	}
	return plainText
}

// webhook is a payload while rules look at it.
type webhook struct {
	payload []byte
	dropped bool
	to      string // a destination's name; empty: its own
}

// changeWebhook makes the changes of a rule.
func (s *scope) changeWebhook(r *rule) {
	if r.drop || r.suppress {
		s.webhook.dropped = true
		return
	}
	if own := s.detail(r.event[fieldCustomDetails]); own != nil {
		s.webhook.payload = mergeDetails(s.webhook.payload, own)
	}
	switch to := s.own(r, fieldRoute); {
	case to == "":
	case s.rules.destinations != nil && !contains(s.rules.destinations, to):
		s.fail(Fault{Place: r.event[fieldRoute].place, Message: noDestination(to, s.rules.destinations)})
	default:
		s.webhook.to = to
	}
}

// noDestination says that webhooks have no destination of that name, and what
// may have been meant.
func noDestination(name string, there []string) string {
	return `there is no destination "` + clip(name, 64) + `" under webhooks in the configuration` + suggestion(name, there)
}

// checkWebhook finds what a rule about webhooks cannot say.
func (c *ruleCompiler) checkWebhook(spec *RuleSpec) {
	if spec.Match.Selector != SelectWebhook {
		return
	}
	if spec.Resolve != nil || spec.Acknowledge != nil {
		c.fault(spec.Place, "a webhook is sent on, and neither resolved nor acknowledged")
	}
	for _, e := range spec.Event {
		if e.Key.Value != "custom_details" && e.Key.Value != "route" {
			c.fault(e.Key.Place, "of a webhook only custom_details, which are laid over its payload, and route, the destination that it goes to, can be given")
		}
	}
	if spec.Match.Each.Value != "" || len(spec.Match.From) > 0 {
		c.fault(spec.Match.Place, "a webhook has neither from nor each: use when")
	}
}
