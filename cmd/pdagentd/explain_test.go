package main

import (
	"encoding/hex"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// runCommandLine runs pdagentd NAME --config FILE with arguments.
func runCommandLine(t *testing.T, name, file string, args ...string) queueRun {
	t.Helper()
	var stdout, stderr strings.Builder
	status := execute(t.Context(), append([]string{name, "--config", file}, args...), &stdout, &stderr)
	return queueRun{status, stdout.String(), stderr.String()}
}

// lone writes a configuration with one rule file.
func lone(t *testing.T, rules string) string {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "rules.d", "10.yaml"), rules)
	write(t, filepath.Join(dir, "pdagentd.yaml"), "rules: ["+filepath.Join(dir, "rules.d")+"]\nroutes: { noc: { key: "+testKey+" } }\ningest: { snmp: { communities: [s3cret] } }\n")
	return filepath.Join(dir, "pdagentd.yaml")
}

const explainRules = `
rules:
  - id: uplink
    match: { trap: IF-MIB::linkDown, when: vb.ifIndex > 100 }
    event: { severity: critical }
  - id: link-down
    match: { trap: IF-MIB::linkDown }
    resolve: { trap: IF-MIB::linkUp }
    hold: 60s
    event: { summary: '${source} ${index} is down', severity: error }
  - id: login
    match: { syslog: sshd }
    extract: 'Failed %{WORD:method} for %{NOTSPACE:user} from %{IP:peer}'
    event: { summary: '${user} from ${peer}' }
  - id: hook
    match: { http: /hooks/x, each: body.list, when: item.on }
    event: { summary: '${item.name} ${headers["x-site"]}', component: '${item.name}' }
`

func TestExplainSaysWhatComesOfAMessage(t *testing.T) {
	file := lone(t, explainRules)
	trap := hex.EncodeToString(withCommunity(t, linkDown(t, 7), "s3cret"))
	explain := func(args ...string) queueRun { return runCommandLine(t, "explain", file, args...) }
	explain("--trap-hex", trap, "--from", "192.0.2.7").says(t, 0,
		"rule link-down takes it (match, ", "uplink (", "not by match.when: vb.ifIndex > 100 is not true; vb.ifIndex is 7",
		"192.0.2.7 7 is down", "link-down/192.0.2.7/7", "hold: waits for 1m0s", "decision   held, were nothing open")
	spaced := "0x" + strings.Join(strings.Split(trap, ""), " ")
	spaced = strings.Replace(spaced, "3 0", "30", 1)
	explain("--trap-hex", spaced).says(t, 0, "rule link-down takes it")
	raw := filepath.Join(t.TempDir(), "x.datagram")
	write(t, raw, string(withCommunity(t, linkDown(t, 7), "s3cret")))
	explain("--trap-hex", "@"+raw).says(t, 0, "rule link-down takes it")
	explain("--syslog", "<86>Oct 11 22:14:15 web1 sshd[3]: Failed password for root at 192.0.2.9").says(t, 1,
		"no rule takes it, of 1 rule that look at syslog sshd", "not by extract: fits up to `Failed %{WORD:method} for %{NOTSPACE:user} `")
	explain("--syslog", "<86>Oct 11 22:14:15 web1 sshhd[3]: x").says(t, 1, `none of 4 looks at syslog sshhd; did you mean "sshd"?`)
	body := filepath.Join(t.TempDir(), "body")
	write(t, body, `{"list":[{"name":"a","on":false},{"name":"b","on":true}]}`)
	got := explain("--http", "/hooks/x", "--body", body, "--header", "X-Site: lon", "--json")
	var out explained
	if err := json.Unmarshal([]byte(got.stdout), &out); err != nil || got.status != 0 {
		t.Fatalf("%d: %v\n%s%s", got.status, err, got.stdout, got.stderr)
	}
	if diff := cmp.Diff([]string{`match.when: item.on is not true; item.on is false`}, out.Looks[0].Reasons); diff != "" || *out.Looks[1].Item != 1 || out.Looks[1].Took != "match" {
		t.Errorf("%s\n%+v", diff, out.Looks)
	}
	if e := out.Events[0]; e.Summary != "b lon" || e.Route != "noc" || e.Decision != "queued" {
		t.Errorf("%+v", e)
	}
}

