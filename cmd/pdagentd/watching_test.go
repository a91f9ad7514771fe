package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pdaltagent/pdaltagent/delivery/sandbox"
)

// watchedRules make what the starter packs do not: an error, a hold, a
// suppression, a table with a query.
const watchedRules = `
tables: { sites: { query: "SELECT 'h' AS host, 'Vienna' AS city", every: 10s, key: host } }
rules:
  - { id: broken, match: { syslog: broken }, event: { summary: '${int(message)}' } }
  - { id: patient, match: { syslog: patient }, hold: 1h, event: { summary: '${source} waits', severity: warning } }
  - { id: mute, match: { syslog: mute }, suppress: true, event: { summary: '${lookup("sites", "h").city ?? ""}' } }
`

// watched is an appliance to which everything has happened that metrics and
// history tell of: messages of each kind, some refused, some not sent, a dead
// delivery that somebody has retried, and a route that pauses while others wait.
func watched(t *testing.T) *appliance {
	t.Helper()
	rules := filepath.Join(t.TempDir(), "00-watched.yaml")
	write(t, rules, watchedRules)
	file := settings(t, "pagerduty: { events_url: sandbox }\nroutes: { noc: { key: "+testKey+" } }")
	rewrite(t, file, "[../../deploy/rules.d]", "["+rules+", ../../deploy/rules.d]")
	a := begin(t, file)
	traps, lines := "127.0.0.1:"+port(a.snmp.Addrs()[0]), "127.0.0.1:"+port(a.syslog.Addrs()[0])
	say := func(to string, datagrams ...string) {
		t.Helper()
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "udp", to)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close() //nolint:errcheck // write only
		for _, d := range datagrams {
			if _, err := conn.Write([]byte(d)); err != nil {
				t.Fatal(err)
			}
		}
	}
	raise := func(key, severity string) {
		t.Helper()
		body := fmt.Sprintf(`{"routing_key":%q,"event_action":"trigger","dedup_key":%q,"payload":{"summary":"s","source":"h","severity":%q}}`, testKey, key, severity)
		if status, answer := post(t, "http://"+a.http.Addrs()[0].String()+"/v2/enqueue", body); status != http.StatusAccepted {
			t.Fatalf("%d %s", status, answer)
		}
	}
	say(traps, string(linkDown(t, 7)), "no trap")
	say(lines, "<187>Oct 11 22:14:15 sw1 %LINK-3-UPDOWN: Interface Gi0/1, changed state to down", "<190>Oct 11 22:14:15 sw1 nothing to see",
		"<187>Oct 11 22:14:15 sw1 broken: it is", "<187>Oct 11 22:14:15 sw1 patient: it is", "<187>Oct 11 22:14:15 sw1 mute: it is")
	raise("fine", "critical")
	a.eventually(t, "4", `SELECT count(*) FROM deliveries WHERE state = 'delivered'`)

	a.stand.Behave(sandbox.Behavior{Status: http.StatusBadRequest, Count: 2})
	raise("dead", "error")
	raise("retried", "error")
	a.eventually(t, "2", `SELECT count(*) FROM deliveries WHERE state = 'dead'`)
	runQueue(t, file, "retry", "--alert", "retried").says(t, 0)
	a.eventually(t, "1", `SELECT count(*) FROM deliveries WHERE state = 'dead'`)

	a.stand.Behave(sandbox.Behavior{Status: http.StatusTooManyRequests, RetryAfter: time.Hour})
	raise("waits", "critical")
	a.eventually(t, "held route", `SELECT state, held_by FROM deliveries WHERE dedup_key = 'waits'`)
	return a
}

// TestWatching is about what there is to watch an appliance by: what
// deploy/watching.md says, the dashboards and the alert rules.
func TestWatching(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	a := watched(t)
	t.Run("every metric is documented", a.metricsAreDocumented)
	t.Run("the dashboard of metrics shows what is exported", a.metricsDashboard)
	t.Run("the dashboard of the history finds what is there", a.historyDashboard)
}

