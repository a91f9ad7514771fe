package mibs

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What vendors often get wrong costs nobody an object or a notification.
func TestModulesAreReadDespiteCommonFaults(t *testing.T) {
	m, warnings := load(t, folder(t, map[string]string{"a.mib": `ACME-BAD-MIB
-- the name of a module may have a comment after it

DEFINITIONS ::= BEGIN
IMPORTS OBJECT-TYPE, NOTIFICATION-TYPE, Integer32, Unsigned32, enterprises FROM SNMPv2-SMI
    TRAP-TYPE FROM RFC-1215

acme OBJECT IDENTIFIER ::= { enterprises 99995 }
acmeTable OBJECT-TYPE SYNTAX SEQUENCE OF acmeEntry MAX-ACCESS not-accessible STATUS current DESCRIPTION "" ::= { acme 1 }
acmeEntry OBJECT-TYPE SYNTAX acmeEntry MAX-ACCESS not-accessible STATUS current DESCRIPTION "" INDEX { acmeIndex } ::= { acmeTable 1 }
acmeEntry ::= SEQUENCE { acmeIndex Integer32, acmeMode INTEGER }
acmeIndex OBJECT-TYPE SYNTAX Integer32 MAX-ACCESS not-accessible STATUS current DESCRIPTION "" ::= { acmeEntry 1 }
acmeMode OBJECT-TYPE SYNTAX INTEGER { read-only(1), 80211x(2), WPA&WPA2(3) open(4), TRUE(5), } MAX-ACCESS read-only STATUS current
    DESCRIPTION "A "quoted" word, and
    "another string" in a row"
    DEFVAL { 0.0 } ::= { acmeEntry 2 }
acmeKind OBJECT-TYPE SYNTAX Unsigned32 { good(1), bad(2) } MAX-ACCESS read-only STATUS current DESCRIPTION "" ::= { acme 2 }
acmeTold NOTIFICATION-TYPE OBJECTS { acmeMode } STATUS current
    DESCRIPTION "Two strings" "in a row" ::= { acme 0 1 }
acmeTrap TRAP-TYPE
    -- of a named OID
    ENTERPRISE { iso(1) org(3) dod(6) internet(1) private(4) enterprises(1) acme(99995) 7 } VARIABLES { acmeMode }
    DESCRIPTION "An old trap." ::= 3
acmeShort TRAP-TYPE ENTERPRISE { acme } ::= 4
END
`}))
	if len(warnings) > 0 {
		t.Errorf("warnings: %q", warnings)
	}
	f := func(got, want any) {
		t.Helper()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	for n, label := range []string{"", "read-only", "80211x", "WPA-WPA2", "open", "TRUE"} {
		if n > 0 {
			f(m.Value("1.3.6.1.4.1.99995.1.1.2.5", int64(n)), label)
		}
	}
	f(m.Index("1.3.6.1.4.1.99995.1.1.2.5"), "5")
	f(m.Value("1.3.6.1.4.1.99995.2.0", uint64(2)), "bad")
	f(m.Notifications("ACME-BAD-MIB"), []Notification{
		{"ACME-BAD-MIB", "acmeTold", "1.3.6.1.4.1.99995.0.1", []string{"acmeMode"}},
		{"ACME-BAD-MIB", "acmeShort", "1.3.6.1.4.1.99995.0.4", nil},
		{"ACME-BAD-MIB", "acmeTrap", "1.3.6.1.4.1.99995.7.0.3", []string{"acmeMode"}},
	})
	if _, err := m.OID("mended-1"); err == nil {
		t.Error("a name that only mending made is known")
	}
}

// A fault that remains is told with the line that it is on in the file.
func TestMendingKeepsLines(t *testing.T) {
	text := "ACME-X-MIB DEFINITIONS ::= BEGIN\nIMPORTS OBJECT-TYPE, enterprises FROM SNMPv2-SMI;\n" +
		"acmeX OBJECT-TYPE SYNTAX INTEGER { read-only(1),\n 5ghz(2) } MAX-ACCESS read-only STATUS current DESCRIPTION \"a\n\"b\" c\"\n" +
		"DEFVAL\n{ 1 }\n::= { enterprises 99994 }\n\nacmeY OBJECT-TYPE SYNTAX }}} ::= {\nEND\n"
	m, warnings := load(t, folder(t, map[string]string{"x": text}))
	if want := []string{"x:10: ACME-X-MIB: expected type syntax"}; !cmp.Equal(want, warnings) {
		t.Errorf("warnings: %q", warnings)
	}
	if got := m.Value("1.3.6.1.4.1.99994.0", int64(2)); got != "5ghz" {
		t.Errorf("%v", got)
	}
}

func TestGoodModulesNeedNoMending(t *testing.T) {
	for _, text := range []string{vendorModule, oldModule} {
		if diff := cmp.Diff(text, mendText(text)); diff != "" {
			t.Error(diff)
		}
	}
}

func FuzzMend(f *testing.F) {
	f.Add(vendorModule)
	f.Add(`a OBJECT-TYPE SYNTAX INTEGER { read-only(1), 5ghz(2) b(3),, } DEFVAL { { a } } DESCRIPTION "x "y" z" ::= { b 1 }`)
	f.Add(`t TRAP-TYPE ENTERPRISE { iso(1) 2 } ::= 1 IMPORTS a FROM B c OBJECT IDENTIFIER ::= { a 1 }`)
	f.Add(`"""""`)
	f.Fuzz(func(t *testing.T, text string) {
		if got, want := strings.Count(mendText(text), "\n"), strings.Count(text, "\n"); got != want {
			t.Errorf("%d lines became %d", want, got)
		}
		tagsIn(text)
	})
}
