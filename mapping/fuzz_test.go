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

	"github.com/pdaltagent/pdaltagent/ingest"
	"github.com/pdaltagent/pdaltagent/mapping"
	"github.com/pdaltagent/pdaltagent/mapping/rulefile"
)

// ruleSets returns the rules of the archives, and those of this file.
func ruleSets(tb testing.TB) (sets []*mapping.Rules) {
	tb.Helper()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		tb.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		rules, err := rulefile.Parse(file, []byte(parseArchive(string(data)).files["rules.yaml"]), newSMI())
		if err == nil {
			sets = append(sets, rules)
		}
	}
	return append(sets, load(tb, everything), load(tb, mixedRules))
}

// FuzzApply: no message makes rules panic, or make an event that Postgres or
// PagerDuty refuse.
func FuzzApply(f *testing.F) {
	sets := ruleSets(f)
	f.Add(byte(0), "1.3.6.1.6.3.1.1.5.3", "1.3.6.1.2.1.2.2.1.7.1", []byte("Eth1"), int64(2))
	f.Add(byte(1), "%LINK-3-UPDOWN", "Interface Gi0/1, changed state to down", []byte("<187>x\x00\xff"), int64(3))
	f.Add(byte(2), "/hooks/alertmanager", "host", []byte(`{"alerts":[{"status":"firing"}]}`), int64(0))
	f.Add(byte(3), "/v2/enqueue", "v2", []byte(`{"payload":{"summary":"\u0000\ud800"},"event_action":"resolve"}`), int64(0))
	f.Add(byte(4), "/nagios/2010-04-15/create_event", "nagios", []byte(`service_key=1&HOSTNAME=h`), int64(0))
	f.Fuzz(func(t *testing.T, kind byte, a, b string, raw []byte, n int64) {
		m := fuzzed(kind, a, b, raw, n)
		for _, rules := range sets {
			var r mapping.Result
			rules.Apply(&m, &r)
			r.Events = append(r.Events, rules.Sample(&m, mapping.Unmatched))
			for i := range r.Events {
				check(t, &r.Events[i])
			}
		}
	})
}

func fuzzed(kind byte, a, b string, raw []byte, n int64) ingest.Message {
	m := ingest.Message{ID: anID(), ReceivedAt: received(), Protocol: ingest.Syslog, Source: netip.MustParseAddr("2001:db8::1"), Host: b}
	switch kind % 5 {
	case 0:
		m.Trap = &ingest.Trap{OID: a, Enterprise: b, Varbinds: []ingest.Varbind{
			{OID: b, Type: ingest.OctetString, Value: raw},
			{OID: b, Type: ingest.Integer, Value: n},
			{OID: a, Type: ingest.Counter64, Value: uint64(n)},
			{OID: a + ".1", Type: ingest.ObjectIdentifier, Value: b},
			{OID: "1.3.6.1.2.1.2.2.1.2.1", Value: raw},
			{OID: a, Type: ingest.Null},
			{OID: a, Type: ingest.Opaque, Value: float64(n) / 3},
			{OID: b, Type: ingest.IPAddress, Value: netip.Addr{}},
		}}
	case 1:
		m.Line = &ingest.Line{
			Facility: int(n % 100), Severity: int(n % 11), AppName: a, Mnemonic: a, Hostname: b, Text: b, Raw: raw,
			StructuredData: map[string]map[string]string{a: {b: string(raw)}},
		}
	case 2, 3:
		m.Request = &ingest.Request{Path: a, Raw: raw, Headers: map[string]string{a: b, "x": string(raw)}, ContentType: b}
		if kind%5 == 3 {
			m.Request.API = ingest.API(b)
		}
		if json.Unmarshal(raw, &m.Request.Body) != nil {
			m.Request.Body = string(raw)
		}
	case 4:
		m.Request = &ingest.Request{Path: a, API: ingest.Nagios, Raw: raw, Body: map[string]any{a: b, "HOSTNAME": string(raw), "n": n}}
	}
	return m
}

func check(t *testing.T, e *mapping.Event) {
	t.Helper()
	for _, b := range [][]byte{e.Payload, e.Message} {
		var v any
		if b == nil {
			continue
		}
		if err := json.Unmarshal(b, &v); err != nil || !utf8.Valid(b) || bytes.IndexByte(b, 0) >= 0 {
			t.Errorf("not JSON for Postgres (%v): %q", err, b)
		}
		if hasNUL(v) {
			t.Errorf("has \\u0000: %q", b)
		}
	}
	sent := e.Decision == mapping.Queued || e.Decision == mapping.Suppressed
	if sent && e.DedupKey == "" && e.Action != mapping.ChangeEvent {
		t.Errorf("no dedup_key: %+v", e)
	}
	if sent && !e.Posted && utf8.RuneCountInString(e.DedupKey) > 255 {
		t.Errorf("a dedup_key of %d characters", utf8.RuneCountInString(e.DedupKey))
	}
	for _, s := range []string{e.Host, e.Route, e.DedupKey, e.Summary, string(e.Severity), e.Rule} {
		if !utf8.ValidString(s) || strings.IndexByte(s, 0) >= 0 {
			t.Errorf("%q is not for Postgres", s)
		}
	}
	if sent && (e.Payload == nil || e.Severity == "" || e.Action == "") {
		t.Errorf("incomplete: %+v", e)
	}
}

func hasNUL(v any) bool {
	switch v := v.(type) {
	case string:
		return strings.IndexByte(v, 0) >= 0
	case map[string]any:
		for k := range v {
			if strings.IndexByte(k, 0) >= 0 || hasNUL(v[k]) {
				return true
			}
		}
	case []any:
		for i := range v {
			if hasNUL(v[i]) {
				return true
			}
		}
	}
	return false
}
