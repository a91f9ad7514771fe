package mapping_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pdaltagent/pdaltagent/ingest"
	"github.com/pdaltagent/pdaltagent/mapping"
	"github.com/pdaltagent/pdaltagent/mapping/rulefile"
)

// manyRules returns n rules, a third each for traps, syslog and HTTP, with
// names, globs and expressions of their own, and the link rule.
func manyRules(n int) string {
	var b strings.Builder
	b.WriteString(linkRules)
	for i := range n - 1 {
		switch i % 3 {
		case 0:
			fmt.Fprintf(&b, `
  - id: trap-%d
    match: { trap: 1.3.6.1.4.1.%d.0.1, when: vb.ifAdminStatus == "up" and source != "host-%[1]d" }
    resolve: { trap: 1.3.6.1.4.1.%[2]d.0.2 }
    event: { summary: '${source} trap %[1]d of ${vb.ifName ?? index}', severity: error, component: '${vb.ifName}' }`, i, i+10000)
		case 1:
			selector := fmt.Sprintf("'%%FAC%d-3-NAME'", i)
			if i%30 == 1 {
				selector = fmt.Sprintf("'%%FAC-*-%d'", i+100000)
			}
			fmt.Fprintf(&b, `
  - id: syslog-%d
    match: { syslog: %s }
    extract: 'Interface %%{NOTSPACE:ifname}, changed state to (?P<state>up|down|%[1]d)'
    event: { summary: '${source} %[1]d ${ifname} is ${state}', component: '${ifname}' }`, i, selector)
		default:
			fmt.Fprintf(&b, `
  - id: http-%d
    match: { http: /hooks/h%[1]d, when: body.status == "firing %[1]d" }
    event: { summary: '${body.summary ?? "%[1]d"}', dedup_key: '${body.id}' }`, i)
		}
	}
	return b.String()
}

const linkDefaults = `
defaults:
  event: { severity: warning, group: '${source}', custom_details: { owner: noc } }
`

const linkRules = linkDefaults + `rules:
  - id: link-down
    match:   { trap: IF-MIB::linkDown, when: vb.ifAdminStatus == "up" }
    resolve: { trap: IF-MIB::linkUp }
    event:
      summary: '${source} ${vb.ifName ?? index} is down: ${vb.ifAlias ?? "no description"}'
      severity: error
      component: ${vb.ifName ?? index}
      class: link`

func load(tb testing.TB, rules string) *mapping.Rules {
	tb.Helper()
	rs, err := rulefile.Parse("rules.yaml", []byte(rules), newSMI())
	if err != nil {
		tb.Fatal(err)
	}
	return rs
}

func linkDown() ingest.Message {
	return ingest.Message{
		ID: ingest.NewID(received()), ReceivedAt: received(), Protocol: ingest.SNMP, Source: netip.MustParseAddr("192.0.2.1"),
		Trap: &ingest.Trap{Version: "v2c", OID: "1.3.6.1.6.3.1.1.5.3", Uptime: 4711, Varbinds: []ingest.Varbind{
			{OID: "1.3.6.1.2.1.2.2.1.1.517", Type: ingest.Integer, Value: int64(517)},
			{OID: "1.3.6.1.2.1.2.2.1.7.517", Type: ingest.Integer, Value: int64(1)},
			{OID: "1.3.6.1.2.1.2.2.1.8.517", Type: ingest.Integer, Value: int64(2)},
			{OID: "1.3.6.1.2.1.31.1.1.1.1.517", Type: ingest.OctetString, Value: []byte("Gi5/17")},
			{OID: "1.3.6.1.2.1.31.1.1.1.18.517", Type: ingest.OctetString, Value: []byte("uplink to LON1")},
		}},
	}
}

func line() ingest.Message {
	return ingest.Message{
		ID: ingest.NewID(received()), ReceivedAt: received(), Protocol: ingest.Syslog, Source: netip.MustParseAddr("192.0.2.1"), Host: "core-1",
		Line: &ingest.Line{Facility: 23, Severity: 5, Mnemonic: "%SYS-5-CONFIG_I", AppName: "sys", Text: "Configured from console", Raw: []byte("<189>x")},
	}
}

