package mibs

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// library opens the built-in modules and a folder.
func library(tb testing.TB, files map[string]string) *Library {
	tb.Helper()
	l, _, err := Open(context.Background(), []string{folder(tb, files)})
	if err != nil {
		tb.Fatal(err)
	}
	return l
}

func TestADefinitionIsWhatItsModuleSays(t *testing.T) {
	l := library(t, map[string]string{"a": vendorModule})
	f := func(module, label string, want Definition) {
		t.Helper()
		want.Module, want.Label = module, label
		got, err := l.Definition(context.Background(), module, label)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Error(diff, err)
		}
	}
	state := Definition{
		Module: "ACME-POWER-MIB", Label: "acmeFeedState", OID: "1.3.6.1.4.1.99999.1.1.2", Kind: "column", Syntax: "Integer32",
		Access: "read-only", Status: "current", Description: "State.", Enums: []NamedNumber{{1, "good"}, {2, "bad"}},
		Index: []string{"IF-MIB::ifIndex", "IMPLIED ACME-POWER-MIB::acmeFeedName"},
	}
	f("ACME-POWER-MIB", "acmeFeedState", state)
	f("ACME-POWER-MIB", "acmeFeedLost", Definition{
		OID: "1.3.6.1.4.1.99999.0.1", Kind: "notification", Status: "current", Description: "A feed was lost.", Objects: []Definition{state},
	})
	f("ACME-POWER-MIB", "acmeFeedTable", Definition{
		OID: "1.3.6.1.4.1.99999.1", Kind: "table", Access: "not-accessible", Status: "current", Description: "Feeds.",
		Index: state.Index, Columns: []string{"acmeFeedName", "acmeFeedState"},
	})
	f("ACME-POWER-MIB", "acmePower", Definition{OID: "1.3.6.1.4.1.99999", Kind: "node"})
	f("ACME-POWER-MIB", "acmeFeedName", Definition{
		OID: "1.3.6.1.4.1.99999.1.1.1", Kind: "column", Syntax: "DisplayString (OCTET STRING, 0..255 octets)", Hint: "255a",
		Access: "not-accessible", Status: "current", Description: "Name.", Index: state.Index,
	})
	if d, err := l.Definition(context.Background(), "IF-MIB", "ifHCInOctets"); d.Augments != "ifEntry" || !cmp.Equal(d.Index, []string{"IF-MIB::ifIndex"}) {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestResolveFindsWhatANameStandsFor(t *testing.T) {
	l := library(t, map[string]string{"a": vendorModule})
	f := func(name, want string) {
		t.Helper()
		module, label, instance, err := l.Resolve(name)
		got := module + "::" + label + " " + instance
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	f("acmeFeedLost", "ACME-POWER-MIB::acmeFeedLost ")
	f("ACME-POWER-MIB::acmeFeedState.5.65", "ACME-POWER-MIB::acmeFeedState 5.65")
	f(".1.3.6.1.4.1.99999.1", "ACME-POWER-MIB::acmeFeedTable ")
	f("1.3.6.1.4.1.99999.1", "ACME-POWER-MIB::acmeFeedTable ")
	f("1.3.6.1.4.1.99999", "ACME-POWER-MIB::acmePower ")
	f("1.3.6.1.4.1.99999.1.1.2.5.65", "ACME-POWER-MIB::acmeFeedState 5.65")
	f("1.3.6.1.4.1.99999.1", "ACME-POWER-MIB::acmeFeedTable ")
	f("1.3.6.1.4.1.99993.1", "no module defines 1.3.6.1.4.1.99993.1 or an object that it begins with")
	f("acmeFeedLast", "no module defines acmeFeedLast; did you mean ACME-POWER-MIB::acmeFeedLost?")
}

func TestAModuleOfAFolderHasTheNamesOfTheBuiltInOneToo(t *testing.T) {
	l := library(t, map[string]string{"IF-MIB": "IF-MIB DEFINITIONS ::= BEGIN\nIMPORTS mib-2, OBJECT-TYPE FROM SNMPv2-SMI;\n" +
		"ifVendors OBJECT-TYPE SYNTAX INTEGER { yes(1) } MAX-ACCESS read-only STATUS current DESCRIPTION \"Ours.\" ::= { mib-2 31 77 }\nEND\n"})
	for _, label := range []string{"ifVendors", "linkDown"} {
		if d, err := l.Definition(context.Background(), "IF-MIB", label); err != nil || d.Label != label {
			t.Errorf("%s: %+v, %v", label, d, err)
		}
	}
	if _, err := l.Definitions(context.Background(), "IF-MBI"); err == nil || !strings.Contains(err.Error(), "did you mean IF-MIB?") {
		t.Errorf("got %v", err)
	}
}

func TestCommentsOnNotificationsAreTheirTags(t *testing.T) {
	want := map[string]Tags{
		"acmeDown": {
			Type: "Acme: Down", Summary: "Unit %s is down, state %d.", Arguments: []int{0, 2}, Severity: "MAJOR", State: "DEGRADED", Category: "Status",
		},
		"acmeUp": {Severity: "INFORMATIONAL"},
	}
	got := tagsIn(`ACME-MIB DEFINITIONS ::= BEGIN
IMPORTS TRAP-TYPE FROM RFC-1215; -- --#SEVERITY CRITICAL
acmeDown TRAP-TYPE ENTERPRISE acme VARIABLES { a, b, c } DESCRIPTION "Down; acmeNone TRAP-TYPE"
   --#TYPE "Acme: Down"
   --#SUMMARY "Unit %s is down,"
   --#SUMMARY "state %d."
   --#ARGUMENTS { 0, 2 }
   --#SEVERITY MAJOR
   --#TIMEINDEX 1
   --#CATEGORY   Status
   --#STATE DEGRADED
   ::= 1
acmeUp NOTIFICATION-TYPE
   STATUS current DESCRIPTION "Up" --  # SEVERITY INFORMATIONAL
   ::= { acme 2 }
END`)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestListCountsWhatModulesDefine(t *testing.T) {
	l := library(t, map[string]string{"a": vendorModule})
	for _, m := range l.List() {
		switch m.Name {
		case "ACME-POWER-MIB":
			if m.Objects != 2 || m.Notifications != 1 || !strings.HasSuffix(m.File, "/a") {
				t.Errorf("%+v", m)
			}
		case "UPS-MIB":
			if m.Objects != 59 || m.Notifications != 4 || m.File != "smi/UPS-MIB.mib" {
				t.Errorf("%+v", m)
			}
		}
	}
}
