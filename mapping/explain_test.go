package mapping_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pdaltagent/pdaltagent/mapping"
)

// TestExplainAgreesWithApply for every message of every archive.
func TestExplainAgreesWithApply(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	looked := 0
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		a, n := parseArchive(string(data)), newSMI()
		rules, _, err := parse(a, n)
		if err != nil || slices.Contains(a.names, "faults") {
			continue
		}
		for _, m := range parseMessages(t, n, a.files["messages.yaml"]) {
			var want mapping.Result
			rules.Apply(&m, &want)
			got := rules.Explain(&m)
			if diff := cmp.Diff(wordsOf(t, want), wordsOf(t, got.Result)); diff != "" {
				t.Errorf("%s (-apply +explain):\n%s", file, diff)
			}
			took := map[string]bool{}
			for _, l := range got.Looks {
				if (l.Took == "") == (len(l.Reasons) == 0) && len(want.Errors) == 0 {
					t.Errorf("%s: rule %s took %q, for the reasons %v", file, l.Rule, l.Took, l.Reasons)
				}
				took[l.Rule] = took[l.Rule] || l.Took != ""
				looked++
			}
			for _, e := range got.Events {
				if e.Rule != "" && !took[e.Rule] {
					t.Errorf("%s: there is an event of rule %s, but nothing says that it took the message", file, e.Rule)
				}
			}
		}
	}
	if looked < 50 {
		t.Errorf("only %d looks at rules", looked)
	}
}

func wordsOf(t *testing.T, r mapping.Result) string {
	t.Helper()
	events, err := json.Marshal(r.Events)
	if err != nil {
		t.Fatal(err)
	}
	return string(events) + fmt.Sprint(r.Errors)
}

// TestExplainSaysWhyNot names the key, the clause and the values, and where a
// pattern stopped.
func TestExplainSaysWhyNot(t *testing.T) {
	f := func(rule, messages, want string) {
		t.Helper()
		a := parseArchive("-- rules.yaml --\nenrich: [ { set: { site: '\"lon\"' } } ]\nrules:\n  - { id: r, event: {}, " + rule + " }\n")
		n := newSMI()
		rules, _, err := parse(a, n)
		if err != nil {
			t.Fatal(err)
		}
		ms := parseMessages(t, n, messages)
		x := rules.Explain(&ms[0])
		var got []string
		for _, l := range x.Looks {
			for _, r := range l.Reasons {
				got = append(got, fmt.Sprintf("%d %s: %s", l.Item, r.Key, r.Text))
			}
			if l.Took != "" {
				got = append(got, fmt.Sprint(l.Item, " took ", l.Took, " ", l.Given))
			}
		}
		got = append(got, x.Near)
		if diff := cmp.Diff(want, strings.TrimSpace(strings.Join(got, "\n"))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", rule, diff)
		}
	}
	trap := "- { trap: IF-MIB::linkDown, vb: { ifAdminStatus.5: 1, ifIndex.5: 5 }, from: 192.0.2.9 }"
	line := "- { mnemonic: '%LINK-3-UPDOWN', syslog: 'Interface Gi0/1, changed state to down' }"
	hook := `- { http: /hooks/am, body: '{"alerts":[{"status":"firing","n":3},{"status":"resolved","n":4}]}' }`
	f(`match: { trap: IF-MIB::linkDown, when: 'site == "lon" and vb.ifAdminStatus == "down" and index in ["5", "6"]' }`, trap,
		`-1 match.when: vb.ifAdminStatus == "down" is not true; vb.ifAdminStatus is "up"`)
	f(`match: { trap: IF-MIB::linkDown, from: 10.0.0.0/8 }`, trap, "-1 match.from: the message comes from 192.0.2.9")
	f(`match: { syslog: '%LINK-3-UPDOWN' }, extract: 'Interface %{NOTSPACE:name}, changed status to %{WORD:state}'`, line,
		"-1 extract: fits up to `Interface %{NOTSPACE:name}, changed stat`, which is \"Interface Gi0/1, changed stat\"; `us to %{WORD:state}` does not fit \"e to down\"")
	f(`match: { syslog: '%LINK-3-UPDOWN' }, extract: 'nonsense'`, line, "-1 extract: nothing of `nonsense` fits \"Interface Gi0/1, changed state to down\"")
	f(`match: { http: /hooks/am, each: body.alerts, when: item.status == "firing" and item.n > 3 }, resolve: { when: item.status == "resolved" }, set: { m: item.n + 1 }`, hook,
		"0 match.when: item.n > 3 is not true; item.n is 3\n0 resolve.when: item.status == \"resolved\" is not true; item.status is \"firing\"\n1 took resolve [{m 5}]")
	f(`match: { http: /hooks/am, each: body.alarms }`, hook, "-1 each: body.alarms is nil")
	f(`match: { syslog: '%LINK-3-UPDWN' }`, line, `; did you mean "%LINK-3-UPDWN"?`)
	f(`match: { http: /hooks/am, when: 'not (body.alerts[0].status == "firing")' }`, hook,
		`-1 match.when: not (body.alerts[0].status == "firing") is not true; body.alerts[0].status is "firing"`)
	f(`match: { trap: IF-MIB::linkDown, when: int(vb.ifIndex) > 7 or trap.community == "x" }`, trap,
		`-1 match.when: int(vb.ifIndex) > 7 or trap.community == "x" is not true; vb.ifIndex is 5`)
}
