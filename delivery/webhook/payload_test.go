package webhook

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pdaltagent/pdaltagent/delivery"
)

const rest = `{"id":"R1","type":"%s","summary":"Done by A <a&b>","self":"https://api.pagerduty.com/log_entries/R1","html_url":null,
 "created_at":"2026-03-01T12:00:01Z","note":"looking","unknown":1.10,
 "agent":{"id":"PUSR","type":"user_reference","summary":"A","self":null,"html_url":null},
 "channel":{"type":"api","client":"check-ups"},"user":{"id":"PUSR2","type":"user_reference","summary":"B"},
 "contexts":[],"service":{"id":"PSVC","type":"service","summary":"S","self":"s","html_url":"h","name":"Shop","teams":[]},
 "teams":[{"id":"PTEAM","type":"team","summary":"T","self":"t","html_url":"th","name":"T"}],
 "incident":{"id":"PINC","type":"incident","summary":"[#7] fire","self":"i","html_url":"ih","incident_number":7,"title":"fire","status":"triggered",
  "incident_key":"k","created_at":"2026-03-01T12:00:00Z","urgency":"high","service":{"id":"PSVC","type":"service_reference","summary":"S"},
  "assignments":[{"at":"2026-03-01T12:00:00Z","assignee":{"id":"PUSR","type":"user_reference","summary":"A"}}],
  "escalation_policy":{"id":"PEP","type":"escalation_policy_reference","summary":"Default"},
  "teams":[{"id":"PTEAM","type":"team_reference","summary":"T"}],"priority":{"id":"PPRI","type":"priority","summary":"P1","color":"red"}}}`

func entryOf(kind string) *delivery.LogEntry {
	return &delivery.LogEntry{
		ID: "R1", Type: kind, CreatedAt: time.Date(2026, 3, 1, 12, 0, 1, 0, time.UTC), IncidentID: "PINC", ServiceID: "PSVC",
		Raw: fmt.Appendf(nil, rest, kind),
	}
}

// TestEveryTypeHasItsEvents: the types of PagerDuty's description, those that
// it gives without describing them, and what V2 and V3 call them. Empty: it
// has no event there.
func TestEveryTypeHasItsEvents(t *testing.T) {
	described := map[string]bool{}
	f := func(kind, v2, v3 string) {
		t.Helper()
		kind += suffix
		described[kind] = true
		for format, want := range map[string]string{V2: v2, V3: v3} {
			p, err := Destination{Name: "d", Format: format}.Compose(entryOf(kind))
			var skipped *Skipped
			switch {
			case want == "" && (!errors.As(err, &skipped) || skipped.Reason != NoEvent || skipped.Unexpected() || skipped.Type != kind):
				t.Errorf("%s in %s: %v, want that it has no event", kind, format, err)
			case want != "" && (err != nil || p.Type != want):
				t.Errorf("%s in %s: %q, %v, want %q", kind, format, p.Type, err, want)
			case want != "":
				checkPayload(t, format, p)
			}
		}
	}
	f("trigger", "incident.trigger", "incident.triggered")
	f("acknowledge", "incident.acknowledge", "incident.acknowledged")
	f("acknowledgement", "incident.acknowledge", "incident.acknowledged")
	f("unacknowledge", "incident.unacknowledge", "incident.unacknowledged")
	f("resolve", "incident.resolve", "incident.resolved")
	f("assign", "incident.assign", "incident.reassigned")
	f("escalate", "incident.escalate", "incident.escalated")
	f("delegate", "incident.delegate", "incident.delegated")
	f("annotate", "incident.annotate", "incident.annotated")
	f("notify", "incident.notify", "")
	f("snooze", "incident.snooze", "")
	f("exhaust_escalation_path", "incident.exhaust", "")
	f("repeat_escalation_path", "incident.repeat", "")
	f("reach_ack_limit", "incident.reach", "")
	f("reach_trigger_limit", "incident.reach", "")
	f("urgency_change", "incident.urgency", "")
	f("field_value_change", "incident.field", "")
	f("custom_field_value_change", "incident.custom", "")
	f("reopen", "incident.reopen", "incident.reopened")
	f("priority_change", "incident.priority", "incident.priority_updated")
	f("responder_request", "incident.responder", "incident.responder.added")
	f("responder_accept", "incident.responder", "incident.responder.replied")
	f("responder_decline", "incident.responder", "incident.responder.replied")
	f("status_update", "incident.status", "incident.status_update_published")
	f("not_invented_yet", "incident.not", "")

	for _, kind := range typesDescribed(t) {
		if !described[kind] {
			t.Errorf("PagerDuty describes %s, and the table has it not", kind)
		}
	}
}

