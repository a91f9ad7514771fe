package webhook

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pdaltagent/pdaltagent/delivery"
)

// pagerDutys reads one of PagerDuty's own files; the test skips without it.
func pagerDutys(t *testing.T, name string, into any) {
	t.Helper()
	text, err := os.ReadFile("../../../shared/pagerduty/" + name)
	if err != nil {
		t.Skip("PagerDuty's description is not here")
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatal(err)
	}
}

type members = map[string]any

// description is PagerDuty's OpenAPI description of log entries.
type description struct{ all members }

// at follows a reference such as #/components/schemas/Tag/allOf/0.
func (d description) at(t *testing.T, ref string) members {
	t.Helper()
	var v any = d.all
	for _, step := range strings.Split(strings.TrimPrefix(ref, "#/"), "/") {
		switch in := v.(type) {
		case members:
			v = in[step]
		case []any:
			v = in[int(step[0]-'0')]
		}
	}
	found, ok := v.(members)
	if !ok {
		t.Fatalf("PagerDuty's description has no %s", ref)
	}
	return found
}

// faults returns where v is not what a schema says: types, enums, what is
// required, and times. The forms of a channel have nothing that is required,
// so that oneOf is met where any is.
func (d description) faults(t *testing.T, schema members, v any, path string) (faults []string) {
	t.Helper()
	if ref, ok := schema["$ref"].(string); ok {
		return d.faults(t, d.at(t, ref), v, path)
	}
	if v == nil {
		if schema["nullable"] != true && schema["type"] != nil {
			faults = append(faults, path+" is null")
		}
		return faults
	}
	for _, part := range list(schema["allOf"]) {
		faults = append(faults, d.faults(t, part.(members), v, path)...)
	}
	if forms := list(schema["oneOf"]); len(forms) > 0 && !slices.ContainsFunc(forms, func(form any) bool {
		return len(d.faults(t, form.(members), v, path)) == 0
	}) {
		faults = append(faults, path+" has none of its forms")
	}
	if want, ok := schema["type"].(string); ok && !strings.HasPrefix(kindOf(v), strings.TrimSuffix(want, "eger")) {
		return append(faults, fmt.Sprintf("%s is a %s, not a %s", path, kindOf(v), want))
	}
	if allowed := list(schema["enum"]); len(allowed) > 0 && !slices.Contains(allowed, v) {
		faults = append(faults, fmt.Sprintf("%s is %v, not one of %v", path, v, allowed))
	}
	if _, err := time.Parse(time.RFC3339, fmt.Sprint(v)); schema["format"] == "date-time" && err != nil {
		faults = append(faults, fmt.Sprintf("%s is %v, which is no time", path, v))
	}
	return append(faults, d.within(t, schema, v, path)...)
}

// within looks into objects and lists.
func (d description) within(t *testing.T, schema members, v any, path string) (faults []string) {
	t.Helper()
	if in, ok := v.(members); ok {
		for _, name := range list(schema["required"]) {
			if in[name.(string)] == nil {
				faults = append(faults, fmt.Sprintf("%s has no %s", path, name))
			}
		}
		properties, _ := schema["properties"].(members)
		for name, property := range properties {
			if member, ok := in[name]; ok {
				faults = append(faults, d.faults(t, property.(members), member, path+"."+name)...)
			}
		}
	}
	if items, ok := schema["items"].(members); ok {
		for i, element := range list(v) {
			faults = append(faults, d.faults(t, items, element, fmt.Sprintf("%s[%d]", path, i))...)
		}
	}
	return faults
}

// entryFaults holds an entry against what is said of its type, and of all. The
// type of acknowledgements has one name in the one and another in the other.
func (d description) entryFaults(t *testing.T, entry any) (faults []string) {
	t.Helper()
	kind := entry.(members)["type"]
	own := slices.Collect(maps.Values(d.at(t, "#/components/schemas")))
	own = slices.DeleteFunc(own, func(schema any) bool {
		parts := list(schema.(members)["allOf"])
		if len(parts) < 2 {
			return true
		}
		properties, _ := parts[1].(members)["properties"].(members)
		typed, _ := properties["type"].(members)
		return !slices.Contains(list(typed["enum"]), kind)
	})
	if len(own) == 0 {
		return []string{fmt.Sprintf("%v is described nowhere", kind)}
	}
	for _, schema := range own {
		faults = append(faults, d.faults(t, list(schema.(members)["allOf"])[1].(members), entry, "entry")...)
	}
	return append(faults, d.faults(t, d.at(t, "#/components/schemas/Tag/allOf/0"), entry, "entry")...)
}

func list(v any) []any {
	l, _ := v.([]any)
	return l
}

func kindOf(v any) string {
	switch v := v.(type) {
	case string:
		return "string"
	case bool:
		return "boolean"
	case float64:
		if v == float64(int64(v)) {
			return "integer number"
		}
		return "number"
	case members:
		return "object"
	case []any:
		return "array"
	}
	return "null"
}

