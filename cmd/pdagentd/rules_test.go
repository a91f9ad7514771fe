package main

import (
	"log/slog"
	"testing"

	"github.com/pdaltagent/pdaltagent/ingest"
	"github.com/pdaltagent/pdaltagent/mapping"
)

// TestShippedRulesTakeStandardTraps holds the shipped rules and modules
// against the OIDs that agents send, in both of the forms that a translated
// v1 trap can have.
func TestShippedRulesTakeStandardTraps(t *testing.T) {
	c := defaults()
	c.Rules = []string{"../../deploy/rules.d"}
	rules, err := loadRules(t.Context(), c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if warnings := rules.Warnings(); len(warnings) > 0 {
		t.Errorf("warnings: %v", warnings)
	}
	f := func(oid, want string, varbinds ...ingest.Varbind) {
		t.Helper()
		var made mapping.Result
		rules.Apply(&ingest.Message{Protocol: ingest.SNMP, Host: "sw1", Trap: &ingest.Trap{OID: oid, Varbinds: varbinds}}, &made)
		if len(made.Events) != 1 || made.Events[0].Rule+" "+string(made.Events[0].Action) != want || len(made.Errors) > 0 {
			t.Errorf("%s: %+v, want %s", oid, made, want)
		}
	}
	f("1.3.6.1.6.3.1.1.5.3", "link-down trigger")
	f("1.3.6.1.6.3.1.1.5.4", "link-down resolve")
	f("1.3.6.1.6.3.1.1.5.1", "restarted trigger")
	f("1.3.6.1.2.1.15.0.2", "bgp-peer-down trigger")
	f("1.3.6.1.2.1.15.0.1", "bgp-peer-down resolve")
	f("1.3.6.1.2.1.15.7.2", "bgp-peer-down trigger")
	f("1.3.6.1.2.1.15.7.0.2", "bgp-peer-down trigger")
	f("1.3.6.1.2.1.15.7.0.1", "bgp-peer-down resolve")
	f("1.3.6.1.2.1.16.0.1", "threshold-crossed trigger")
	f("1.3.6.1.2.1.33.2.1", "ups-on-battery trigger")
	f("1.3.6.1.2.1.33.2.0.1", "ups-on-battery trigger")
	f("1.3.6.1.2.1.33.2.4", "ups-on-battery resolve",
		ingest.Varbind{OID: "1.3.6.1.2.1.33.1.6.2.1.2.5", Type: ingest.ObjectIdentifier, Value: "1.3.6.1.2.1.33.1.6.3.2"})
	f("1.3.6.1.2.1.17.0.1", "spanning-tree-root trigger")
	f("1.3.6.1.4.1.99999.0.1", "unknown-trap trigger")
}
