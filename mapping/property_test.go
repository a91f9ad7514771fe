package mapping_test

import (
	"encoding/json"
	"maps"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/pdaltagent/pdaltagent/ingest"
	"github.com/pdaltagent/pdaltagent/mapping"
	"github.com/pdaltagent/pdaltagent/mapping/rulefile"
)

// dice makes things up, the same ones in each run.
func dice(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 7)) }

// words joins a few words, of which many are what masks look for.
func words(r *rand.Rand) string {
	all := []string{
		"ops@example.net", "+44 20 7946 0958", "4111 1111 1111 1111", "078-05-1120", "DE89370400440532013000", "192.0.2.1", "2001:db8::1",
		"https://h.example/p?token=abc123", "password=hunter2", "1.3.6.1.4.1.9", "IF-MIB::linkDown", "Gi1/0/1", "ünï", "\"q\"", "\\", "\x00", "\xff", "{}", "[1]", "a", "",
	}
	parts := make([]string, r.IntN(5))
	for i := range parts {
		parts[i] = all[r.IntN(len(all))]
	}
	return strings.Join(parts, []string{" ", "/", ",", ""}[r.IntN(4)])
}

// keyed holds of an event what a mask must not touch.
type keyed struct {
	ID, Key, Route, Source, PayloadKey string
	Severity                           mapping.Severity
	Action                             mapping.Action
	Names                              []string
}

func keys(t *testing.T, e *mapping.Event) keyed {
	t.Helper()
	k := keyed{ID: e.ID.String(), Key: e.DedupKey, Route: e.Route, Severity: e.Severity, Action: e.Action}
	var v any
	if len(e.Payload) > 0 {
		if err := json.Unmarshal(e.Payload, &v); err != nil {
			t.Fatalf("%v: %q", err, e.Payload)
		}
	}
	top, _ := v.(map[string]any)
	k.PayloadKey, _ = top["dedup_key"].(string)
	inner, _ := top["payload"].(map[string]any)
	k.Source, _ = inner["source"].(string)
	k.Names = names(v, nil)
	return k
}

// names returns the names of all members, in a fixed order.
func names(v any, all []string) []string {
	switch v := v.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			all = names(v[k], append(all, k))
		}
	case []any:
		for _, e := range v {
			all = names(e, all)
		}
	}
	return all
}

// TestMaskNeverChangesAKey: with masks and without, the same keys, routes,
// severities, sources and names come out, and nothing that they look for stays
// in a summary.
func TestMaskNeverChangesAKey(t *testing.T) {
	const rules = `
rules:
  - id: line
    match: { syslog: app }
    event:
      summary: '${message}'
      source: '${syslog.msg_id}'
      route: '${syslog.hostname}'
      severity: '${syslog.proc_id}'
      dedup_key: 'k/${message}'
      custom_details: '${syslog.structured_data}'
  - id: default
    match: { syslog: default }
    event: { component: '${message}', group: '${message}' }
`
	plain := load(t, rules)
	masked := load(t, "mask: [email, phone, card_number, ssn, iban, ip, ipv6, url, token]\n"+rules)
	r := dice(1)
	for range 1000 {
		m := line()
		text := words(r)
		m.Line = &ingest.Line{
			Severity: r.IntN(8), AppName: []string{"app", "default"}[r.IntN(2)], Text: text, MsgID: words(r), Hostname: words(r), ProcID: words(r),
			StructuredData: map[string]map[string]string{words(r): {words(r): words(r)}},
		}
		if r.IntN(3) == 0 {
			raw, err := json.Marshal(map[string]any{"dedup_key": words(r), "event_action": "trigger", words(r): words(r), "payload": map[string]any{"summary": text, "source": words(r), "severity": "info"}})
			if err != nil {
				t.Fatal(err)
			}
			var body any
			_ = json.Unmarshal(raw, &body)
			m.Line, m.Request = nil, &ingest.Request{Path: "/v2/enqueue", API: ingest.EventsV2, Body: body, Raw: raw}
		}
		var a, b mapping.Result
		plain.Apply(&m, &a)
		masked.Apply(&m, &b)
		if len(a.Events) != 1 || len(b.Events) != 1 {
			t.Fatalf("%d and %d events", len(a.Events), len(b.Events))
		}
		if diff := cmp.Diff(keys(t, &a.Events[0]), keys(t, &b.Events[0])); diff != "" {
			t.Fatalf("%q: %s", text, diff)
		}
		for _, secret := range []string{"ops@example.net", "hunter2", "DE8937040044"} {
			if strings.Contains(text, " "+secret+" ") && strings.Contains(b.Events[0].Summary, secret) {
				t.Errorf("%q: %q", text, b.Events[0].Summary)
			}
		}
	}
}

