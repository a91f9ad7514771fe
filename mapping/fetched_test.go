package mapping_test

import (
	"testing"
	"time"

	"github.com/pdaltagent/pdaltagent/ingest"
	"github.com/pdaltagent/pdaltagent/mapping"
)

const fetchRules = `
rules:
  - id: ups-json
    match: { http: /fetch/ups, from: ups, when: body.volts < 200 }
    event: { summary: '${source} gets ${body.volts} V', severity: error }
  - id: ups-text
    match: { syslog: ups }
    event: { summary: 'it says ${message}' }
`

func fetched(raw string, body map[string]any, api ingest.API) ingest.Message {
	at := time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC)
	return ingest.Message{
		ID: ingest.NewID(at), ReceivedAt: at, Protocol: ingest.Fetch, Host: "ups",
		Request: &ingest.Request{Path: "/fetch/ups", API: api, ContentType: "application/json", Body: body, Raw: []byte(raw)},
	}
}

// TestFetchedMessagesMeetTheirRules: by path or app name, without an address.
func TestFetchedMessagesMeetTheirRules(t *testing.T) {
	rules := load(t, fetchRules)
	f := func(m ingest.Message, wantRule, wantSummary, wantKey string) {
		t.Helper()
		var r mapping.Result
		rules.Apply(&m, &r)
		if len(r.Events) != 1 || len(r.Errors) > 0 {
			t.Fatalf("events %+v, errors %v", r.Events, r.Errors)
		}
		e := r.Events[0]
		if e.Rule != wantRule || e.Summary != wantSummary || e.DedupKey != wantKey || e.Protocol != ingest.Fetch || e.Host != "ups" || e.Source.IsValid() {
			t.Errorf("%+v", e)
		}
	}
	f(fetched(`{"volts":190}`, map[string]any{"volts": 190}, ""), "ups-json", "ups gets 190 V", "ups-json/ups")
	line := fetched("", nil, "")
	line.Request, line.Line = nil, &ingest.Line{Facility: -1, Severity: -1, AppName: "ups", Text: "on battery", Raw: []byte("on battery")}
	f(line, "ups-text", "it says on battery", "ups-text/ups")
}

// TestAFetchedEventMayNameItsRoute: PagerDuty never sees the name. A sender's
// route is a field like any other.
func TestAFetchedEventMayNameItsRoute(t *testing.T) {
	rules := load(t, fetchRules)
	raw := `{"event_action":"resolve","dedup_key":"a","route":"storage"}`
	body := map[string]any{"event_action": "resolve", "dedup_key": "a", "route": "storage"}
	m := fetched(raw, body, ingest.EventsV2)
	var r mapping.Result
	rules.Apply(&m, &r)
	if e := r.Events[0]; e.Route != "storage" || !e.Posted || e.Action != mapping.Resolve || string(e.Payload) != `{"event_action":"resolve","dedup_key":"a"}` {
		t.Errorf("%+v %s", e, e.Payload)
	}
	m.Protocol, m.Request.Path = ingest.HTTP, "/v2/enqueue"
	rules.Apply(&m, &r)
	if e := r.Events[1]; e.Route != "" || string(e.Payload) != raw {
		t.Errorf("%+v %s", e, e.Payload)
	}
}
