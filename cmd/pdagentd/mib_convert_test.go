package main

import (
	"bytes"
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pdaltagent/pdaltagent/ingest"
	"github.com/pdaltagent/pdaltagent/mapping/rulefile"
)

// convert converts a text, and returns the rules without what stands above
// them.
func (l *lab) convert(t *testing.T, text string) (rules, errs string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "snmptt.conf")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	var out, told bytes.Buffer
	b := mibBrowser{library: l.library, stdout: &out, stderr: &told}
	if err := b.convert(context.Background(), file); err != nil {
		t.Fatal(err)
	}
	if _, err := rulefile.Parse("rules.yaml", out.Bytes(), l.library.Modules); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	return out.String()[strings.Index(out.String(), "rules:"):], strings.ReplaceAll(told.String(), filepath.Dir(file)+"/", "")
}

func TestEventsBecomeRulesWithVarbindsByName(t *testing.T) {
	rules, errs := newLab(t).convert(t, `EVENT acmeFanFailed .1.3.6.1.4.1.99999.0.1 "Status Events" Major
FORMAT Fan $1 of $A ($aA) is $2, $+2, ${x}, $$5
EXEC /usr/bin/page --password secret "$Fz"
SDESC
A fan stands still.
Variables:
  1: acmeFanName
EDESC
EVENT acmeFanRecovered .1.3.6.1.4.1.99999.0.2 "Status Events" Normal
FORMAT Fan $1 is back
`)
	want := `rules:
  # acmeFanFailed: A fan stands still.
  # Not carried over: EXEC of acmeFanFailed: /usr/bin/page …
  # acmeFanRecovered
  - id: acme-fan-failed
    match:   { trap: ACME-MIB::acmeFanFailed }
    resolve: { trap: ACME-MIB::acmeFanRecovered }
    event:
      summary: 'Fan ${vb.acmeFanName} of ${source} (${ip}) is ${vb.acmeFanState}, acmeFanState:${vb.acmeFanState}, $${x}, $5'
      severity: error
      custom_details: '${vb}'
      class: 'Status Events'
`
	if diff := cmp.Diff(want, rules); diff != "" {
		t.Error(diff)
	}
	if want := "snmptt.conf:1: EXEC of acmeFanFailed: /usr/bin/page …\nsnmptt.conf: 2 events, 1 rule, 1 line not carried over\n"; errs != want {
		t.Errorf("%q", errs)
	}
}

// One of them has a fan for its index, the other one none.
func TestEventsWhoseIndexDiffersStayApart(t *testing.T) {
	rules, _ := newLab(t).convert(t, "EVENT a .1.3.6.1.4.1.99999.0.3 \"c\" Major\nFORMAT x\nEVENT b .1.3.6.1.4.1.99999.0.4 \"c\" Normal\nFORMAT y\n")
	if strings.Contains(rules, "resolve") || strings.Count(rules, "- id:") != 2 {
		t.Error(rules)
	}
}

// apply1 converts one event and has its rule make an event of a trap that no
// module knows.
func (l *lab) apply1(t *testing.T, lines string) string {
	t.Helper()
	rules, _ := l.convert(t, "EVENT x .1.3.6.1.4.1.99998.0.5 \"Cat\" Minor\n"+lines)
	e := l.apply(t, rules, "1.3.6.1.4.1.99998.0.5",
		ingest.Varbind{OID: "1.3.6.1.4.1.99998.1.0", Type: ingest.Integer, Value: int64(42)},
		ingest.Varbind{OID: "1.3.6.1.4.1.99998.2.0", Type: ingest.OctetString, Value: []byte("UPS One")},
		ingest.Varbind{OID: "1.3.6.1.4.1.99998.3.0", Type: ingest.IPAddress, Value: netip.MustParseAddr("192.0.2.9")})
	return e.Summary
}