// metricLine is a metric in deploy/watching.md: its name and its labels.
var metricLine = regexp.MustCompile("(?m)^\\| `(pdaltagent_[a-z_]+)` \\|([^|]*)\\|")

// awaited are the poller's, which reports where webhooks are sent.
func awaited(name string) bool {
	return strings.HasPrefix(name, "pdaltagent_poll_") || name == "pdaltagent_log_entries_total"
}

func (a *appliance) metricsAreDocumented(t *testing.T) {
	documented := map[string]string{}
	for _, m := range metricLine.FindAllStringSubmatch(read(t, repository+"/deploy/watching.md"), -1) {
		documented[m[1]] = strings.NewReplacer("`", "", ",", "").Replace(m[2])
	}
	if len(documented) < 20 {
		t.Fatalf("deploy/watching.md has only %d metrics", len(documented))
	}
	families, err := a.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	exported := map[string]string{}
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "pdaltagent_") {
			continue
		}
		var labels []string
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, l.GetName())
		}
		exported[f.GetName()] = strings.Join(labels, " ")
	}
	for name, labels := range documented {
		words := strings.Fields(labels)
		slices.Sort(words)
		documented[name] = strings.Join(words, " ")
	}
	maps.DeleteFunc(documented, func(name, _ string) bool { return awaited(name) && exported[name] == "" })
	if diff := cmp.Diff(exported, documented); diff != "" {
		t.Errorf("what is exported (-) and what deploy/watching.md says (+):\n%s", diff)
	}
}

// dashboard is as much of a Grafana dashboard as can go wrong.
type dashboard struct {
	UID           string  `json:"uid"`
	Title         string  `json:"title"`
	SchemaVersion int     `json:"schemaVersion"`
	Panels        []panel `json:"panels"`
	Templating    struct {
		List []struct{ Name, Type string }
	} `json:"templating"`
}

type panel struct {
	ID          int    `json:"id"`
	Type        string `json:"type"`
	Title       string `json:"title"`
	Description string `json:"description"`
	GridPos     struct{ X, Y, W, H int }
	Datasource  struct{ Type, UID string }
	Targets     []struct {
		RefID  string `json:"refId"`
		Expr   string `json:"expr"`
		RawSQL string `json:"rawSql"`
	} `json:"targets"`
}

// readDashboard returns a dashboard that Grafana shows as it is meant: panels of
// their own ids that do not overlap, and variables that exist.
func readDashboard(t *testing.T, file string) dashboard {
	t.Helper()
	text := read(t, repository+"/deploy/grafana/dashboards/"+file)
	var d dashboard
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		t.Fatal(err)
	}
	if d.UID == "" || d.Title == "" || d.SchemaVersion < 38 {
		t.Errorf("%s: uid %q, title %q, schema %d", file, d.UID, d.Title, d.SchemaVersion)
	}
	known := []string{"__rate_interval", "__range", "__interval", "__timeFilter", "__timeGroup", "__timeFrom", "__timeTo", "__all"}
	for _, v := range d.Templating.List {
		known = append(known, v.Name)
	}
	for _, m := range regexp.MustCompile(`\$\{?(\w+)`).FindAllStringSubmatch(text, -1) {
		if !slices.Contains(known, m[1]) {
			t.Errorf("%s: $%s is no variable", file, m[1])
		}
	}
	taken, ids := map[[2]int]string{}, map[int]bool{}
	for _, p := range d.Panels {
		if ids[p.ID] {
			t.Errorf("%s: two panels are %d", file, p.ID)
		}
		ids[p.ID] = true
		if p.Type != "row" && (p.Description == "" || len(p.Targets) == 0 || !strings.HasPrefix(p.Datasource.UID, "${")) {
			t.Errorf("%s: panel %q: no description, query or data source", file, p.Title)
		}
		for x := range p.GridPos.W {
			for y := range p.GridPos.H {
				at := [2]int{p.GridPos.X + x, p.GridPos.Y + y}
				if taken[at] != "" || at[0] >= 24 {
					t.Fatalf("%s: %q overlaps %q at %v", file, p.Title, taken[at], at)
				}
				taken[at] = p.Title
			}
		}
	}
	return d
}

