package mapping_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pdaltagent/pdaltagent/ingest"
	"github.com/pdaltagent/pdaltagent/mapping"
)

// TestMasksCoverWebhooks, after their rules, but for keys, times, and the config
// with all that is in it.
func TestMasksCoverWebhooks(t *testing.T) {
	f := func(kind, rules, payload, title, want string) {
		t.Helper()
		got, _ := load(t, rules).ApplyWebhook(mapping.Webhook{Type: kind, At: received(), Payload: fmt.Appendf(nil, payload, title)}, &mapping.Result{})
		if string(got) != want {
			t.Errorf("%s:\n%s, want\n%s", kind, got, want)
		}
	}
	const v2 = `{"messages":[{"id":"5551234567","event":"incident.trigger","created_on":"+1 555 123 4567","webhook":{"config":{"secret":"hunter2","deep":{"to":"a@example.net"}}},` +
		`"incident":{"id":"PT4KHLK","incident_key":"a@example.net/disk","html_url":"https://acme.pagerduty.com/incidents/PT4KHLK?u=192.0.2.7","title":"%s","password":"hunter2"}}]}`
	f("incident.trigger", "mask: [email, phone, ip, token]\nrules:\n  - { id: who, match: { webhook: '*' }, event: { custom_details: { by: 'z@example.net' } } }\n",
		v2, "disk of b@example.net at 192.0.2.8",
		strings.TrimSuffix(strings.Replace(fmt.Sprintf(v2, "disk of [email] at [ip]"), `"password":"hunter2"`, `"password":"[token]"`, 1), "}")+`,"by":"[email]"}`)
	const v3 = `{"event":{"event_type":"incident.triggered","occurred_at":"+1 555 123 4567","data":{"title":"%s","by":"z@example.net"}}}`
	f("incident.triggered", "mask: [email, phone]\nrules: []\n", v3, "b@example.net", strings.Replace(fmt.Sprintf(v3, "[email]"), "z@example.net", "[email]", 1))
}

// TestMasksLookIntoWhatIsNoKey: where a posted event has an object in the place
// of a key, its texts are covered, in what is sent and in what is stored.
func TestMasksLookIntoWhatIsNoKey(t *testing.T) {
	const raw = `{"event_action":"trigger","dedup_key":"a","HOSTNAME":{"owner":"a@example.net"},"payload":{"summary":"s","severity":"info","source":{"owner":"a@example.net"}}}`
	m := ingest.Message{ReceivedAt: received(), Protocol: ingest.HTTP, Request: &ingest.Request{
		Path: "/v2/enqueue", API: ingest.EventsV2, Raw: []byte(raw), Body: map[string]any{
			"event_action": "trigger", "dedup_key": "a", "HOSTNAME": map[string]any{"owner": "a@example.net"},
			"payload": map[string]any{"summary": "s", "severity": "info", "source": map[string]any{"owner": "a@example.net"}},
		},
	}}
	var r mapping.Result
	load(t, "mask: [email]\nrules: []\n").Apply(&m, &r)
	if len(r.Events) != 1 {
		t.Fatalf("%d events", len(r.Events))
	}
	for what, b := range map[string][]byte{"sent": r.Events[0].Payload, "stored": r.Events[0].Message} {
		if strings.Contains(string(b), "a@example.net") || !strings.Contains(string(b), "[email]") {
			t.Errorf("%s: %s", what, b)
		}
	}
}