// TestMappingTwiceChangesNothing: the same events with the same ids, whatever
// the rules and the message; and long dedup_keys stay short, stable and apart.
func TestMappingTwiceChangesNothing(t *testing.T) {
	sets := append([]*mapping.Rules{load(t, `
rules: [ { id: long, match: { syslog: '*' }, event: { dedup_key: '${message}' } } ]`)}, ruleSets(t)...)
	r := dice(2)
	byKey := map[string]string{} // what was shortened
	for i := range 600 {
		m := fuzzed(byte(i/20), words(r), words(r), []byte(words(r)), r.Int64())
		if i%3 == 0 {
			m = said("app")
			m.Line.Text = strings.Repeat(words(r)+"é", 100) + words(r)
		}
		chosen := sets
		if i%20 != 0 {
			chosen = sets[:1]
		}
		for _, rules := range chosen {
			var a, b mapping.Result
			rules.Apply(&m, &a)
			rules.Apply(&m, &b)
			if !reflect.DeepEqual(a.Events, b.Events) {
				t.Fatal(cmp.Diff(a.Events, b.Events, cmpopts.EquateComparable(netip.Addr{})))
			}
			for _, e := range a.Events {
				if e.Rule != "long" || m.Line == nil {
					continue
				}
				if n := utf8.RuneCountInString(e.DedupKey); n > 255 {
					t.Errorf("a dedup_key of %d characters", n)
				}
				if before, ok := byKey[e.DedupKey]; ok && before != m.Line.Text && strings.Contains(e.DedupKey, "~") {
					t.Errorf("%q and %q have one dedup_key", before, m.Line.Text)
				}
				byKey[e.DedupKey] = m.Line.Text
			}
		}
	}
}

// fragments are parts of rules: of each list one is taken.
func fragments() [][]string {
	return [][]string{
		{"match: { syslog: '*' }", "match: { trap: '*' }", "match: { http: '*' }", "match: { syslog: app, when: message contains \"a\" }", "match: { http: /hooks/*, each: body, when: item.a != nil }", "match: { trap: 1.3.6.*, from: 0.0.0.0/0 }"},
		{"", "resolve: { when: message == \"up\" }", "acknowledge: { from: 10.0.0.0/8 }", "resolve: { trap: linkUp }"},
		{"", "extract: '%{WORD:a} %{GREEDYDATA:b}'", "extract: kv", "extract: json", "extract: { csv: { columns: [x, y] } }", "extract: [ '(?P<a>\\d+)', { json: body.x } ]", "extract: { vb.ifDescr: '%{NUMBER:n:float}' }"},
		{"", "set: { x: 'lookup(\"t\", message).v', y: int(message) }", "set: { x: 'toJSON(body)', y: 'split(message, \" \")[-1]' }", "set: { x: vb, y: 'lookup(\"n\", ip)' }"},
		{"", "hold: 1m", "threshold: { count: 3, within: 1m }", "unless_open: 'p/${message}'", "storm: off", "resolve_after: 1h"},
		{"event: {}", "event: { summary: '${message}', severity: '${message}', timestamp: '${message}', custom_details: '${body}' }", "event: { dedup_key: '${vb.ifDescr}', links: [ { href: '${message}' } ], source: '${body.a}' }", "event: { custom_details: { a: '${trap}', b: [ '${syslog}', '${headers}' ] }, severity: { critical: message == \"x\", info: index > \"3\" } }", "drop: true", "suppress: true", "event: { route: '${path}', component: '${index}' }\n    continue: true"},
	}
}

// FuzzRules: no rules that load make Apply panic, or make an event that
// Postgres or PagerDuty refuse.
func FuzzRules(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5}, byte(1), "app", "Interface Gi1 a=1 {\"x\":2}", []byte(`{"a":["x"]}`), int64(3))
	f.Add([]byte{1, 0, 6, 3, 3, 2}, byte(0), "1.3.6.1.2.1.2.2.1.2.7", "4111111111111111", []byte("a@example.net"), int64(-1))
	f.Add([]byte{4, 0, 3, 2, 1, 1}, byte(2), "/hooks/x", "h", []byte(`[{"a":1},{"a":"b@example.net"}]`), int64(9))
	f.Fuzz(func(t *testing.T, choice []byte, kind byte, a, b string, raw []byte, n int64) {
		rule := "\n  - id: x"
		for i, list := range fragments() {
			if i < len(choice) {
				rule += "\n    " + list[int(choice[i])%len(list)]
			}
		}
		rules, _, err := rulefile.Loader{Namer: newSMI()}.Parse(rulefile.File{Name: "r.yaml", Data: []byte(
			"mask: [email, phone, card_number, ssn, iban, ip, ipv6, url, token]\ntables: { t: { file: t.csv, key: k, match: regex }, n: { file: n.csv, key: k, match: cidr } }\n" +
				"maintenance: [ { name: m, every: '02:00-03:00' } ]\nenrich: [ { set: { e: 'lookup(\"n\", ip).v ?? message' } } ]\ndefaults: { event: { group: '${e}' } }\nrules:" + rule + "\n",
		)}, rulefile.File{Name: "t.csv", Data: []byte("k,v\n^a,1\n")}, rulefile.File{Name: "n.csv", Data: []byte("k,v\n2001:db8::/32,1\n")})
		if err != nil {
			return
		}
		m := fuzzed(kind, a, b, raw, n)
		var r mapping.Result
		rules.Apply(&m, &r)
		r.Events = append(r.Events, rules.Sample(&m, mapping.Unmatched))
		for i := range r.Events {
			check(t, &r.Events[i])
		}
	})
}