// metricsDashboard asks a Prometheus that scrapes the appliance what each panel
// asks: something is found wherever the metrics exist.
func (a *appliance) metricsDashboard(t *testing.T) {
	d := readDashboard(t, "pdaltagent.json")
	ask := startPrometheus(t, a.admin.Addr().String())
	for range 3 { // so that rates have something to see
		a.metrics(t)
		time.Sleep(time.Second)
	}
	exported := a.metrics(t)
	for _, p := range d.Panels {
		for _, q := range p.Targets {
			expr := strings.NewReplacer("$__rate_interval", "10s", "$__range", "1m", "$node", ".*").Replace(q.Expr)
			found, err := ask("query", url.Values{"query": {expr}})
			if err != nil {
				t.Errorf("%s: %s: %v", p.Title, expr, err)
				continue
			}
			there := true
			for _, name := range regexp.MustCompile(`\b(pdaltagent|process)_[a-z_]+`).FindAllString(expr, -1) {
				if !strings.Contains(exported, "\n"+name+"{") && !strings.Contains(exported, "\n"+name+" ") {
					if there = false; !awaited(name) {
						t.Errorf("%s: %s is not exported", p.Title, name)
					}
				}
			}
			if there && len(found.Data.Result) == 0 {
				t.Errorf("%s: %s finds nothing", p.Title, expr)
			}
		}
	}
	rules, err := ask("rules", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range rules.Data.Groups {
		for _, r := range g.Rules {
			if r.Health != "ok" {
				t.Errorf("rule %s is %s: %s", r.Name, r.Health, r.LastError)
			}
		}
	}
}

// promAnswer is what Prometheus answers to queries and about rules.
type promAnswer struct {
	Status, Error string
	Data          struct {
		Result []json.RawMessage
		Groups []struct {
			Rules []struct{ Name, Health, LastError string }
		}
	}
}

// startPrometheus starts one that scrapes target and evaluates the alert rules,
// and returns a way to ask it once it has scraped a few times.
func startPrometheus(t *testing.T, target string) func(what string, args url.Values) (promAnswer, error) {
	t.Helper()
	program, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("prometheus is not installed")
	}
	dir, address := t.TempDir(), "127.0.0.1:"+freePort(t)
	rules, err := filepath.Abs(repository + "/deploy/prometheus/pdaltagent.rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "prometheus.yaml"), `
global: { scrape_interval: 1s, evaluation_interval: 1s }
rule_files: ["`+rules+`"]
scrape_configs: [{ job_name: pdaltagent, static_configs: [{ targets: ["`+target+`"] }] }]
`)
	p := exec.Command(program, "--config.file="+dir+"/prometheus.yaml", "--storage.tsdb.path="+dir+"/data", "--web.listen-address="+address) //nolint:noctx // it is stopped by hand
	var log strings.Builder
	p.Stdout, p.Stderr = &log, &log
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.Process.Signal(syscall.SIGTERM)
		_ = p.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	ask := func(what string, args url.Values) (answer promAnswer, err error) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/api/v1/"+what+"?"+args.Encode(), http.NoBody)
		if err != nil {
			return answer, err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return answer, err
		}
		defer resp.Body.Close() //nolint:errcheck // read only
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return answer, err
		}
		if err := json.Unmarshal(body, &answer); err != nil {
			return answer, fmt.Errorf("%s: %w", body, err)
		}
		if answer.Status != "success" {
			return answer, fmt.Errorf("%s", answer.Error)
		}
		return answer, nil
	}
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if got, err := ask("query", url.Values{"query": {"count_over_time(up[1m]) > 3"}}); err == nil && len(got.Data.Result) > 0 {
			return ask
		}
	}
	t.Fatalf("prometheus has not scraped within 30 s:\n%s", log.String())
	return nil
}

// historyDashboard asks Postgres what each panel asks, as Grafana writes its
// macros out, by a role that may only read.
func (a *appliance) historyDashboard(t *testing.T) {
	macros := func(sql string, from, to string) string {
		for macro, is := range map[string]string{
			`\$__timeFilter\(([^()]*)\)`: "$1 BETWEEN " + from + " AND " + to, `\$__timeFrom\(\)`: from, `\$__timeTo\(\)`: to,
			`\$__timeGroup\(([^(),]*), \$__interval\)`: "floor(extract(epoch from $1)/60)*60",
			`\$\{route:regex\}`:                        "noc|sandbox|.*", `\$\{device:sqlstring\}`: "'%'",
		} {
			sql = regexp.MustCompile(macro).ReplaceAllString(sql, is)
		}
		return sql
	}
	at := func(d time.Duration) string { return "'" + time.Now().Add(d).UTC().Format(time.RFC3339Nano) + "'" }
	for _, p := range readDashboard(t, "history.json").Panels {
		from, to := at(-time.Hour), at(time.Minute)
		if strings.Contains(p.Title, "silent") {
			from, to = at(time.Second), at(time.Minute)
		}
		for _, q := range p.Targets {
			tx, err := a.database.pool.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, err = tx.Exec(t.Context(), "SET LOCAL ROLE pdaltagent_read"); err != nil {
				t.Fatal(err)
			}
			sql := macros(q.RawSQL, from, to)
			var rows int
			if err := tx.QueryRow(t.Context(), "SELECT count(*) FROM ("+sql+") q").Scan(&rows); err != nil {
				t.Errorf("%s: %v\n%s", p.Title, err, sql)
			} else if rows == 0 {
				t.Errorf("%s: nothing is found:\n%s", p.Title, sql)
			}
			if err := tx.Rollback(t.Context()); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestAlertRulesHold: Prometheus takes them, their own tests pass, and each
// alert is seen to fire in one of those and has a section in deploy/watching.md
// that its runbook leads to.
func TestAlertRulesHold(t *testing.T) {
	dir := repository + "/deploy/prometheus/"
	rules, tests, page := read(t, dir+"pdaltagent.rules.yaml"), read(t, dir+"pdaltagent.rules.test.yaml")+read(t, dir+"pdaltagent.silence.test.yaml"), read(t, repository+"/deploy/watching.md")
	alerts := regexp.MustCompile(`- alert: (\w+)`).FindAllStringSubmatch(rules, -1)
	if len(alerts) < 15 {
		t.Errorf("only %d alerts", len(alerts))
	}
	for _, m := range alerts {
		if !strings.Contains(tests, `ALERTS{alertname="`+m[1]+`", alertstate="firing"`) {
			t.Errorf("no test sees %s fire", m[1])
		}
		if !strings.Contains(page, "\n### "+m[1]+"\n") || !strings.Contains(rules, "watching.md#"+strings.ToLower(m[1])+"\n") {
			t.Errorf("%s has no section in deploy/watching.md, or no runbook", m[1])
		}
	}
	if got := strings.Count(page, "\n### PDaltagent"); got != len(alerts) {
		t.Errorf("deploy/watching.md has %d sections about alerts, there are %d", got, len(alerts))
	}
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed")
	}
	for _, args := range [][]string{{"check", "rules", "pdaltagent.rules.yaml"}, {"test", "rules", "pdaltagent.rules.test.yaml", "pdaltagent.silence.test.yaml"}} {
		cmd := exec.CommandContext(t.Context(), promtool, args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
}
