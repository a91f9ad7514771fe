package snmptt

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

const example = `# a comment
MIB: ACME-MIB (file:./acme.mib) converted on Mon Nov 23 by snmpttconvertmib
EVENT acmeDown .1.3.6.1.4.1.99999.0.1 "Status Events" Major
FORMAT Unit $1 is down: $2
EXEC /usr/local/bin/page "$r: $Fz"
PREEXEC /usr/local/bin/name $1
NODES 192.0.2.0/24 198.51.100.1-198.51.100.9 router1
NODES MODE=NEG
MATCH $2: !(a \(b\)|c)i
MATCH $aA: 192.0.2.1
MATCH MODE=and
REGEX (\(x\) y)(z)ig
SDESC
EVENT is a word here.
EDESC
EVENT any * Other Odd Severity
nonsense
`

func TestEventsAreReadWithAllTheirLines(t *testing.T) {
	want := []Event{
		{
			Line: 3, Name: "acmeDown", OID: "1.3.6.1.4.1.99999.0.1", Category: "Status Events", Severity: "Major",
			Format: "Unit $1 is down: $2", Exec: []string{`/usr/local/bin/page "$r: $Fz"`}, PreExec: []string{"/usr/local/bin/name $1"},
			Nodes: []string{"192.0.2.0/24", "198.51.100.1-198.51.100.9", "router1"}, NotNodes: true,
			Matches: []Match{
				{Line: 9, Variable: "2", Not: true, Kind: Regexp, Pattern: `a \(b\)|c`, IgnoreCase: true},
				{Line: 10, Variable: "aA", Kind: Address, Pattern: "192.0.2.1", From: "192.0.2.1"},
			},
			MatchAll:    true,
			Replace:     []Replacement{{Line: 12, Pattern: `\(x\) y`, With: "z", IgnoreCase: true, All: true}},
			Description: []string{"EVENT is a word here."},
		},
		{Line: 16, Name: "any", OID: "*", Category: "Other", Severity: "Odd Severity"},
	}
	events, faults := Parse(example)
	if diff := cmp.Diff(want, events); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]Fault{{17, "nonsense is no keyword of SNMPTT"}}, faults); diff != "" {
		t.Error(diff)
	}
}

func TestFaultsNameTheirLines(t *testing.T) {
	f := func(text string, want ...Fault) {
		t.Helper()
		_, faults := Parse(text)
		if diff := cmp.Diff(want, faults); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
	f("FORMAT x", Fault{1, "FORMAT comes before the first EVENT"})
	f("EVENT x", Fault{1, "EVENT wants a name, an OID, a category in quotes and a severity"})
	f("EVENT x 1.3 y z\nFORMAT a\nFORMAT b", Fault{3, "a second FORMAT of x: the first one is used"})
	f("EVENT x 1.3 y z\nMATCH 3: 4", Fault{2, "MATCH 3: 4: write $variable: condition"})
	f("EVENT x 1.3 y z\nMATCH $3: about 4", Fault{2, "MATCH $3: about 4: the condition is not understood"})
	f("EVENT x 1.3 y z\nMATCH MODE=xor", Fault{2, "MATCH MODE=xor: the modes are or and and"})
	f("EVENT x 1.3 y z\nNODES MODE=NOT", Fault{2, "NODES MODE=NOT: the modes are POS and NEG"})
	f("EVENT x 1.3 y z\nREGEX (a(b)", Fault{2, "REGEX wants (pattern)(text) and the flags i, g and e"})
	f("EVENT x 1.3 y z\nSDESC\n\n", Fault{4, "EDESC is missing for the SDESC of line 2: all that follows is description"})
}

func TestConditions(t *testing.T) {
	f := func(s string, want Match) {
		t.Helper()
		want.Pattern = s
		got := conditionOf(s)
		if want.Kind == Regexp {
			want.Pattern = got.Pattern
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", s, diff)
		}
	}
	f("(x)", Match{Kind: Regexp})
	f("! (x)", Match{Kind: Regexp, Not: true})
	f("52", Match{Kind: Equal, From: "52"})
	f("!-52", Match{Kind: Equal, From: "-52", Not: true})
	f("1000-2000", Match{Kind: Between, From: "1000", To: "2000"})
	f("-5--1", Match{Kind: Between, From: "-5", To: "-1"})
	f(">20", Match{Kind: Greater, From: "20"})
	f("< 20", Match{Kind: Less, From: "20"})
	f("&8", Match{Kind: Bits, From: "8"})
	f("192.0.2.1", Match{Kind: Address, From: "192.0.2.1"})
	f("2001:db8::1", Match{Kind: Address, From: "2001:db8::1"})
	f("192.0.2.1-192.0.2.9", Match{Kind: Range, From: "192.0.2.1", To: "192.0.2.9"})
	f("192.0.2.0/24", Match{Kind: Network, From: "192.0.2.0/24"})
	f("2001:db8::/32", Match{Kind: Network, From: "2001:db8::/32"})
	f("x", Match{Kind: Anything})
	f("", Match{Kind: Anything})
	f("> x", Match{Kind: Anything})
}

func TestFormatsAreTakenApart(t *testing.T) {
	f := func(format string, want ...Part) {
		t.Helper()
		if diff := cmp.Diff(want, Parts(format)); diff != "" {
			t.Errorf("%s: %s", format, diff)
		}
	}
	text := func(s string) Part { return Part{Text: s} }
	v := func(s string) Part { return Part{Variable: s} }
	f("a $1, $22.", text("a "), v("1"), text(", "), v("22"), text("."))
	f("$aA$A$r$R$ar$aR", v("aA"), v("A"), v("r"), v("R"), v("ar"), v("aR"))
	f("$+1 $-12 $+* $-* $* $v3", v("+1"), text(" "), v("-12"), text(" "), v("+*"), text(" "), v("-*"), text(" "), v("*"), text(" "), v("v3"))
	f("$p1$pu2$Fn$Be$#$@", v("p1"), v("pu2"), v("Fn"), v("Be"), v("#"), v("@"))
	f("costs $$5 or $", text("costs $5 or $"))
	f("$z $F $a $+ $v $p", text("$z $F $a $+ $v $p"))
	f("")
}

func FuzzParse(f *testing.F) {
	f.Add(example)
	f.Add("EVENT a .1.3 \"c\" s\nMATCH $1: 1-2-\nREGEX ()()\nMATCH :\nFORMAT $")
	f.Add("SDESC\nEDESC\nEVENT x .*\nNODES /a b-c")
	f.Fuzz(func(t *testing.T, text string) {
		events, _ := Parse(text)
		for _, e := range events {
			if e.OID == "" {
				t.Errorf("line %d: an event without OID", e.Line)
			}
			for _, p := range Parts(e.Format) {
				if (p.Text == "") == (p.Variable == "") {
					t.Errorf("%q: %+v", e.Format, p)
				}
			}
		}
	})
}