func TestFormatsSayTheSame(t *testing.T) {
	l := newLab(t)
	f := func(format, want string) {
		t.Helper()
		if got := l.apply1(t, format); got != want {
			t.Errorf("%s: %q, want %q", format, got, want)
		}
	}
	f("FORMAT $2 is at $1, $3", "UPS One is at 42, 192.0.2.9")
	f("FORMAT $9 none", "none")
	f("FORMAT $N $s $c $i $S $G $#", "x Minor Cat .1.3.6.1.4.1.99998.0.5 5 0 3")
	f("FORMAT $o $R", "1.3.6.1.4.1.99998.0.5 switch")
	f("FORMAT $v2 $+1 $-1", "variable2 variable1:42 variable1:42")
	f("FORMAT a$Fn$Ft b", "a b")
	f("FORMAT $*", `{"1.3.6.1.4.1.99998.1.0":42,"1.3.6.1.4.1.99998.2.0":"UPS One","1.3.6.1.4.1.99998.3.0":"192.0.2.9"}`)
	f("FORMAT The $2: \"quoted\"\nREGEX (UPS)(big UPS)\nREGEX (\\(x\\))(y)", `The big UPS One: "quoted"`)
}

func TestMatchesHoldForTheSameTraps(t *testing.T) {
	l := newLab(t)
	f := func(lines string, want bool) {
		t.Helper()
		// What does not match goes on to the second rule.
		got := l.apply1(t, "FORMAT first\n"+lines+"\nEVENT y .1.3.6.1.4.1.99998.0.* \"Cat\" Minor\nFORMAT second")
		if (got == "first") != want {
			t.Errorf("%s: %s", lines, got)
		}
	}
	f("MATCH $1: 42", true)
	f("MATCH $1: 43", false)
	f("MATCH $1: !43", true)
	f("MATCH $1: 40-45", true)
	f("MATCH $1: 43-45", false)
	f("MATCH $1: >41", true)
	f("MATCH $1: <42", false)
	f("MATCH $1: &8", true)
	f("MATCH $1: &4", false)
	f("MATCH $2: (ups)i", true)
	f("MATCH $2: (ups)", false)
	f("MATCH $2: !(ups)", true)
	f("MATCH $3: 192.0.2.9", true)
	f("MATCH $*: (One)", true)
	f("MATCH $s: (Minor)", true)
	f("MATCH $1: 43\nMATCH $2: (UPS)", true)
	f("MATCH $1: 43\nMATCH $2: (UPS)\nMATCH MODE=and", false)
	f("NODES switch", true)
	f("NODES router", false)
	f("NODES router\nNODES MODE=NEG", true)
	f("NODES switch\nNODES MODE=NEG", false)
}

func TestNumbersOfEnumerationsBecomeLabels(t *testing.T) {
	rules, _ := newLab(t).convert(t, "EVENT f .1.3.6.1.4.1.99999.0.5 \"c\" Minor\nFORMAT x\nMATCH $1: >1\nMATCH $1: 1\n")
	if want := `when: 'vb.acmeFanState in ["slow", "failed"] or vb.acmeFanState == "normal"'`; !strings.Contains(rules, want) {
		t.Error(rules)
	}
}

func TestCategoriesSayWhatBecomesOfATrap(t *testing.T) {
	rules, _ := newLab(t).convert(t, "EVENT a .1.3.6.1.4.1.99998.0.1 \"IGNORE\" Normal\nFORMAT x\nEVENT b .1.3.6.1.4.1.99998.0.2 \"LOGONLY\" Normal\nFORMAT y\n")
	want := `rules:
  # a
  - id: a
    match: { trap: '1.3.6.1.4.1.99998.0.1' }
    drop: true

  # b
  - id: b
    match: { trap: '1.3.6.1.4.1.99998.0.2' }
    suppress: true
    event:
      summary: 'y'
      severity: info
      custom_details: '${vb}'
`
	if diff := cmp.Diff(want, rules); diff != "" {
		t.Error(diff)
	}
}

