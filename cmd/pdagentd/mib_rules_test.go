package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pdaltagent/pdaltagent/ingest"
	"github.com/pdaltagent/pdaltagent/mapping"
	"github.com/pdaltagent/pdaltagent/mapping/rulefile"
	"github.com/pdaltagent/pdaltagent/mibs"
)

func TestRulesOfAModuleAreOneForEachProblem(t *testing.T) {
	out, errs, status := mib(t, "rules", "ACME-MIB")
	want := `rules:
  # acmeFanFailed: A fan stands still.
  # Its end, acmeFanRecovered: It turns again.
  # Carries vb.acmeFanName, vb.acmeFanState (normal, slow, failed). index: acmeFanIndex.
  - id: acme-fan-failed
    match:   { trap: ACME-MIB::acmeFanFailed }
    resolve: { trap: ACME-MIB::acmeFanRecovered }
    event:
      summary: '${source}: acme fan failed: name ${vb.acmeFanName}, state ${vb.acmeFanState}'
      severity: error
      component: '${vb.acmeFanName ?? index}'
      custom_details: '${vb}'

  # acmeTempHigh: It's hot; don't touch.
  # Carries vb.acmeTemp.
  - id: acme-temp-high
    match: { trap: ACME-MIB::acmeTempHigh }
    event:
      summary: '${source}: 100% sure: ${vb.acmeTemp} degrees in $${here}'
      severity: critical
      custom_details: '${vb}'

  # acmeTempNormal
  # Carries vb.acmeFanName. index: acmeFanIndex.
  - id: acme-temp-normal
    match: { trap: ACME-MIB::acmeTempNormal }
    event:
      summary: '${source}: acme temp normal: fan name ${vb.acmeFanName}'
      severity: info
      component: '${vb.acmeFanName ?? index}'
      custom_details: '${vb}'

  # acmeFanStateChange
  # Carries vb.acmeFanState (normal, slow, failed). index: acmeFanIndex.
  - id: acme-fan-state-change
    match:   { trap: ACME-MIB::acmeFanStateChange, when: 'vb.acmeFanState != "normal"' }
    resolve: { when: 'vb.acmeFanState == "normal"' }
    event:
      summary: '${source}: acme fan state change: state ${vb.acmeFanState}'
      severity: { error: 'vb.acmeFanState == "failed"', warning: true }
      component: '${index}'
      custom_details: '${vb}'
`
	got := out[strings.Index(out, "rules:"):]
	if diff := cmp.Diff(want, got); diff != "" || status != 0 || errs != "" {
		t.Error(diff, status, errs)
	}
	if !strings.HasPrefix(out, "# ACME-MIB: 4 rules of 5 notifications") {
		t.Error(out[:200])
	}
}

// A fan fails, and turns again: one alert is opened and closed.
func TestRulesOfAModuleOpenAndCloseOneAlert(t *testing.T) {
	l := newLab(t)
	out, _, _ := mib(t, "rules", "ACME-MIB")
	f := func(oid string, varbinds ...ingest.Varbind) mapping.Event {
		t.Helper()
		return l.apply(t, out, oid, varbinds...)
	}
	name := ingest.Varbind{OID: "1.3.6.1.4.1.99999.1.1.2.7", Type: ingest.OctetString, Value: []byte("rear")}
	state := ingest.Varbind{OID: "1.3.6.1.4.1.99999.1.1.3.7", Type: ingest.Integer, Value: int64(3)}
	failed, recovered := f("1.3.6.1.4.1.99999.0.1", name, state), f("1.3.6.1.4.1.99999.0.2", name)
	if failed.Action != mapping.Trigger || recovered.Action != mapping.Resolve || failed.DedupKey != recovered.DedupKey {
		t.Errorf("%v %q, %v %q", failed.Action, failed.DedupKey, recovered.Action, recovered.DedupKey)
	}
	if !strings.HasSuffix(failed.Summary, "acme fan failed: name rear, state failed") || failed.Severity != mapping.Error {
		t.Errorf("%q %v", failed.Summary, failed.Severity)
	}
	changed := f("1.3.6.1.4.1.99999.0.5", state)
	state.Value = int64(1)
	if back := f("1.3.6.1.4.1.99999.0.5", state); back.Action != mapping.Resolve || back.DedupKey != changed.DedupKey || changed.Action != mapping.Trigger {
		t.Errorf("%+v, %+v", changed, back)
	}
}

// apply has the rules of a file make one event of a trap.
func (l *lab) apply(t *testing.T, file, oid string, varbinds ...ingest.Varbind) mapping.Event {
	t.Helper()
	rules, err := rulefile.Parse("rules.yaml", []byte(file), l.library.Modules)
	if err != nil {
		t.Fatalf("%v\n%s", err, file)
	}
	if w := rules.Warnings(); len(w) > 0 {
		t.Error(w)
	}
	var result mapping.Result
	rules.Apply(&ingest.Message{Protocol: ingest.SNMP, Host: "switch", Trap: &ingest.Trap{OID: oid, Varbinds: varbinds}}, &result)
	if len(result.Events) != 1 || len(result.Errors) > 0 {
		t.Fatalf("%s: %+v", oid, result)
	}
	return result.Events[0]
}

