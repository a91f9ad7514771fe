package mapping

import (
	"bytes"
	"strings"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// posted is an event that a program posted to one of PagerDuty's own paths:
// as its sender made it, but for what rules change.
type posted struct {
	event  Event
	fields object // the sender's, without keys
}

func newPosted(m *ingest.Message) *posted {
	r := m.Request
	p := &posted{fields: senderFields(r)}
	p.event = Event{
		ID:         m.ID,
		ReceivedAt: m.ReceivedAt,
		Protocol:   m.Protocol,
		Source:     m.Source,
		Host:       clean(m.Origin()),
		Decision:   Queued,
		Key:        ingest.Secret(strings.Clone(string(r.Key))),
		API:        r.API,
		Posted:     true,
	}
	if m.Protocol == ingest.Fetch { // our own commands know our routes
		p.event.Route = first(r.Body, "route")
		p.fields = p.fields.without("route")
	}
	p.describe(r)
	if p.event.DedupKey == "" && r.API != ingest.Change {
		p.event.DedupKey = m.ID.String()
	}
	if r.API == ingest.Integration || r.API == ingest.Nagios {
		p.event.Body, p.event.ContentType = bytes.Clone(r.Raw), strings.Clone(r.ContentType)
	}
	return p
}

// senderFields returns the members of a posted object or form, without its
// keys. They alias the message.
func senderFields(r *ingest.Request) object {
	o, ok := parseObject(r.Raw)
	if !ok {
		b, err := appendValue(nil, r.Body, 0)
		if err != nil {
			return nil
		}
		o, _ = parseObject(b)
	}
	return o.without(secretKeys(r.API)...)
}

// secretKeys are the names under which a body gives its integration key. The
// forms of Nagios give it as the pager of their contact.
func secretKeys(api ingest.API) []string {
	if api == ingest.Nagios {
		return []string{"routing_key", "service_key", "CONTACTPAGER", "NAGIOS_CONTACTPAGER", "ICINGA_CONTACTPAGER"}
	}
	return []string{"routing_key", "service_key"}
}

// describe fills in what the history and the queue know of the event.
func (p *posted) describe(r *ingest.Request) {
	e := &p.event
	e.Action, e.Severity = Trigger, Critical
	switch r.API {
	case ingest.EventsV1:
		e.Action = action(r.Body, "event_type")
		e.Summary = first(r.Body, "description")
		e.DedupKey = first(r.Body, "incident_key")
	case ingest.Nagios:
		p.describeNagios(r.Body)
	case ingest.Change:
		e.Action, e.Severity = ChangeEvent, Info
		e.Summary = first(get(r.Body, "payload"), "summary")
	case ingest.EventsV2, ingest.XERE, ingest.Integration:
		e.Action = action(r.Body, "event_action")
		e.Summary = first(get(r.Body, "payload"), "summary")
		if e.Summary == "" {
			e.Summary = first(r.Body, "summary", "description", "message", "title")
		}
		e.DedupKey = first(r.Body, "dedup_key", "incident_key")
		if s, ok := SeverityOf(text(get(get(r.Body, "payload"), "severity"))); ok {
			e.Severity = s
		}
	}
	if e.Action == Resolve || e.Action == Acknowledge {
		e.Severity = Warning
	}
	e.Summary = limit(e.Summary, maxSummary)
}

// describeNagios reads the macros that Nagios' own client posts as a form.
func (p *posted) describeNagios(form any) {
	e := &p.event
	switch first(form, "NOTIFICATIONTYPE", "event_type") {
	case "ACKNOWLEDGEMENT", "acknowledge":
		e.Action = Acknowledge
	case "RECOVERY", "resolve":
		e.Action = Resolve
	}
	host, service := first(form, "HOSTNAME"), first(form, "SERVICEDESC")
	state := first(form, "SERVICESTATE", "HOSTSTATE")
	if s, ok := SeverityOf(state); ok {
		e.Severity = s
	}
	if host == "" {
		e.Summary, e.DedupKey = first(form, "description"), first(form, "incident_key")
		return
	}
	what := host
	if service != "" {
		what += "/" + service
	}
	e.Summary = strings.TrimSpace(what + " " + state)
	e.DedupKey = shorten("nagios/" + what)
}

// first returns the first of some members that has a text.
func first(body any, keys ...string) string {
	for _, k := range keys {
		if s := text(get(body, k)); s != "" {
			return clean(s)
		}
	}
	return ""
}

func action(body any, key string) Action {
	if a := Action(first(body, key)); a == Acknowledge || a == Resolve {
		return a
	}
	return Trigger
}

// change makes the changes of a rule to the posted event: only to what the
// rule names.
func (s *scope) change(r *rule, a Action) {
	e := &s.posted.event
	e.Rule = r.id
	if r.suppress {
		e.Decision = Suppressed
	}
	e.Gates = s.postedGates(r, e.Gates)
	if a != Trigger {
		e.Action = a
		s.posted.setText(s.posted.top("event_action", "event_type"), string(a))
	}
	if r.event[fieldRoute] != nil {
		if route := s.own(r, fieldRoute); route != "" {
			e.Route = route
		}
	}
	if t := r.event[fieldSeverity]; t != nil {
		if severity, ok := t.severity(s); ok {
			e.Severity = severity
			s.posted.inner("severity", appendString(nil, string(severity)))
		}
	}
	if t := r.event[fieldDedupKey]; t != nil && e.Action != ChangeEvent {
		key, err := t.text(s, true)
		if err != nil {
			s.fail(placed(err, t.place))
		} else if key = shorten(clean(key)); key != "" {
			e.DedupKey = key
			s.posted.setText(s.posted.top("dedup_key", "incident_key"), key)
		}
	}
	s.changeTexts(r)
	s.changeValues(r)
}

func (s *scope) changeTexts(r *rule) {
	if summary := limit(s.own(r, fieldSummary), maxSummary); summary != "" {
		s.posted.event.Summary = summary
		if s.posted.event.API == ingest.EventsV1 {
			s.posted.setText("description", summary)
		} else {
			s.posted.inner("summary", appendString(nil, summary))
		}
	}
	for _, f := range []field{fieldSource, fieldComponent, fieldGroup, fieldClass} {
		if v := s.own(r, f); v != "" {
			s.posted.inner(EventKeys()[f], appendString(nil, v))
		}
	}
	for _, f := range []field{fieldClient, fieldClientURL} {
		if v := s.own(r, f); v != "" {
			s.posted.setText(EventKeys()[f], v)
		}
	}
}

func (s *scope) changeValues(r *rule) {
	if r.event[fieldTimestamp] != nil {
		s.posted.inner("timestamp", appendString(nil, s.timestamp(r)))
	}
	if own := s.detail(r.event[fieldCustomDetails]); own != nil {
		s.posted.details(own)
	}
	if s.posted.event.API == ingest.EventsV1 {
		return
	}
	for _, f := range []field{fieldLinks, fieldImages} {
		if own := s.detail(r.event[f]); own != nil {
			s.posted.fields.set(EventKeys()[f], own)
		}
	}
}

// own is a text that the rule itself gives.
func (s *scope) own(r *rule, f field) string {
	if r.event[f] == nil {
		return ""
	}
	v, err := r.event[f].eval(s)
	if err != nil {
		s.fail(placed(err, r.event[f].place))
	}
	return clean(text(v))
}

// top is the name that a member has in v2, or in v1.
func (p *posted) top(v2, v1 string) string {
	if p.event.API == ingest.EventsV1 {
		return v1
	}
	return v2
}

func (p *posted) setText(key, value string) { p.fields.set(key, appendString(nil, value)) }

// inner sets a member of the payload, which v1 has not.
func (p *posted) inner(key string, value []byte) {
	if p.event.API == ingest.EventsV1 {
		return
	}
	o, _ := parseObject(p.fields.get("payload"))
	o.set(key, value)
	p.fields.set("payload", o.appendTo(nil))
}

// details lays a rule's custom_details over the sender's.
func (p *posted) details(own []byte) {
	if p.event.API == ingest.EventsV1 {
		p.fields.set("details", mergeDetails(p.fields.get("details"), own))
		return
	}
	o, _ := parseObject(p.fields.get("payload"))
	p.inner("custom_details", mergeDetails(o.get("custom_details"), own))
}

// addPosted adds the posted event.
func (s *scope) addPosted() {
	p := s.posted
	e := p.event
	if e.API == ingest.EventsV2 || e.API == ingest.EventsV1 {
		p.key(p.top("dedup_key", "incident_key"))
	}
	s.json = p.fields.appendTo(s.json[:0])
	e.Payload = bytes.Clone(s.rules.masks.maskJSON(mendJSON(s.json), postedKind))
	e.Summary = limit(s.rules.masks.text(e.Summary), maxSummary)
	e.Body = s.rules.masks.body(e.Body, e.ContentType)
	e.Gates = s.finalGates(&e)
	e.Message = s.messageJSON()
	s.made++
	s.out.Events = append(s.out.Events, e)
}

// finalGates returns the gates of a posted event, by what came of it.
func (s *scope) finalGates(e *Event) *Gates {
	switch {
	case e.Decision != Queued || e.Action == ChangeEvent:
		return nil
	case e.Action == Trigger:
		return s.withMoment(e.Gates, parentOf(e.Gates))
	case e.Gates == nil || e.Gates.Flapping == (Flapping{}):
		return nil
	}
	return &Gates{Flapping: e.Gates.Flapping}
}

func parentOf(g *Gates) string {
	if g == nil {
		return ""
	}
	return g.UnlessOpen
}

// postedKind says which members of a posted event are keys, identities and
// addresses.
func postedKind(parent, name string) textKind {
	switch parent {
	case "":
		switch name {
		case "client_url":
			return linkText
		case "dedup_key", "incident_key", "event_action", "event_type", "routing_key", "service_key",
			"NOTIFICATIONTYPE", "HOSTNAME", "SERVICEDESC", "HOSTSTATE", "SERVICESTATE", "pd_nagios_object":
			return keptText
		}
	case "payload":
		switch name {
		case "source", "severity", "timestamp":
			return keptText
		}
	case "links", "images", "contexts":
		return linkKind(parent, name)
	}
	return plainText
}

// key gives the event its dedup_key where the sender gave none.
func (p *posted) key(name string) {
	switch string(p.fields.get(name)) {
	case "", "null", `""`:
		p.setText(name, p.event.DedupKey)
	}
}
