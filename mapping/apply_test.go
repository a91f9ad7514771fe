package mapping_test

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"github.com/pdaltagent/pdaltagent/ingest"
	"github.com/pdaltagent/pdaltagent/mapping"
)

// everything puts all that a message says into an event.
const everything = `
enrich: [ { set: { where: source } } ]
defaults: { event: { client: '${where}', client_url: '${path}', route: '${where}' } }
rules:
  - id: all
    match: { trap: '*' }
    set: { copy: vb.ifDescr }
    event:
      summary: ${trap.name ?? trap.oid}
      source: ${source}
      component: ${copy}
      group: ${trap.enterprise}
      class: ${trap.oid}
      dedup_key: ${vb.ifDescr}
      custom_details: { vb: '${vb}', raw: '${vb_raw}', trap: '${trap}' }
      links: [ { href: '${vb.ifDescr}' } ]
  - id: line
    match: { syslog: '*' }
    extract: '%{NOTSPACE:first} %{GREEDYDATA:rest}'
    event: { summary: '${first}', component: '${rest}', group: '${syslog.app_name}', class: '${syslog.hostname}', dedup_key: '${first}', custom_details: '${syslog}' }
  - id: request
    match: { http: /hooks/* }
    event: { summary: '${body.a}', dedup_key: '${body.a}', component: '${path}', group: '${headers.h}', custom_details: '${body}' }
  - id: posted
    match: { http: /v2/enqueue }
    event: { route: '${body.dedup_key}', client: '${body.dedup_key}' }
`

// buffer is a receiver's: its strings alias it.
type buffer struct{ b []byte }

func (b *buffer) bytes(s string) []byte {
	from := len(b.b)
	b.b = append(b.b, s...)
	return b.b[from:len(b.b):len(b.b)]
}

func (b *buffer) string(s string) string {
	c := b.bytes(s)
	return unsafe.String(unsafe.SliceData(c), len(c))
}

// aliased returns messages whose every string and byte is in b.
func aliased(b *buffer) []ingest.Message {
	trap, syslog, hook, posted := linkDown(), line(), event(), event()
	trap.Host = b.string("core-1")
	trap.Trap.OID = b.string("1.3.6.1.4.1.9999.0.7")
	trap.Trap.Enterprise, trap.Trap.Version = b.string("1.3.6.1.4.1.9999"), b.string("v2c")
	trap.Trap.Community = ingest.Secret(b.string("s3cret"))
	trap.Trap.Varbinds = []ingest.Varbind{
		{OID: b.string("1.3.6.1.2.1.2.2.1.2.7"), Type: ingest.OctetString, Value: b.bytes("Eth7")},
		{OID: b.string("1.3.6.1.4.1.9999.1.0"), Type: ingest.ObjectIdentifier, Value: b.string("1.3.6.1.4.1.9999.5")},
	}
	syslog.Host = b.string("core-2")
	*syslog.Line = ingest.Line{
		Facility: 1, Severity: 2, Hostname: b.string("core-2"), AppName: b.string("app"), ProcID: b.string("12"),
		MsgID: b.string("ID7"), Mnemonic: b.string("%A-1-B"), Text: b.string("first and the rest"), Raw: b.bytes("<10>first and the rest"),
		StructuredData: map[string]map[string]string{b.string("id@1"): {b.string("k"): b.string("v")}},
	}
	*hook.Request = ingest.Request{
		Path: b.string("/hooks/x"), ContentType: b.string("application/json"), Raw: b.bytes(`{"a":"text","l":["x"]}`),
		Headers: map[string]string{b.string("h"): b.string("header")},
		Body:    map[string]any{b.string("a"): b.string("text"), "l": []any{b.string("x")}},
	}
	posted.Host = b.string("sender")
	posted.Request.Key = ingest.Secret(b.string("0123456789abcdef0123456789abcdef"))
	posted.Request.Raw = b.bytes(`{"event_action":"trigger","dedup_key":"k","payload":{"summary":"s"}}`)
	posted.Request.Body = map[string]any{
		"event_action": b.string("trigger"), "dedup_key": b.string("k"), "payload": map[string]any{"summary": b.string("s")},
	}
	integration := posted
	r := *posted.Request
	integration.Request = &r
	r.API, r.Path, r.ContentType = ingest.Integration, "/integration/{routing_key}/enqueue", b.string("application/json")
	return []ingest.Message{trap, syslog, hook, posted, integration}
}