// typesDescribed returns the types of PagerDuty's description, where it is here.
func typesDescribed(t *testing.T) (types []string) {
	t.Helper()
	text, err := os.ReadFile("../../../shared/pagerduty/log-entries.openapi.json")
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(text)) {
		if word := strings.Trim(strings.TrimSpace(line), `",`); strings.HasSuffix(word, suffix) && !strings.ContainsAny(word, `": `) {
			types = append(types, word)
		}
	}
	if len(types) < 17 {
		t.Errorf("found %d types in PagerDuty's description", len(types))
	}
	return types
}

// checkPayload holds the members that receivers rely on, and their types.
func checkPayload(t *testing.T, format string, p Payload) {
	t.Helper()
	var body map[string]any
	if err := json.Unmarshal(p.Body, &body); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"messages.0.event": "string", "messages.0.id": "string", "messages.0.created_on": "string", "messages.0.webhook.config": "object",
		"messages.0.log_entries.0.id": "string", "messages.0.log_entries.0.incident.id": "string", "messages.0.log_entries.0.service.type": "string",
		"messages.0.incident.id": "string", "messages.0.incident.incident_number": "number", "messages.0.incident.service.name": "string",
	}
	if format == V3 {
		want = map[string]string{
			"event.id": "string", "event.event_type": "string", "event.resource_type": "string", "event.occurred_at": "string",
			"event.agent.id": "string", "event.client.name": "string", "event.data.type": "string",
		}
		switch p.Type {
		case "incident.annotated", "incident.status_update_published":
			want["event.data.incident.id"] = "string"
		case "incident.responder.added", "incident.responder.replied":
			want["event.data.incident.id"], want["event.data.user.id"], want["event.data.state"] = "string", "string", "string"
		default:
			for _, member := range []string{"id", "title", "status", "service.id", "assignees.0.id", "escalation_policy.id", "teams.0.id", "priority.id", "urgency"} {
				want["event.data."+member] = "string"
			}
			want["event.data.number"] = "number"
		}
	}
	for path, kind := range want {
		if got := kindAt(body, path); got != kind {
			t.Errorf("%s: %s is %s, want a %s\n%s", p.Type, path, got, kind, p.Body)
		}
	}
}

func kindAt(v any, path string) string {
	for _, step := range strings.Split(path, ".") {
		switch in := v.(type) {
		case map[string]any:
			v = in[step]
		case []any:
			if step != "0" || len(in) == 0 {
				return "missing"
			}
			v = in[0]
		default:
			return "missing"
		}
	}
	switch v.(type) {
	case string:
		return "string"
	case float64:
		return "number"
	case map[string]any:
		return "object"
	}
	return fmt.Sprintf("%T", v)
}

