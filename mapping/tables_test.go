package mapping_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pdaltagent/pdaltagent/mapping"
	"github.com/pdaltagent/pdaltagent/mapping/rulefile"
)

const queryRules = `
tables:
  cmdb: { query: 'SELECT host, owner FROM cmdb', key: host, every: 30s, url: 'postgres://u:hunter2@db/cmdb' }
  nets: { query: 'SELECT * FROM nets', key: net, match: cidr, url_env: NETS_URL }
rules:
  - id: a
    match: { syslog: app }
    event: { summary: '${lookup("cmdb", source).owner ?? "-"}/${lookup("nets", ip).site ?? "-"}' }
`

// summary returns the summary of the only event that rules make of a line.
func summary(t *testing.T, rules *mapping.Rules) string {
	t.Helper()
	m := said("app")
	var r mapping.Result
	rules.Apply(&m, &r)
	if len(r.Events) != 1 || len(r.Errors) != 0 {
		t.Fatalf("got %v %v", r.Events, r.Errors)
	}
	return r.Events[0].Summary
}

// TestRowsOfAQueryComeFromOutside: all at once, those that are right, and not
// where the key is missing.
func TestRowsOfAQueryComeFromOutside(t *testing.T) {
	rules := load(t, queryRules)
	tables := rules.Tables()
	q := tables.Queries()
	if len(q) != 2 || q[0].Table != "cmdb" || q[0].Every != 30*time.Second || q[1].Every != 5*time.Minute || q[1].URLEnv != "NETS_URL" ||
		q[0].SQL != "SELECT host, owner FROM cmdb" || q[0].URL.Reveal() != "postgres://u:hunter2@db/cmdb" {
		t.Fatalf("got %+v", q)
	}
	expect := func(want string) {
		t.Helper()
		if got := summary(t, rules); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	f := func(err error, want string) {
		t.Helper()
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	expect("-/-")
	values := [][]string{{"core-1", "noc"}, {"edge-1", ""}}
	f(tables.Replace("cmdb", []string{"host", "owner"}, values), "")
	values[0][1] = "scribbled"
	expect("noc/-")
	f(tables.Replace("cmdb", []string{"hst", "owner"}, values), `its rows have no column host, which is its key; did you mean "hst"?`)
	expect("noc/-")
	f(tables.Replace("nets", []string{"net", "site"}, [][]string{{"192.0.2.0/24", "LON1"}, {"nonsense", "x"}, {"192.0.2.0/24", "y"}, {"z"}, {"", ""}}),
		`table nets: row 2 is left out: "nonsense" is no network`)
	expect("noc/LON1")
	f(tables.Replace("nets", []string{"net", "site"}, nil), "")
	expect("noc/-")
	f(tables.Replace("cmbd", nil, nil), `the rules have no such table; did you mean "cmdb"?`)
}

// TestAReloadKeepsTheRowsOfQueries that are the same, and of no others.
func TestAReloadKeepsTheRowsOfQueries(t *testing.T) {
	old := load(t, queryRules)
	for _, err := range []error{
		old.Tables().Replace("cmdb", []string{"host", "owner"}, [][]string{{"core-1", "noc"}}),
		old.Tables().Replace("nets", []string{"net", "site"}, [][]string{{"192.0.2.0/24", "LON1"}}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	same, other := load(t, queryRules), load(t, strings.Replace(queryRules, "SELECT * FROM", "SELECT net FROM", 1))
	same.Tables().Inherit(old.Tables())
	other.Tables().Inherit(old.Tables())
	if diff := cmp.Diff([]string{"noc/LON1", "noc/-"}, []string{summary(t, same), summary(t, other)}); diff != "" {
		t.Error(diff)
	}
}

// TestRowsAreSwappedWhileRulesLookUp is for the race detector.
func TestRowsAreSwappedWhileRulesLookUp(t *testing.T) {
	rules := load(t, queryRules)
	var wg sync.WaitGroup
	wg.Go(func() {
		for _, owner := range strings.Split(strings.Repeat("ab", 200), "") {
			if err := rules.Tables().Replace("cmdb", []string{"host", "owner"}, [][]string{{"core-1", owner}}); err != nil {
				t.Error(err)
			}
		}
	})
	for range 400 {
		m := said("app")
		var r mapping.Result
		rules.Apply(&m, &r)
		if s := r.Events[0].Summary; s != "-/-" && s != "a/-" && s != "b/-" {
			t.Errorf("got %q", s)
		}
	}
	wg.Wait()
}

// TestAddressesOfDatabasesAreNotShown: they may hold passwords.
func TestAddressesOfDatabasesAreNotShown(t *testing.T) {
	_, _, err := rulefile.Loader{Namer: newSMI()}.Parse(rulefile.File{Name: "r.yaml", Data: []byte(
		"tables:\n  a: { query: SELECT 1, key: a, url: 'mysql://u:hunter2@db' }\n  b: { file: x, key: a, url: 'postgres://u:hunter2@db' }\n")})
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
}

// TestARuleSendsAWebhookElsewhere: to the last destination that is named; a name
// that is none's is an error, and the webhook goes where it was going.
func TestARuleSendsAWebhookElsewhere(t *testing.T) {
	rules, _, err := rulefile.Loader{Namer: newSMI(), Destinations: []string{"default", "tickets", "noc"}}.Parse(rulefile.File{Name: "r.yaml", Data: []byte(`
defaults: { event: { route: elsewhere } }
rules:
  - { id: first, match: { webhook: incident.trigger }, continue: true, event: { route: noc } }
  - { id: by-team, match: { webhook: 'incident.*' }, event: { route: '${body.team}', custom_details: { via: rules } } }
`)})
	if err != nil {
		t.Fatal(err)
	}
	f := func(kind, team, want, wantError string) {
		t.Helper()
		var r mapping.Result
		payload, to := rules.ApplyWebhook(mapping.Webhook{Type: kind, At: received(), Payload: []byte(`{}`), Body: map[string]any{"team": team}}, &r)
		errors := ""
		for _, e := range r.Errors {
			errors += e.Rule + ": " + e.Err.Error()
		}
		if to != want || errors != wantError || len(payload) == 0 {
			t.Errorf("%s of %q goes to %q with %s, errors %q; want %q, %q", kind, team, to, payload, errors, want, wantError)
		}
	}
	f("incident.trigger", "tickets", "tickets", "")
	f("incident.trigger", "", "noc", "")
	f("incident.resolve", "", "", "")
	f("service.updated", "tickets", "", "")
	f("incident.resolve", "tickts", "", `by-team: r.yaml:5:70: there is no destination "tickts" under webhooks in the configuration; did you mean "tickets"?`)
}

// TestAWebhooksRouteIsADestination, as an event's is a route; where none is
// configured they are not checked.
func TestAWebhooksRouteIsADestination(t *testing.T) {
	f := func(match, route, want string, destinations ...string) {
		t.Helper()
		_, _, err := rulefile.Loader{Namer: newSMI(), Routes: []string{"noc"}, Destinations: destinations}.Parse(rulefile.File{Name: "r.yaml", Data: []byte(
			"rules:\n  - { id: a, match: { " + match + " }, event: { route: " + route + " } }\n")})
		got := ""
		if err != nil {
			got = err.Error()
		}
		if !strings.HasSuffix(got, want) || want == "" && got != "" {
			t.Errorf("%s to %s: %s, want %s", match, route, got, want)
		}
	}
	f("webhook: '*'", "tickets", "", "default", "tickets")
	f("webhook: '*'", "tickts", `there is no destination "tickts" under webhooks in the configuration; did you mean "tickets"?`, "default", "tickets")
	f("webhook: '*'", "noc", `there is no destination "noc" under webhooks in the configuration; there is default`, "default")
	f("webhook: '*'", "tickets", "")
	f("http: /hooks/x", "tickets", `there is no route "tickets" in the configuration; there is noc`, "default", "tickets")
}

// TestWebhooksArePassedThroughRules: sent on as they are, changed, or dropped.
func TestWebhooksArePassedThroughRules(t *testing.T) {
	rules := load(t, `
rules:
  - { id: noise, match: { webhook: 'incident.*', when: body.incident.urgency == "low" }, drop: true }
  - { id: team, match: { webhook: [incident.trigger, incident.resolve] }, continue: true, event: { custom_details: { team: '${body.incident.team}' } } }
  - { id: all, match: { webhook: '*' }, event: { custom_details: { via: pdaltagent } } }
  - { id: http, match: { http: '*' }, event: { summary: x } }
`)
	f := func(kind, urgency, want string) {
		t.Helper()
		payload := `{"incident":{"urgency":"` + urgency + `","team":"noc"},"n":1.50}`
		var r mapping.Result
		got, _ := rules.ApplyWebhook(mapping.Webhook{
			Type: kind, At: received(), Payload: []byte(payload),
			Body: map[string]any{"incident": map[string]any{"urgency": urgency, "team": "noc"}},
		}, &r)
		if string(got) != want || len(r.Events) != 0 || len(r.Errors) != 0 {
			t.Errorf("%s: %s %v", kind, got, r)
		}
	}
	f("incident.trigger", "low", "")
	f("incident.trigger", "high", `{"incident":{"urgency":"high","team":"noc"},"n":1.50,"team":"noc","via":"pdaltagent"}`)
	f("incident.acknowledge", "high", `{"incident":{"urgency":"high","team":"noc"},"n":1.50,"via":"pdaltagent"}`)
	if got, _ := load(t, linkRules).ApplyWebhook(mapping.Webhook{Type: "x", Payload: []byte(`{"a": 1}`)}, &mapping.Result{}); string(got) != `{"a": 1}` {
		t.Errorf("got %s", got)
	}
}