func TestExplainNamesTheMend(t *testing.T) {
	file := lone(t, explainRules)
	f := func(status int, want string, args ...string) {
		t.Helper()
		got := runCommandLine(t, "explain", file, args...)
		got.says(t, status, want)
		if strings.Contains(got.stdout+got.stderr, "public") {
			t.Errorf("%v shows a community:\n%s%s", args, got.stdout, got.stderr)
		}
	}
	body := filepath.Join(t.TempDir(), "body")
	write(t, body, `{"list":`)
	f(2, "give one of --trap-hex, --syslog, --http and an event's id")
	f(2, "give one of", "--syslog", "x", "--trap-hex", "30")
	f(2, "--http and --body belong together", "--http", "/hooks/x")
	f(2, `--from is an address, and "here" is none`, "--syslog", "x", "--from", "here")
	f(2, `"x" is no event's id`, "x")
	f(1, "it takes an even number", "--trap-hex", "303")
	f(1, "this is no hex", "--trap-hex", "30zz")
	f(1, "this datagram is not taken", "--trap-hex", "3003020101")
	f(1, "this datagram is not taken", "--trap-hex", hex.EncodeToString(linkDown(t, 7))) // community public
	f(1, "there is no", "--trap-hex", "@/nonexistent/x")
	f(1, "this is answered with 400", "--http", "/v2/enqueue", "--body", body)
	f(1, "this is answered with 404", "--http", "/hook/x", "--body", body)
	f(1, "there is no file", "--http", "/hooks/x", "--body", body+"2")
	f(2, "write NAME:VALUE", "--http", "/hooks/x", "--body", body, "--header", "x")
}

// withCommunity replaces public, which is as long as s3cret.
func withCommunity(t *testing.T, datagram []byte, community string) []byte {
	t.Helper()
	return []byte(strings.Replace(string(datagram), "public", community, 1))
}

// TestExplainAndReplayLookIntoTheHistory beside an appliance that runs.
func TestExplainAndReplayLookIntoTheHistory(t *testing.T) {
	dir := t.TempDir()
	before := filepath.Join(dir, "rules.d", "10.yaml")
	write(t, before, strings.Replace(explainRules, "hold: 60s\n", "\n", 1))
	file := settings(t, "")
	rewriteTest(t, file, "../../deploy/rules.d", filepath.Dir(before))
	a := begin(t, file)
	conn, err := net.Dial("udp", a.snmp.Addrs()[0].String()) //nolint:noctx // loopback
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // write only
	for i := range 3 {
		if _, err := conn.Write(linkDown(t, 7+i)); err != nil {
			t.Fatal(err)
		}
	}
	post(t, "http://"+a.http.Addrs()[0].String()+"/hooks/x", `{"list":[{"name":"b","on":true},{"name":"c","on":true}]}`)
	a.eventually(t, "5", `SELECT count(*) FROM deliveries WHERE state = 'delivered'`)
	id := a.sql(t, `SELECT id::text FROM events WHERE dedup_key LIKE '%/7'`)
	runCommandLine(t, "explain", file, id).says(t, 0, "Event "+id, "it was queued by rule link-down", "is delivered after 1 attempt",
		"its alert is open: 1 occurrence", "By the rules of today", "rule link-down takes it", "vb.ifIndex is 7")
	runCommandLine(t, "explain", file, "00000000-0000-7000-8000-000000000000").says(t, 1, "there is no event 00000000")

	runCommandLine(t, "replay", file).says(t, 0, "4 messages since", "PagerDuty would have heard of 5 events, and heard of 5 then", "Each message makes the same events as then")
	after := filepath.Join(dir, "new", "10.yaml")
	write(t, after, strings.NewReplacer("vb.ifIndex > 100", "vb.ifIndex > 8", "'${item.name} ${headers", "'now ${item.name} ${headers", "hold: 60s", "suppress: true").Replace(explainRules))
	got := runCommandLine(t, "replay", file, "--rules", filepath.Dir(after), "--since", "1h")
	got.says(t, 0, "PagerDuty would have heard of 3 events, and heard of 5 then", "1 message, by rule uplink, then rule link-down:",
		"1 message, by rule hook, with another event:", "2 messages, by rule link-down, with another event:", `+ trigger warning "now b"`)
	if n := a.sql(t, `SELECT count(*) FROM events`); n != "5" {
		t.Errorf("%s events after the replay", n)
	}
	var out struct {
		Rules map[string]tallied `json:"rules"`
	}
	if err := json.Unmarshal([]byte(runCommandLine(t, "replay", file, "--rules", filepath.Dir(after), "--json").stdout), &out); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]tallied{"link-down": {3, 2, 3, 0}, "uplink": {0, 1, 0, 1}, "hook": {2, 2, 2, 2}}, out.Rules); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}
	runCommandLine(t, "check", file).says(t, 0, ": ok")
	write(t, before, strings.ReplaceAll(explainRules, "id: link-down", "id: link"))
	runCommandLine(t, "check", file).says(t, 0, "1 warning", "warning: rules: there is no rule link-down any more, and 3 alerts are open that it has opened")
	runCommandLine(t, "replay", file, "--since", "yesterday").says(t, 2, "is no age")
	write(t, after, "rules: [ { id: x } ]")
	runCommandLine(t, "replay", file, "--rules", filepath.Dir(after)).says(t, 1, "needs a match")
}

func rewriteTest(t *testing.T, file, old, now string) {
	t.Helper()
	text, err := os.ReadFile(file) //nolint:gosec // of the test
	if err != nil {
		t.Fatal(err)
	}
	write(t, file, strings.Replace(string(text), old, now, 1))
}