// TestAV2PayloadIsAsPDaltagentSendsIt, in full.
func TestAV2PayloadIsAsPDaltagentSendsIt(t *testing.T) {
	d := Destination{Name: "d", Config: map[string]any{"team": "noc", "n": 1}}
	p, err := d.Compose(entryOf("trigger_log_entry"))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"messages":[{"event":"incident.trigger","log_entries":[{"agent":{"id":"PUSR","type":"user_reference","summary":"A","self":null,"html_url":null},` +
		`"channel":{"type":"api","client":"check-ups"},"contexts":[],"created_at":"2026-03-01T12:00:01Z","html_url":null,"id":"R1",` +
		`"incident":{"html_url":"ih","id":"PINC","self":"i","summary":"[#7] fire","type":"incident_reference"},"note":"looking",` +
		`"self":"https://api.pagerduty.com/log_entries/R1","service":{"html_url":"h","id":"PSVC","self":"s","summary":"S","type":"service_reference"},` +
		`"summary":"Done by A <a&b>","teams":[{"html_url":"th","id":"PTEAM","self":"t","summary":"T","type":"team_reference"}],"type":"trigger_log_entry","unknown":1.10,` +
		`"user":{"id":"PUSR2","type":"user_reference","summary":"B"}}],"webhook":{"config":{"n":1,"team":"noc"}},` +
		`"incident":{"assignments":[{"at":"2026-03-01T12:00:00Z","assignee":{"id":"PUSR","type":"user_reference","summary":"A"}}],"created_at":"2026-03-01T12:00:00Z",` +
		`"escalation_policy":{"id":"PEP","type":"escalation_policy_reference","summary":"Default"},"html_url":"ih","id":"PINC","incident_key":"k","incident_number":7,` +
		`"priority":{"id":"PPRI","type":"priority","summary":"P1","color":"red"},"self":"i",` +
		`"service":{"html_url":"h","id":"PSVC","name":"Shop","self":"s","summary":"S","teams":[],"type":"service"},"status":"triggered","summary":"[#7] fire",` +
		`"teams":[{"id":"PTEAM","type":"team_reference","summary":"T"}],"title":"fire","type":"incident","urgency":"high"},` +
		`"id":"` + p.ID.String() + `","created_on":"2026-03-01T12:00:01Z"}]}`
	if diff := cmp.Diff(want, string(p.Body)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	w, err := p.Webhook()
	if err != nil || w.Type != "incident.trigger" || w.Body.(map[string]any)["messages"] == nil {
		t.Errorf("rules see %+v, %v", w, err)
	}
}

// TestAV3PayloadIsPagerDutys, in full.
func TestAV3PayloadIsPagerDutys(t *testing.T) {
	d := Destination{Name: "d", Format: V3}
	p, err := d.Compose(entryOf("resolve_log_entry"))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"event":{"id":"` + p.ID.String() + `","event_type":"incident.resolved","resource_type":"incident","occurred_at":"2026-03-01T12:00:01.000Z",` +
		`"agent":{"html_url":null,"id":"PUSR","self":null,"summary":"A","type":"user_reference"},"client":{"name":"check-ups"},` +
		`"data":{"assignees":[{"html_url":null,"id":"PUSR","self":null,"summary":"A","type":"user_reference"}],"conference_bridge":null,"created_at":"2026-03-01T12:00:00Z",` +
		`"escalation_policy":{"html_url":null,"id":"PEP","self":null,"summary":"Default","type":"escalation_policy_reference"},"html_url":"ih","id":"PINC","incident_key":"k","number":7,` +
		`"priority":{"html_url":null,"id":"PPRI","self":null,"summary":"P1","type":"priority_reference"},"resolve_reason":null,"self":"i",` +
		`"service":{"html_url":"h","id":"PSVC","self":"s","summary":"S","type":"service_reference"},"status":"triggered",` +
		`"teams":[{"html_url":null,"id":"PTEAM","self":null,"summary":"T","type":"team_reference"}],"title":"fire","type":"incident","urgency":"high"}}}`
	if diff := cmp.Diff(want, string(p.Body)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	text, err := os.ReadFile("../../../shared/pagerduty/webhook-v3.examples.json")
	if err != nil {
		return
	}
	var examples []map[string]map[string]any
	var ours map[string]map[string]any
	if err := errors.Join(json.Unmarshal(text, &examples), json.Unmarshal(p.Body, &ours)); err != nil {
		t.Fatal(err)
	}
	for path, example := range map[string][2]any{"event": {examples[0]["event"], ours["event"]}, "data": {examples[0]["event"]["data"], ours["event"]["data"]}} {
		for name := range example[0].(map[string]any) {
			if _, ok := example[1].(map[string]any)[name]; !ok && name != "reopened_at" {
				t.Errorf("PagerDuty's example has %s.%s, ours has not", path, name)
			}
		}
	}
}

// TestWhatSomeIncidentsHaveIsInV3Too.
func TestWhatSomeIncidentsHaveIsInV3Too(t *testing.T) {
	e := entryOf("reopen_log_entry")
	more := `"reopened_at":"2026-03-01T12:00:01Z","incident_type":{"name":"major"}`
	e.Raw = bytes.Replace(e.Raw, []byte(`"urgency":"high"`), []byte(`"urgency":"high",`+more), 1)
	p, err := Destination{Format: V3}.Compose(e)
	if err != nil || !strings.Contains(string(p.Body), `"reopened_at":"2026-03-01T12:00:01Z"`) || !strings.Contains(string(p.Body), `"incident_type":{"name":"major"}`) {
		t.Errorf("%s, %v", p.Body, err)
	}
}