// SNMPTT applies all events that fit, exact ones before wildcards.
func TestSeveralEventsOfATrapGoOn(t *testing.T) {
	rules, _ := newLab(t).convert(t, `EVENT all .* "c" Normal
FORMAT all
EVENT some .1.3.6.1.4.1.99998.0.* "c" Normal
FORMAT some
EVENT a .1.3.6.1.4.1.99998.0.1 "c" Normal
FORMAT one
EVENT a .1.3.6.1.4.1.99998.0.1 "c" Major
FORMAT two
EVENT a .1.3.6.1.4.1.99998.0.1 "c" Major
FORMAT two
`)
	var order []string
	for line := range strings.Lines(rules) {
		if s := strings.TrimSpace(line); strings.HasPrefix(s, "- id") || strings.HasPrefix(s, "continue") {
			order = append(order, strings.TrimPrefix(s, "- id: "))
		}
	}
	if diff := cmp.Diff([]string{"a", "continue: true", "a-2", "some", "all"}, order); diff != "" {
		t.Error(diff)
	}
}

func TestWhatHasNoCounterpartIsTold(t *testing.T) {
	l := newLab(t)
	f := func(lines string, want ...string) {
		t.Helper()
		rules, errs := l.convert(t, "EVENT ok .1.3.6.1.4.1.99998.0.1 \"c\" Normal\nFORMAT x\n"+lines)
		for _, w := range want {
			if !strings.Contains(errs, w) {
				t.Errorf("%q: %s", lines, errs)
			}
			if _, told, ok := strings.Cut(w, ": "); ok && !strings.HasPrefix(lines, "EVENT") && !strings.Contains(rules, told) {
				t.Errorf("%q: %s", lines, rules)
			}
		}
	}
	f("MATCH $1: 192.0.2.0/24", "snmptt.conf:3: MATCH $1: 192.0.2.0/24")
	f("MATCH $1: (a(?=b))", "snmptt.conf:3: MATCH $1: a(?=b)")
	f("REGEX (a+)(b)", "snmptt.conf:3: REGEX (a+)(b): rules replace plain text only")
	f("REGEX (a)(uc(b))e", "snmptt.conf:3: REGEX (a)(uc(b))")
	f("NODES /nowhere/nodes", "snmptt.conf:1: NODES /nowhere/nodes: open /nowhere/nodes: no such file")
	f("NODES 192.0.2.0/24\nNODES MODE=NEG", "snmptt.conf:1: NODES MODE=NEG with 192.0.2.0/24")
	f("PREEXEC /bin/name $1", "snmptt.conf:1: PREEXEC of ok: /bin/name …")
	f("EVENT bad IF-MIB::linkDwn \"c\" Normal", "snmptt.conf:3: EVENT bad: no linkDwn in IF-MIB; did you mean IF-MIB::linkDown?")
	f("EVENT bad 1.3.x \"c\" Normal", "snmptt.conf:3: EVENT bad: 1.3.x is no OID")
	f("EVENT odd .1.3.6.9 \"c\" Purple\nFORMAT $p1 $H", `snmptt.conf:3: the severity "Purple" of odd`, "snmptt.conf:3: $p1 in FORMAT of odd", "snmptt.conf:3: $H in FORMAT of odd")
}

func TestRangesOfAddressesBecomeNetworks(t *testing.T) {
	f := func(a, b, want string) {
		t.Helper()
		var got []string
		for _, p := range prefixes(netip.MustParseAddr(a), netip.MustParseAddr(b)) {
			got = append(got, p.String())
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s-%s: %s, want %s", a, b, got, want)
		}
	}
	f("192.168.60.0", "192.168.61.255", "192.168.60.0/23")
	f("192.0.2.1", "192.0.2.6", "192.0.2.1/32 192.0.2.2/31 192.0.2.4/31 192.0.2.6/32")
	f("192.0.2.1", "192.0.2.1", "192.0.2.1/32")
	f("0.0.0.0", "255.255.255.255", "0.0.0.0/0")
	f("255.255.255.254", "255.255.255.255", "255.255.255.254/31")
	f("2001:db8::", "2001:db8::1", "2001:db8::/127")
}