func TestNamesTellWhatEndsWhat(t *testing.T) {
	f := func(clear, raise string, want bool) {
		t.Helper()
		if got := ends(clear, raise); got != want {
			t.Errorf("%s ends %s: %t", clear, raise, got)
		}
	}
	f("linkUp", "linkDown", true)
	f("acmeLinkUpTrap", "acmeLinkDownTrap", true)
	f("upsOverloadCleared", "upsOverload", true)
	f("tempReturnedToNormal", "temp", true)
	f("alarmCleared", "alarmRaised", true)
	f("fanAlarmOff", "fanAlarmOn", true)
	f("powerOn", "powerOff", true)
	f("maintenanceEnd", "maintenanceStart", true)
	f("maintenanceEnd", "maintenanceBegin", true)
	f("fanOk", "fanNotOk", true)
	f("fooNormal", "fooHigh", true)
	f("bgpEstablishedNotification", "bgpBackwardTransNotification", true)
	f("ciscoDemandNbrCallUp", "ciscoDemandNbrCallDown", true)
	f("cleared", "cleared", false)
	f("linkDown", "linkUp", false)
	f("powerOff", "powerOn", false)
	f("fanAlarmOn", "fanAlarmOff", false)
	f("fan2Up", "fan1Down", false)
	f("fanUp", "psuDown", false)
	f("coldStart", "warmStart", false)
	f("cleared", "", false)
}

// What a vendor calls critical is no end, whatever its name.
func TestAGraveNotificationEndsNothing(t *testing.T) {
	notes := []mibs.Definition{
		{Module: "ACME-MIB", Label: "acmeLinkUp", Tags: mibs.Tags{Severity: "CRITICAL"}}, {Module: "ACME-MIB", Label: "acmeLinkDown"},
	}
	if got := pairUp(notes); len(got) != 2 {
		t.Errorf("%+v", got)
	}
	notes[0].Tags.Severity = "INFORMATIONAL"
	if got := pairUp(notes); len(got) != 1 || len(got[0].end) != 1 {
		t.Errorf("%+v", got)
	}
}

func TestNamesAreTakenApart(t *testing.T) {
	f := func(name, want string) {
		t.Helper()
		if got := kebab(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	f("linkDown", "link-down")
	f("cpqDa3LogDrvFailed", "cpq-da3-log-drv-failed")
	f("ospfNSSATranslatorStatusChange", "ospf-nssa-translator-status-change")
	f("acme-oldTrap_v2", "acme-old-trap-v2")
	f("BGPUp", "bgp-up")
	f("größe", "gr-e")
	f("", "")
}

func TestSeverityIsWhatTagsSayThenNames(t *testing.T) {
	f := func(tag, state, name, description, want string) {
		t.Helper()
		if got := severityOf(tag, state, name, description); got != want {
			t.Errorf("%s %s %s %s: %s, want %s", tag, state, name, description, got, want)
		}
	}
	f("MAJOR", "OK", "fanNormal", "", "error")
	f("INFORMATIONAL", "", "fanFailed", "", "info")
	f("SEVERE", "", "x", "", "error")
	f("", "", "fanFailed", "", "error")
	f("", "", "tempCritical", "", "critical")
	f("", "", "tempThresholdExceeded", "", "warning")
	f("", "", "fanFailureCleared", "", "info")
	f("", "OK", "someEvent", "", "info")
	f("", "", "someEvent", "The battery has failed. It is gone.", "error")
	f("", "", "someEvent", "Something.", "warning")
}

func TestScalarsAreQuotedWhereYAMLWantsIt(t *testing.T) {
	f := func(s, want string) {
		t.Helper()
		if got := quoted(s); got != want {
			t.Errorf("%q: %s, want %s", s, got, want)
		}
	}
	f("IF-MIB::linkDown", "IF-MIB::linkDown")
	f("1.3.6", "'1.3.6'")
	f("it's", "'it''s'")
	f("no", "'no'")
	f("a\nb", `"a\nb"`)
	f("", "''")
	f("key:", "'key:'")
	f("${x}", "'${x}'")
	f("# x", "'# x'")
}

// Whatever a description says, it stays in comments.
func TestCommentsStayComments(t *testing.T) {
	var out bytes.Buffer
	writeDrafts(&out, []string{"a\rb\u2028c\x00d"}, []draft{{
		id: "x", comments: []string{"- id: evil\n  drop: true", strings.Repeat("word ", 100)},
		match: draftMatch{traps: []string{"1.3.6.1"}}, event: []draftField{{key: "summary", value: "a\u2028b: 'c' \x01"}},
	}})
	rules, err := rulefile.Parse("x", out.Bytes(), newLab(t).library.Modules)
	if err != nil || rules.Len() != 1 {
		t.Errorf("%v\n%s", err, out.String())
	}
}