// shapeFaults returns the members of an example that v lacks, and those that
// are of another kind.
func shapeFaults(example, v any, path string) (faults []string) {
	switch {
	case example == nil || v == nil:
		return nil // null may take any member's place
	case kindOf(example) != kindOf(v):
		return []string{fmt.Sprintf("%s is a %s, and a %s in the example", path, kindOf(v), kindOf(example))}
	}
	if of, ok := example.(members); ok {
		for name := range of {
			if _, ok := v.(members)[name]; !ok {
				faults = append(faults, fmt.Sprintf("%s has no %s", path, name))
				continue
			}
			faults = append(faults, shapeFaults(of[name], v.(members)[name], path+"."+name)...)
		}
	}
	if of := list(example); len(of) > 0 {
		for i, element := range list(v) {
			faults = append(faults, shapeFaults(of[0], element, fmt.Sprintf("%s[%d]", path, i))...)
		}
	}
	return faults
}

type messages struct{ Messages []members }

// listed is an example's entry as GET /log_entries has it with incidents,
// services and teams in full.
func listed(t *testing.T, m members, more members) (*delivery.LogEntry, members) {
	t.Helper()
	bare := maps.Clone(list(m["log_entries"])[0].(members))
	maps.Copy(bare, more)
	full := maps.Clone(bare)
	full["incident"], full["service"] = m["incident"], m["incident"].(members)["service"]
	team := maps.Clone(list(bare["teams"])[0].(members))
	team["type"], team["name"] = "team", "Engineering"
	full["teams"] = []any{team}
	raw, err := json.Marshal(full)
	if err != nil {
		t.Fatal(err)
	}
	at, err := time.Parse(time.RFC3339, bare["created_at"].(string))
	if err != nil {
		t.Fatal(err)
	}
	return &delivery.LogEntry{
		ID: bare["id"].(string), Type: bare["type"].(string), CreatedAt: at.UTC(), Raw: raw,
		IncidentID: m["incident"].(members)["id"].(string), ServiceID: bare["service"].(members)["id"].(string),
	}, bare
}

func composed(t *testing.T, d Destination, e *delivery.LogEntry, into any) Payload {
	t.Helper()
	p, err := d.Compose(e)
	if err != nil {
		t.Fatalf("%s in %s: %v", e.Type, d.Format, err)
	}
	if err := json.Unmarshal(p.Body, into); err != nil {
		t.Fatal(err)
	}
	return p
}

// TestPagerDutysV2ExamplesComeBack: from the entry that lies behind a message of
// PagerDuty's the same message is made, but for who sent it.
func TestPagerDutysV2ExamplesComeBack(t *testing.T) {
	var examples []messages
	pagerDutys(t, "webhook-v2.examples.json", &examples)
	for _, example := range examples {
		want := example.Messages[0]
		e, _ := listed(t, want, nil)
		var got messages
		p := composed(t, Destination{Name: "d", Format: V2}, e, &got)
		want["id"], want["webhook"] = p.ID.String(), members{"config": members{}}
		want["created_on"] = e.CreatedAt.Format(time.RFC3339)
		if diff := cmp.Diff([]members{want}, got.Messages); diff != "" {
			t.Errorf("%s (-want +got):\n%s", e.Type, diff)
		}
	}
}

// TestEveryDescribedTypeIsAsPagerDutyHasIt: for each type of PagerDuty's
// description an entry that meets it becomes a V2 message whose entry meets it
// too and whose incident is that of the examples, and a V3 event that is as the
// example's.
func TestEveryDescribedTypeIsAsPagerDutyHasIt(t *testing.T) {
	var d description
	var examples []messages
	var v3 []struct{ Event members }
	pagerDutys(t, "log-entries.openapi.json", &d.all)
	pagerDutys(t, "webhook-v2.examples.json", &examples)
	pagerDutys(t, "webhook-v3.examples.json", &v3)
	user := members{"id": "PUSER", "type": "user_reference", "summary": "A", "self": "s", "html_url": "h"}
	own := map[string]members{
		"acknowledge":               {"acknowledgement_timeout": 1800.0},
		"acknowledgement":           {"acknowledgement_timeout": 1800.0},
		"annotate":                  {"note": "it is the fan", "channel": members{"type": "note", "summary": "it is the fan"}},
		"assign":                    {"assignees": []any{user}},
		"delegate":                  {"assignees": []any{user}},
		"escalate":                  {"assignees": []any{user}},
		"notify":                    {"user": user, "channel": members{"type": "auto", "notification": members{"type": "sms_notification", "status": "success", "address": "+1", "user": user}}},
		"snooze":                    {"changed_actions": []any{members{"type": "unacknowledge", "at": "2026-03-01T13:00:00Z"}}, "channel": members{"type": "website", "duration": 3600.0}},
		"urgency_change":            {"channel": members{"type": "auto"}},
		"field_value_change":        {"changeset": []any{"Updated room to 1"}, "channel": members{"type": "api", "changeset": members{"application_fields": []any{members{"id": "F", "name": "room", "value": "1", "old_value": nil}}}}},
		"custom_field_value_change": {"changeset": []any{"Updated rack to 1"}},
	}
	types := typesDescribed(t)
	if len(types) < 17 {
		t.Fatalf("%d types", len(types))
	}
	for _, kind := range types {
		more := members{"type": kind}
		maps.Copy(more, own[strings.TrimSuffix(kind, suffix)])
		e, bare := listed(t, examples[0].Messages[0], more)
		if faults := d.entryFaults(t, bare); len(faults) > 0 {
			t.Errorf("the entry of the test is none: %s: %q", kind, faults)
		}
		var got messages
		composed(t, Destination{Format: V2}, e, &got)
		sent := got.Messages[0]
		if faults := d.entryFaults(t, list(sent["log_entries"])[0]); len(faults) > 0 {
			t.Errorf("%s: its entry in V2: %q", kind, faults)
		}
		if diff := cmp.Diff(bare, list(sent["log_entries"])[0].(members)); diff != "" {
			t.Errorf("%s: its entry in V2 (-want +got):\n%s", kind, diff)
		}
		want := maps.Clone(examples[0].Messages[0])
		delete(want, "webhook")
		want["log_entries"] = sent["log_entries"]
		if faults := shapeFaults(want, sent, "message"); len(faults) > 0 {
			t.Errorf("%s in V2: %q", kind, faults)
		}
		checkV3(t, v3[0].Event, e)
	}
}

