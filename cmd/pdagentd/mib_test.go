package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pdaltagent/pdaltagent/mapping/rulefile"
	"github.com/pdaltagent/pdaltagent/mibs"
)

const acmeModule = `ACME-MIB DEFINITIONS ::= BEGIN
IMPORTS MODULE-IDENTITY, OBJECT-TYPE, NOTIFICATION-TYPE, Integer32, enterprises FROM SNMPv2-SMI
    DisplayString FROM SNMPv2-TC;
acme MODULE-IDENTITY LAST-UPDATED "202601010000Z" ORGANIZATION "Acme" CONTACT-INFO "Acme" DESCRIPTION "" ::= { enterprises 99999 }
acmeFanTable OBJECT-TYPE SYNTAX SEQUENCE OF AcmeFanEntry MAX-ACCESS not-accessible STATUS current DESCRIPTION "Fans." ::= { acme 1 }
acmeFanEntry OBJECT-TYPE SYNTAX AcmeFanEntry MAX-ACCESS not-accessible STATUS current DESCRIPTION "" INDEX { acmeFanIndex } ::= { acmeFanTable 1 }
AcmeFanEntry ::= SEQUENCE { acmeFanIndex Integer32, acmeFanName DisplayString, acmeFanState INTEGER }
acmeFanIndex OBJECT-TYPE SYNTAX Integer32 MAX-ACCESS not-accessible STATUS current DESCRIPTION "" ::= { acmeFanEntry 1 }
acmeFanName OBJECT-TYPE SYNTAX DisplayString (SIZE (0..32)) MAX-ACCESS read-only STATUS current
    DESCRIPTION "What it is called; a text that is longer than a line of a terminal is, so that it must be broken into several." ::= { acmeFanEntry 2 }
acmeFanState OBJECT-TYPE SYNTAX INTEGER { normal(1), slow(2), failed(3) } MAX-ACCESS read-only STATUS current DESCRIPTION "" ::= { acmeFanEntry 3 }
acmeTemp OBJECT-TYPE SYNTAX Integer32 UNITS "degrees" MAX-ACCESS read-only STATUS current DESCRIPTION "" ::= { acme 2 }
acmeFanFailed NOTIFICATION-TYPE OBJECTS { acmeFanName, acmeFanState } STATUS current DESCRIPTION "A fan stands still." ::= { acme 0 1 }
acmeFanRecovered NOTIFICATION-TYPE OBJECTS { acmeFanName } STATUS current DESCRIPTION "It turns again." ::= { acme 0 2 }
acmeTempHigh NOTIFICATION-TYPE OBJECTS { acmeTemp } STATUS current
    DESCRIPTION "It's hot; don't touch."
    --#SUMMARY "100%% sure: %d degrees in ${here}"
    --#ARGUMENTS { 0 }
    --#SEVERITY CRITICAL
    ::= { acme 0 3 }
acmeTempNormal NOTIFICATION-TYPE OBJECTS { acmeFanName } STATUS current DESCRIPTION "" ::= { acme 0 4 }
acmeFanStateChange NOTIFICATION-TYPE OBJECTS { acmeFanState } STATUS current DESCRIPTION "" ::= { acme 0 5 }
END
`

// mib runs 'pdagentd mib' with a configuration that names a folder with
// acmeModule in it.
func mib(t *testing.T, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "pdagentd.yaml")
	for name, text := range map[string]string{config: "mibs: [" + dir + "/mibs]\n", dir + "/mibs/acme.mib": acmeModule} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var out, errs bytes.Buffer
	status = execute(context.Background(), append([]string{"mib", "--config", config}, args...), &out, &errs)
	return strings.ReplaceAll(out.String(), dir, "DIR"), strings.ReplaceAll(errs.String(), dir, "DIR"), status
}

// lab has the modules that mib uses.
type lab struct{ library *mibs.Library }

func newLab(t *testing.T) *lab {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "acme.mib"), []byte(acmeModule), 0o644); err != nil {
		t.Fatal(err)
	}
	library, _, err := mibs.Open(context.Background(), []string{dir})
	if err != nil {
		t.Fatal(err)
	}
	return &lab{library}
}

func TestMIBListShowsModules(t *testing.T) {
	out, errs, status := mib(t, "list", "acme")
	want := "MODULE    OBJECTS  NOTIFICATIONS  WARNINGS  FILE\n" +
		"ACME-MIB  4        5              0         DIR/mibs/acme.mib\n" +
		"1 module: 4 objects, 5 notifications\n"
	if diff := cmp.Diff(want, out); diff != "" || status != 0 || errs != "" {
		t.Error(diff, status, errs)
	}
	if out, _, _ := mib(t, "list", "*-mib"); !strings.Contains(out, "\nIF-MIB ") || strings.Contains(out, "NET-SNMP-TC") {
		t.Error(out)
	}
	if out, _, _ := mib(t, "list"); !strings.Contains(out, "(built in)") || !strings.Contains(out, "ACME-MIB") {
		t.Error(out)
	}
}