// TestEventsOwnTheirMemory: a receiver may scribble over its buffer as soon as
// Apply has returned.
func TestEventsOwnTheirMemory(t *testing.T) {
	rules := load(t, everything)
	apply := func(scribble bool) (events []mapping.Event) {
		b := &buffer{b: make([]byte, 0, 4096)}
		ms := aliased(b)
		var r mapping.Result
		for i := range ms {
			rules.Apply(&ms[i], &r)
			r.Events = append(r.Events, rules.Sample(&ms[i], mapping.Unmatched))
		}
		if scribble {
			for i := range b.b {
				b.b[i] = '#'
			}
		}
		for i := range r.Events {
			r.Events[i].ID = anID()
		}
		for _, e := range r.Errors {
			t.Error(e.Err)
		}
		return r.Events
	}
	want, got := apply(false), apply(true)
	if len(want) != 10 {
		t.Fatalf("%d events", len(want))
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("events changed with the buffer (-before +after):\n%s", diff)
	}
}

// TestTheSameMessageMakesTheSameEvents, ids included, so that a replay inserts
// nothing twice; the ids of one message differ, and are UUIDv7.
func TestTheSameMessageMakesTheSameEvents(t *testing.T) {
	rules := load(t, `
rules:
  - { id: all, match: { http: /hooks/x, each: body.list }, continue: true, event: { dedup_key: '${item}' } }
  - { id: end, match: { http: /hooks/x }, event: {} }
`)
	m := event()
	m.Request = &ingest.Request{Path: "/hooks/x", Body: map[string]any{"list": []any{"a", "b", "c"}}, Raw: []byte(`{}`)}
	var first, second mapping.Result
	rules.Apply(&m, &first)
	rules.Apply(&m, &second)
	if diff := cmp.Diff(first.Events, second.Events, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
	seen := map[string]bool{}
	for i, e := range first.Events {
		seen[e.ID.String()] = true
		if e.ID.Version() != 7 || e.ID.Variant() != m.ID.Variant() || e.ID.String()[:18] != m.ID.String()[:18] {
			t.Errorf("event %d has the id %s, its message %s", i, e.ID, m.ID)
		}
	}
	if len(seen) != 4 || first.Events[0].ID != m.ID {
		t.Errorf("ids %v", seen)
	}
}

// TestErrorsHideTheCommunity: a secret does not get into the log by way of an
// expression that goes wrong.
func TestErrorsHideTheCommunity(t *testing.T) {
	rules := load(t, `
rules:
  - { id: a, match: { trap: '*', when: int(trap.community) == 1 }, event: {} }
`)
	m := linkDown()
	m.Trap.Community = "s3cret"
	var r mapping.Result
	rules.Apply(&m, &r)
	if len(r.Errors) != 1 || strings.Contains(r.Errors[0].Err.Error(), "s3cret") {
		t.Errorf("got %v", r.Errors)
	}
}

// TestSetIsBounded: a text that set names has at most 64 KiB, so that texts
// made of one another do not grow without end.
func TestSetIsBounded(t *testing.T) {
	rules := load(t, `
rules:
  - id: a
    match: { http: /hooks/x }
    set: { a: message + message, b: a + a, c: b + b, d: len(c) }
    event: { summary: '${d}' }
`)
	m := event()
	m.Request = &ingest.Request{Path: "/hooks/x", Body: strings.Repeat("ä", 200_000)}
	var r mapping.Result
	rules.Apply(&m, &r)
	if r.Events[0].Summary != "32768" || len(r.Errors) != 0 {
		t.Errorf("c has %s characters, errors %v", r.Events[0].Summary, r.Errors)
	}
}

// TestEachIsBounded: one message makes at most a thousand events, and the rule
// has an error where it would make more.
func TestEachIsBounded(t *testing.T) {
	rules := load(t, `
rules:
  - { id: a, match: { http: /hooks/x, each: body }, event: { dedup_key: '${item}' } }
`)
	m := event()
	m.Request = &ingest.Request{Path: "/hooks/x", Body: make([]any, 1500), Raw: []byte("[]")}
	for i := range 1500 {
		m.Request.Body.([]any)[i] = i
	}
	var r mapping.Result
	rules.Apply(&m, &r)
	if len(r.Events) != 1000 || len(r.Errors) != 1 || r.Events[999].DedupKey != "999" {
		t.Errorf("%d events, errors %v", len(r.Events), r.Errors)
	}
}

// TestLongEventsFitPagerDuty: summaries have 1,024 characters, events 512 KiB.
func TestLongEventsFitPagerDuty(t *testing.T) {
	rules := load(t, `
rules:
  - { id: long, match: { http: /hooks/x }, event: { summary: '${body.s}', custom_details: '${body}' } }
`)
	f := func(body any, wantKeys ...string) {
		t.Helper()
		m := event()
		m.Request = &ingest.Request{Path: "/hooks/x", Body: body, Raw: []byte(`{}`)}
		var r mapping.Result
		rules.Apply(&m, &r)
		e := r.Events[0]
		if n := utf8.RuneCountInString(e.Summary); n > 1024 {
			t.Errorf("a summary of %d characters", n)
		}
		if len(e.Payload) > 512<<10-100 || !json.Valid(e.Payload) || !utf8.Valid(e.Payload) {
			t.Errorf("a payload of %d bytes, valid %v", len(e.Payload), json.Valid(e.Payload))
		}
		for _, key := range wantKeys {
			if !strings.Contains(string(e.Payload), key) {
				t.Errorf("%q is not in the payload", key)
			}
		}
	}
	long := strings.Repeat("äöü ", 75_000)
	f(map[string]any{"s": long, "a": "kept", "b": strings.Repeat("x", 600_000)}, `"a":"kept"`, `(600002 bytes)`)
	many := map[string]any{}
	for i := range 45_000 {
		many[strings.Repeat("k", 3)+string(rune('a'+i%26))+strings.Repeat("z", i%7)+string(rune(0x4e00+i%20000))] = i
	}
	f(many, "more left out")
	f([]any{"x", long}, "bytes)")
	f(map[string]any{"s": "fits"}, `"s":"fits"`)
}

// TestPostedEventsPassUnchanged: what real clients send arrives as it was, but
// for the key.
func TestPostedEventsPassUnchanged(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "..", "shared", "corpus", "http_events.jsonl"))
	if err != nil {
		t.Skip("no corpus here")
	}
	rules := load(t, mixedRules)
	apis := map[string]ingest.API{
		"/v2/enqueue": ingest.EventsV2, "/v2/change/enqueue": ingest.Change, "/generic/2010-04-15/create_event.json": ingest.EventsV1,
	}
	seen := 0
	for l := range strings.Lines(string(data)) {
		var c struct {
			Endpoint string
			Body     json.RawMessage
		}
		if err := json.Unmarshal([]byte(l), &c); err != nil {
			t.Fatal(err)
		}
		api := apis[c.Endpoint]
		if api == "" || bytes.Contains(c.Body, []byte(`"error"`)) { // a rule drops those
			continue
		}
		seen++
		m := event()
		m.Request = &ingest.Request{Path: c.Endpoint, API: api, Raw: c.Body, ContentType: "application/json"}
		m.Request.Body = decodeBody(t, m.Request)
		var r mapping.Result
		rules.Apply(&m, &r)
		if len(r.Events) != 1 {
			t.Fatalf("%d events of %s", len(r.Events), c.Body)
		}
		var want, got map[string]any
		if err := json.Unmarshal(c.Body, &want); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(r.Events[0].Payload, &got); err != nil {
			t.Fatal(err)
		}
		delete(want, "routing_key")
		delete(want, "service_key")
		for _, key := range []string{"dedup_key", "incident_key"} {
			if s, _ := want[key].(string); s == "" && got[key] == m.ID.String() {
				delete(got, key)
				delete(want, key)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", c.Body, diff)
		}
	}
	if seen < 30 {
		t.Errorf("saw %d events", seen)
	}
}