// checkV3 holds the V3 event of an entry against PagerDuty's example, whose data
// is an incident.
func checkV3(t *testing.T, example members, e *delivery.LogEntry) {
	t.Helper()
	if _, ok := eventV3(e.Type); !ok {
		return // TestEveryTypeHasItsEvents says for which
	}
	var got struct{ Event members }
	p := composed(t, Destination{Format: V3}, e, &got)
	example = maps.Clone(example)
	data := maps.Clone(example["data"].(members))
	delete(data, "reopened_at") // of those that were reopened
	reference := example["agent"]
	if p.Type == "incident.annotated" {
		data = members{"type": "", "id": "", "incident": reference, "content": "", "trimmed": false}
	}
	example["data"] = data
	if faults := shapeFaults(example, got.Event, "event"); len(faults) > 0 {
		t.Errorf("%s in V3: %q\n%s", e.Type, faults, p.Body)
	}
	for name := range got.Event["data"].(members) {
		if _, ok := data[name]; !ok {
			t.Errorf("%s in V3: PagerDuty has no data.%s", e.Type, name)
		}
	}
	if !strings.HasPrefix(got.Event["event_type"].(string), "incident.") || got.Event["resource_type"] != "incident" {
		t.Errorf("%s in V3: %v", e.Type, got.Event)
	}
}

// TestWhatIsNoIncidentHasAFormOfItsOwnInV3: notes, status updates and
// responders, as PagerDuty's documents have them, member for member.
func TestWhatIsNoIncidentHasAFormOfItsOwnInV3(t *testing.T) {
	f := func(kind, more, want string) {
		t.Helper()
		raw := strings.Replace(fmt.Sprintf(rest, kind+suffix), `"contexts":[]`, `"contexts":[]`+more, 1)
		e := entryOf(kind + suffix)
		e.Raw = []byte(raw)
		var got struct {
			Event struct{ Data json.RawMessage }
		}
		composed(t, Destination{Format: V3}, e, &got)
		var compact bytes.Buffer
		if err := json.Compact(&compact, []byte(strings.ReplaceAll(want, "INCIDENT",
			`{"html_url":"ih","id":"PINC","self":"i","summary":"[#7] fire","type":"incident_reference"}`))); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(compact.String(), string(got.Event.Data)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", kind, diff)
		}
	}
	const b = `{"html_url":null,"id":"PUSR2","self":null,"summary":"B","type":"user_reference"}`
	const policy = `,"escalation_policy":{"id":"PEP","type":"escalation_policy","summary":"Default"}`
	const reference = `{"html_url":null,"id":"PEP","self":null,"summary":"Default","type":"escalation_policy_reference"}`
	f("annotate", "", `{"content":"looking","id":"R1","incident":INCIDENT,"trimmed":false,"type":"incident_note"}`)
	f("status_update", "", `{"id":"R1","incident":INCIDENT,"message":"looking","trimmed":false,"type":"incident_status_update"}`)
	f("responder_request", policy, `{"escalation_policy":`+reference+`,"incident":INCIDENT,"message":"looking","state":"pending","type":"incident_responder","user":`+b+`}`)
	f("responder_accept", policy, `{"escalation_policy":`+reference+`,"incident":INCIDENT,"message":"looking","state":"accepted","type":"incident_responder","user":`+b+`}`)
	f("responder_decline", "", `{"escalation_policy":null,"incident":INCIDENT,"message":"looking","state":"declined","type":"incident_responder","user":`+b+`}`)
}