func TestMIBShowSaysWhatAModuleSays(t *testing.T) {
	f := func(name, want string) {
		t.Helper()
		out, errs, status := mib(t, "show", name)
		if diff := cmp.Diff(strings.TrimLeft(want, "\n"), out); diff != "" || status != 0 || errs != "" {
			t.Error(diff, status, errs)
		}
	}
	f("acmeFanState.7", `
ACME-MIB::acmeFanState
  OID       1.3.6.1.4.1.99999.1.1.3
  is        a column of acmeFanEntry
  syntax    Integer32
  values    normal(1), slow(2), failed(3)
  index     acmeFanIndex
  instance  7
  status    current, read-only
`)
	f("1.3.6.1.4.1.99999.1.1.2", `
ACME-MIB::acmeFanName
  OID       1.3.6.1.4.1.99999.1.1.2
  is        a column of acmeFanEntry
  syntax    DisplayString (OCTET STRING, 0..32 octets)
  hint      255a
  index     acmeFanIndex
  status    current, read-only
  says      What it is called; a text that is longer than a line of a terminal is, so that it must
            be broken into several.
`)
	f("ACME-MIB::acmeTempHigh", `
ACME-MIB::acmeTempHigh
  OID       1.3.6.1.4.1.99999.0.3
  is        a notification
  status    current
  severity  CRITICAL
  summary   100%% sure: %d degrees in ${here}
  says      It's hot; don't touch.
  carries   acmeTemp  Integer32
`)
	f("acmeFanTable", `
ACME-MIB::acmeFanTable
  OID       1.3.6.1.4.1.99999.1
  is        a table
  index     acmeFanIndex
  status    current
  says      Fans.
  columns   acmeFanIndex  Integer32
            acmeFanName   DisplayString (OCTET STRING, 0..32 octets)
            acmeFanState  normal(1), slow(2), failed(3)
`)
	f("1.3.6.1.2.1.17.4.3.1.2.0.26.43.60.77.94", `
BRIDGE-MIB::dot1dTpFdbPort
  OID       1.3.6.1.2.1.17.4.3.1.2
  is        a column of dot1dTpFdbEntry
  syntax    Integer32
  index     dot1dTpFdbAddress
  instance  0.26.43.60.77.94, which rules see as index "00:1a:2b:3c:4d:5e"
  status    current, read-only
  says      Port where it was seen; 0: not learned.
`)
}

func TestMIBCommandsThatGoWrongNameTheMend(t *testing.T) {
	f := func(status int, want string, args ...string) {
		t.Helper()
		out, errs, got := mib(t, args...)
		if got != status || !strings.Contains(errs, want) || out != "" {
			t.Errorf("mib %v: %d %q %q", args, got, errs, out)
		}
	}
	f(2, "say what to do: list, show, rules, convert")
	f(2, `mib has no command "sow"; did you mean "show"?`, "sow")
	f(2, "mib show takes one argument, the name or OID of an object or a notification", "show")
	f(2, "mib rules takes one argument, the name of a module", "rules", "A", "B")
	f(2, "mib list takes one argument at most", "list", "A", "B")
	f(1, "no module defines acmeFanFaild; did you mean ACME-MIB::acmeFanFailed?", "show", "acmeFanFaild")
	f(1, "no acmeFanFaild in ACME-MIB; did you mean ACME-MIB::acmeFanFailed?", "show", "ACME-MIB::acmeFanFaild")
	f(1, "no acmeFanFailed in IF-MIB; did you mean ACME-MIB::acmeFanFailed?", "show", "IF-MIB::acmeFanFailed")
	f(1, "no module ACME-MBI; did you mean ACME-MIB?", "rules", "ACME-MBI")
	f(1, `no module is called ACNE-MIB; did you mean "ACME-MIB"?`, "list", "ACNE-MIB")
	f(1, "SNMPv2-TC defines no notification; these do: SNMPv2-MIB", "rules", "SNMPv2-TC")
	f(1, "there is no file nowhere.conf", "convert", "nowhere.conf")
	f(1, "is a folder", "convert", os.TempDir())
}

func TestMIBHelp(t *testing.T) {
	out, errs, status := mib(t, "--help")
	if status != 0 || errs != "" || !strings.Contains(out, "mib convert FILE") {
		t.Error(out, errs, status)
	}
}

// What 'mib rules' prints is a rule file as it stands, for every module.
func TestRulesOfEveryModuleCompile(t *testing.T) {
	library, _, err := mibs.Open(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	modules := 0
	for _, module := range library.List() {
		if module.Notifications == 0 {
			continue
		}
		modules++
		var out bytes.Buffer
		b := mibBrowser{library: library, stdout: &out}
		if err := b.rules(context.Background(), module.Name); err != nil {
			t.Error(err)
		}
		rules, err := rulefile.Parse(module.Name, out.Bytes(), library.Modules)
		if err != nil {
			t.Errorf("%v\n%s", err, out.String())
			continue
		}
		if w := rules.Warnings(); len(w) > 0 {
			t.Errorf("%s: %v", module.Name, w)
		}
	}
	if modules < 15 {
		t.Errorf("%d modules have notifications", modules)
	}
}
