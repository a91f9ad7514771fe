package webhook

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"

	"github.com/pdaltagent/pdaltagent/delivery"
)

// object is a JSON object whose members keep PagerDuty's own text.
type object map[string]json.RawMessage

// object returns the member of that name; nil where it is no object.
func (o object) object(name string) object {
	var member object
	if json.Unmarshal(o[name], &member) != nil {
		return nil
	}
	return member
}

// objects returns those of an array.
func (o object) objects(name string) []object {
	var elements []json.RawMessage
	if json.Unmarshal(o[name], &elements) != nil {
		return nil
	}
	var found []object
	for _, raw := range elements {
		var element object
		if json.Unmarshal(raw, &element) == nil && element != nil {
			found = append(found, element)
		}
	}
	return found
}

func (o object) text(name string) string {
	var s string
	_ = json.Unmarshal(o[name], &s) // what is no text has none
	return s
}

func (o object) clone(without ...string) object {
	c := make(object, len(o))
	for name, value := range o {
		c[name] = value
	}
	for _, name := range without {
		delete(c, name)
	}
	return c
}

// reference returns what PagerDuty writes where it does not write all of o:
// nil of nil.
func (o object) reference() object {
	if o == nil {
		return nil
	}
	short := object{}
	for _, name := range []string{"id", "summary", "self", "html_url"} {
		short[name] = o.or(name)
	}
	if kind := o.text("type"); kind != "" {
		short["type"] = quote(strings.TrimSuffix(kind, "_reference") + "_reference")
	}
	return short
}

// or returns the text of a member, null where there is none.
func (o object) or(name string) json.RawMessage {
	if raw, ok := o[name]; ok {
		return raw
	}
	return json.RawMessage("null")
}

func references(all []object) []object {
	short := []object{}
	for _, o := range all {
		short = append(short, o.reference())
	}
	return short
}

func quote(s string) json.RawMessage { return encode(s) }

// encode is JSON without HTML's escapes. All that it is given came out of
// JSON, so that it cannot fail.
func encode(v any) json.RawMessage {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(v) != nil {
		return json.RawMessage("null")
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// v2 writes {"messages": [...]}: the entry with references, and beside it the
// incident in full, with its service in full.
func (o object) v2(p Payload, config map[string]any) ([]byte, error) {
	entry, incident := o.clone(), o.object("incident").clone()
	entry["incident"] = encode(o.object("incident").reference())
	if service := o.service(); service != nil {
		entry["service"] = encode(service.reference())
		incident["service"] = encode(service)
	}
	if teams, ok := o["teams"]; ok && string(teams) != "null" {
		entry["teams"] = encode(references(o.objects("teams")))
	}
	if config == nil {
		config = map[string]any{}
	}
	copied, err := json.Marshal(config)
	if err != nil {
		return nil, err
	}
	return encode(map[string]any{"messages": []any{struct {
		Event      string         `json:"event"`
		LogEntries []object       `json:"log_entries"`
		Webhook    map[string]any `json:"webhook"`
		Incident   object         `json:"incident"`
		ID         string         `json:"id"`
		CreatedOn  string         `json:"created_on"`
	}{
		p.Type,
		[]object{entry},
		map[string]any{"config": json.RawMessage(copied)},
		incident,
		p.ID.String(), p.At.Format(time.RFC3339),
	}}}), nil
}

// service returns the incident's service, in full where the entry has it so.
func (o object) service() object {
	own, incidents := o.object("service"), o.object("incident").object("service")
	if incidents == nil || own != nil && own.text("id") == incidents.text("id") && len(own) > len(incidents) {
		return own
	}
	return incidents
}

// v3 writes {"event": {...}}.
func (o object) v3(p Payload, e *delivery.LogEntry) ([]byte, error) {
	var client any
	if name := o.object("channel").text("client"); name != "" {
		client = map[string]string{"name": name}
	}
	return encode(map[string]any{"event": struct {
		ID           string         `json:"id"`
		EventType    string         `json:"event_type"`
		ResourceType string         `json:"resource_type"`
		OccurredAt   string         `json:"occurred_at"`
		Agent        object         `json:"agent"`
		Client       any            `json:"client"`
		Data         map[string]any `json:"data"`
	}{
		p.ID.String(), p.Type, "incident", p.At.Format("2006-01-02T15:04:05.000Z"),
		o.object("agent").reference(), client, o.data(p.Type, e),
	}}), nil
}

// data is what a V3 event is about: the incident, but for notes, responders
// and status updates, which have forms of their own.
func (o object) data(event string, e *delivery.LogEntry) map[string]any {
	incident := o.object("incident").reference()
	text := first(o.text("note"), o.object("channel").text("message"), o.object("channel").text("summary"), o.text("summary"))
	switch event {
	case "incident.annotated":
		return map[string]any{"type": "incident_note", "id": e.ID, "incident": incident, "content": text, "trimmed": false}
	case "incident.status_update_published":
		return map[string]any{"type": "incident_status_update", "id": e.ID, "incident": incident, "message": text, "trimmed": false}
	case "incident.responder.added", "incident.responder.replied":
		return o.responder(incident, e.Type, text)
	}
	return o.object("incident").incidentV3(o.service())
}

func (o object) responder(incident object, entryType, message string) map[string]any {
	state, user := "pending", o.object("user")
	switch strings.TrimSuffix(entryType, suffix) {
	case "responder_accept":
		state = "accepted"
	case "responder_decline":
		state = "declined"
	}
	if user == nil && state != "pending" {
		user = o.object("agent") // who replies
	}
	return map[string]any{
		"type": "incident_responder", "incident": incident, "user": user.reference(),
		"escalation_policy": o.object("escalation_policy").reference(), "message": message, "state": state,
	}
}

func first(texts ...string) string {
	for _, s := range texts {
		if s != "" {
			return s
		}
	}
	return ""
}

// incidentV3 writes an incident of the REST API as V3 has it.
func (o object) incidentV3(service object) map[string]any {
	assignees := []object{}
	for _, a := range o.objects("assignments") {
		if who := a.object("assignee"); who != nil {
			assignees = append(assignees, who.reference())
		}
	}
	data := map[string]any{
		"type": "incident", "number": o.or("incident_number"), "title": o.or("title"),
		"service": service.reference(), "assignees": assignees,
		"escalation_policy": o.object("escalation_policy").reference(),
		"teams":             references(o.objects("teams")),
		"priority":          o.object("priority").reference(),
	}
	for _, name := range []string{
		"id", "self", "html_url", "status", "incident_key", "created_at", "urgency", "conference_bridge", "resolve_reason",
	} {
		data[name] = o.or(name)
	}
	for _, name := range []string{"reopened_at", "incident_type"} { // which not every incident has
		if value, ok := o[name]; ok {
			data[name] = value
		}
	}
	return data
}