func event() ingest.Message {
	raw := `{"routing_key":"0123456789abcdef0123456789abcdef","event_action":"trigger","payload":{"summary":"disk full on db-1",` +
		`"source":"db-1","severity":"error","custom_details":{"mount":"/var","used":97.5,"hosts":["a","b"]}}}`
	payload := map[string]any{"summary": "disk full on db-1", "source": "db-1", "severity": "error"}
	return ingest.Message{
		ID: ingest.NewID(received()), ReceivedAt: received(), Protocol: ingest.HTTP, Source: netip.MustParseAddr("192.0.2.1"),
		Request: &ingest.Request{
			Path: "/v2/enqueue", API: ingest.EventsV2, Key: "0123456789abcdef0123456789abcdef", Raw: []byte(raw),
			ContentType: "application/json", Headers: map[string]string{"user-agent": "curl"},
			Body: map[string]any{"event_action": "trigger", "payload": payload},
		},
	}
}

func BenchmarkApply(b *testing.B) {
	unknown := linkDown()
	unknown.Trap.OID = "1.3.6.1.4.1.5.0.9"
	for _, n := range []int{100, 1000, 10_000} {
		rules := load(b, manyRules(n))
		for _, c := range []struct {
			name string
			m    ingest.Message
		}{{"unmatched_trap", unknown}, {"unmatched_syslog", line()}, {"linkDown", linkDown()}, {"posted_v2", event()}} {
			b.Run(fmt.Sprintf("%s/%d", c.name, n), func(b *testing.B) {
				b.ReportAllocs()
				var r mapping.Result
				for b.Loop() {
					r.Events = r.Events[:0]
					rules.Apply(&c.m, &r)
				}
			})
		}
	}
}

// BenchmarkOpen is a trap that opens an alert, by rules that use all there is:
// tables, enrich, gates, a maintenance window and masks.
func BenchmarkOpen(b *testing.B) {
	const plain = "\nrules: [ { id: link, match: { trap: linkDown, when: vb.ifAdminStatus == \"up\" }, event: { summary: '${source} ${vb.ifName}', custom_details: '${vb}' } } ]"
	for _, c := range []struct{ name, rules string }{
		{"plain", linkRules},
		{"tables", "tables: { nets: { query: q, key: k, match: cidr } }\nenrich: [ { set: { site: 'lookup(\"nets\", ip).site ?? \"x\"' } } ]\ndefaults: { event: { group: '${site}' } }" + plain},
		{"gates", strings.Replace(linkRules, "class: link", "class: link\n    hold: 1m\n    unless_open: 'p/${source}'", 1)},
		{"maintenance", "maintenance: [ { name: w, every: 'Sun 02:00-04:00 Europe/London' } ]" + plain},
		{"masks", "mask: [email, phone, card_number, ssn, iban, ip, ipv6, url, token]" + plain},
	} {
		b.Run(c.name, func(b *testing.B) {
			rules, m := load(b, c.rules), linkDown()
			b.ReportAllocs()
			var r mapping.Result
			for b.Loop() {
				r.Events = r.Events[:0]
				rules.Apply(&m, &r)
			}
		})
	}
}

func BenchmarkLoad10000(b *testing.B) {
	data := []byte(manyRules(10_000))
	for b.Loop() {
		if _, err := rulefile.Parse("rules.yaml", data, newSMI()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(data)), "bytes")
}

// TestMoreRulesCostNoMore holds that 10,000 rules cost a message no more than
// twice what 100 do.
func TestMoreRulesCostNoMore(t *testing.T) {
	few, many := load(t, manyRules(100)), load(t, manyRules(10_000))
	trap, syslog := linkDown(), line()
	trap.Trap.OID = "1.3.6.1.4.1.5.0.9"
	for name, m := range map[string]ingest.Message{"trap": trap, "syslog": syslog} {
		var r mapping.Result
		cost := func(rs *mapping.Rules) time.Duration {
			best := time.Hour
			for range 8 {
				start := time.Now()
				for range 2000 {
					rs.Apply(&m, &r)
				}
				best = min(best, time.Since(start))
			}
			return best / 2000
		}
		if a, b := cost(few), cost(many); b > 2*a+100*time.Nanosecond {
			t.Errorf("%s: %v with 100 rules, %v with 10,000", name, a, b)
		}
		if n := testing.AllocsPerRun(100, func() { many.Apply(&m, &r) }); n != 0 {
			t.Errorf("%s: a message that matches nothing allocates %v times", name, n)
		}
	}
}