// TestAnIDIsOfEntryAndDestination, and of nothing else.
func TestAnIDIsOfEntryAndDestination(t *testing.T) {
	d := Destination{Name: "d", URL: "https://a/"}
	moved := Destination{Name: "d", URL: "https://b/", Format: V3}
	other := Destination{Name: "e", URL: "https://a/"}
	if d.ID("R1") != moved.ID("R1") || d.ID("R1") == d.ID("R2") || d.ID("R1") == other.ID("R1") || d.ID("R1").Version() != 5 {
		t.Errorf("ids %s %s %s %s", d.ID("R1"), moved.ID("R1"), d.ID("R2"), other.ID("R1"))
	}
	if got := d.ID("R1").String(); got != goldenID {
		t.Errorf("the id of R1 was %s, and is %s now: receivers would take it for another", goldenID, got)
	}
}

const goldenID = "a797c4ad-712c-5a0a-93be-d061249f9d96"

// TestWhatIsNotSentSaysWhy.
func TestWhatIsNotSentSaysWhy(t *testing.T) {
	f := func(d Destination, e *delivery.LogEntry, want Reason, unexpected bool) {
		t.Helper()
		_, err := d.Compose(e)
		var skipped *Skipped
		if want == "" {
			if err != nil {
				t.Errorf("%+v: %v", d, err)
			}
			return
		}
		if !errors.As(err, &skipped) || skipped.Reason != want || skipped.Unexpected() != unexpected || skipped.Entry != "R1" || !strings.Contains(err.Error(), "R1") {
			t.Errorf("%+v: %v, want %s", d, err, want)
		}
	}
	trigger := entryOf("trigger_log_entry")
	f(Destination{}, trigger, "", false)
	f(Destination{Services: []string{"POTHER", "PSVC"}}, trigger, "", false)
	f(Destination{Services: []string{"POTHER"}}, trigger, OtherService, false)
	for _, name := range []string{"trigger", "trigger_log_entry", "incident.trigger", "incident.triggered"} {
		f(Destination{Types: []string{"resolve", name}}, trigger, "", false)
	}
	f(Destination{Types: []string{"resolve"}}, trigger, OtherType, false)
	f(Destination{Format: V3}, entryOf("notify_log_entry"), NoEvent, false)
	f(Destination{}, entryOf("something"), UnknownType, true)
	f(Destination{}, entryOf("_log_entry"), UnknownType, true)
	alone := entryOf("trigger_log_entry")
	alone.IncidentID, alone.Raw = "", []byte(`{"id":"R1","incident":null}`)
	f(Destination{}, alone, NoIncident, true)
	broken := entryOf("trigger_log_entry")
	broken.Raw = []byte(`[]`)
	f(Destination{}, broken, NoObject, true)
}

// TestAnEntryOfReferencesOnlyIsSentAsItIs: PagerDuty may not show a token the
// rest.
func TestAnEntryOfReferencesOnlyIsSentAsItIs(t *testing.T) {
	e := entryOf("trigger_log_entry")
	e.Raw = []byte(`{"id":"R1","type":"trigger_log_entry","incident":{"id":"PINC","type":"incident_reference"},"teams":null,"agent":null}`)
	for _, format := range []string{V2, V3} {
		p, err := Destination{Format: format}.Compose(e)
		if err != nil || !json.Valid(p.Body) || !strings.Contains(string(p.Body), `"id":"PINC"`) {
			t.Errorf("%s: %s, %v", format, p.Body, err)
		}
	}
}

// FuzzCompose: whatever an entry holds, each payload is JSON with its id, or
// there is a reason.
func FuzzCompose(f *testing.F) {
	for _, kind := range []string{"trigger", "annotate", "responder_accept", "status_update", "notify", ""} {
		f.Add(kind+suffix, fmt.Appendf(nil, rest, kind+suffix))
	}
	f.Add("trigger_log_entry", []byte(`{"incident":{"assignments":[null,1,{"assignee":[]}],"teams":{}},"teams":[{}],"service":[]}`))
	f.Fuzz(func(t *testing.T, kind string, raw []byte) {
		for _, format := range []string{V2, V3} {
			e := entryOf(kind)
			e.Raw = slices.Clone(raw)
			p, err := Destination{Name: "d", Format: format}.Compose(e)
			var skipped *Skipped
			if err != nil {
				if !errors.As(err, &skipped) || skipped.Reason == "" {
					t.Fatalf("%q: %v", raw, err)
				}
				continue
			}
			if !json.Valid(p.Body) || !strings.Contains(string(p.Body), p.ID.String()) {
				t.Fatalf("%q became %q", raw, p.Body)
			}
		}
	})
}
