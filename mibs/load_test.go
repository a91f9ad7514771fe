package mibs

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golangsnmp/gomib"
	"github.com/google/go-cmp/cmp"
)

const vendorModule = `ACME-POWER-MIB DEFINITIONS ::= BEGIN
IMPORTS
    MODULE-IDENTITY, OBJECT-TYPE, NOTIFICATION-TYPE, Integer32, enterprises FROM SNMPv2-SMI
    DisplayString FROM SNMPv2-TC
    ifIndex FROM IF-MIB;
acmePower MODULE-IDENTITY
    LAST-UPDATED "202001010000Z" ORGANIZATION "Acme" CONTACT-INFO "Acme" DESCRIPTION "Power."
    ::= { enterprises 99999 }
acmeFeedTable OBJECT-TYPE SYNTAX SEQUENCE OF AcmeFeedEntry MAX-ACCESS not-accessible STATUS current
    DESCRIPTION "Feeds." ::= { acmePower 1 }
acmeFeedEntry OBJECT-TYPE SYNTAX AcmeFeedEntry MAX-ACCESS not-accessible STATUS current
    DESCRIPTION "A feed." INDEX { ifIndex, IMPLIED acmeFeedName } ::= { acmeFeedTable 1 }
AcmeFeedEntry ::= SEQUENCE { acmeFeedName DisplayString, acmeFeedState INTEGER, acmeFeedVolts Integer32 }
acmeFeedName OBJECT-TYPE SYNTAX DisplayString MAX-ACCESS not-accessible STATUS current
    DESCRIPTION "Name." ::= { acmeFeedEntry 1 }
acmeFeedState OBJECT-TYPE SYNTAX INTEGER { good(1), bad(2) } MAX-ACCESS read-only STATUS current
    DESCRIPTION "State." ::= { acmeFeedEntry 2 }
acmeFeedLost NOTIFICATION-TYPE OBJECTS { acmeFeedState } STATUS current
    DESCRIPTION "A feed was lost." ::= { acmePower 0 1 }
END
`

const oldModule = `ACME-OLD-MIB DEFINITIONS ::= BEGIN
IMPORTS enterprises FROM RFC1155-SMI OBJECT-TYPE FROM RFC-1212 TRAP-TYPE FROM RFC-1215;
acmeOld OBJECT IDENTIFIER ::= { enterprises 99998 }
acmeOldDoor OBJECT-TYPE SYNTAX INTEGER { open(1), closed(2) } ACCESS read-only STATUS mandatory
    DESCRIPTION "Door." ::= { acmeOld 1 }
acmeOldDoorOpen TRAP-TYPE ENTERPRISE acmeOld VARIABLES { acmeOldDoor } DESCRIPTION "Door open." ::= 7
END
`

// folder writes files by name into a new folder.
func folder(tb testing.TB, files map[string]string) string {
	tb.Helper()
	dir := tb.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			tb.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			tb.Fatal(err)
		}
	}
	return dir
}

// load loads folders, and returns the warnings as text with the folders'
// paths cut off.
func load(tb testing.TB, dirs ...string) (*Modules, []string) {
	tb.Helper()
	m, warnings, err := Load(context.Background(), dirs)
	if err != nil {
		tb.Fatal(err)
	}
	var texts []string
	for _, w := range warnings {
		text := w.String()
		for _, dir := range dirs {
			text = strings.ReplaceAll(text, dir+"/", "")
		}
		texts = append(texts, text)
	}
	return m, texts
}

func TestModulesOfFoldersAreNamedByWhatIsInTheFiles(t *testing.T) {
	dir := folder(t, map[string]string{
		"acme/power-v2.txt":  vendorModule,
		"both.MY":            "-- two modules\n\n" + oldModule + "\nACME-TC DEFINITIONS ::= BEGIN\nacmeTC OBJECT IDENTIFIER ::= { iso 9 }\nEND\n",
		".hidden/broken.mib": "nothing",
		".swp":               "nothing",
	})
	m, warnings := load(t, dir)
	if len(warnings) > 0 {
		t.Errorf("warnings: %q", warnings)
	}
	f := func(got, want any) {
		t.Helper()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	_, label, _, _ := m.Name("1.3.6.1.4.1.99999.0.1")
	f(label, "acmeFeedLost")
	f(m.Value("1.3.6.1.4.1.99999.1.1.2.5.65.66", int64(2)), "bad")
	f(m.Index("1.3.6.1.4.1.99999.1.1.2.5.65.66"), "5.AB")
	_, label, _, _ = m.Name("1.3.6.1.4.1.99998.0.7")
	f(label, "acmeOldDoorOpen")
	_, label, _, _ = m.Name("1.3.6.1.4.1.99998.7")
	f(label, "acmeOldDoorOpen")
	f(m.Notifications("ACME-OLD-MIB"), []Notification{{"ACME-OLD-MIB", "acmeOldDoorOpen", "1.3.6.1.4.1.99998.0.7", []string{"acmeOldDoor"}}})
	oid, err := m.OID("ACME-TC::acmeTC")
	f(oid, "1.9")
	f(err, nil)
	_, label, _, _ = m.Name("1.3.6.1.6.3.1.1.5.3")
	f(label, "linkDown")
}

func TestAFaultyFileIsAWarningThatNamesIt(t *testing.T) {
	dir := folder(t, map[string]string{
		"good.mib":   vendorModule,
		"binary.mib": "ACME DEFINITIONS ::= BEGIN\x00\x01\x02",
		"empty.mib":  "",
		"readme.txt": "These are MIBs. DEFINITIONS ::= BEGIN is not at their end.",
		"broken.mib": "ACME-BROKEN-MIB DEFINITIONS ::= BEGIN\nIMPORTS enterprises FROM SNMPv2-SMI;\n" +
			"acmeBroken OBJECT IDENTIFIER ::= { enterprises 99997 }\n\nacmeBad OBJECT-TYPE SYNTAX }}} ::= {\n" +
			"acmeFine OBJECT IDENTIFIER ::= { acmeBroken 2 }\nEND\n",
		"orphan.mib": "ACME-ORPHAN-MIB DEFINITIONS ::= BEGIN\nIMPORTS acmeRoot, AcmeType FROM ACME-SMI;\n" +
			"acmeOrphan OBJECT IDENTIFIER ::= { acmeRoot 1 }\nEND\n",
		"twice.mib": strings.Replace(vendorModule, "99999", "99990", 1),
		"copy.txt":  vendorModule,
	})
	m, warnings := load(t, dir)
	want := []string{
		"binary.mib: is no text",
		"twice.mib: ACME-POWER-MIB: is in copy.txt, too, which is used: remove one of them",
		"empty.mib: holds no SMI module: a line NAME DEFINITIONS ::= BEGIN is missing",
		"readme.txt: holds no SMI module: a line NAME DEFINITIONS ::= BEGIN is missing",
		"broken.mib:5: ACME-BROKEN-MIB: expected type syntax",
		"orphan.mib:2: ACME-ORPHAN-MIB: imports from ACME-SMI, which is missing: put its file in one of the folders (and 1 more of this kind)",
		"orphan.mib:3: ACME-ORPHAN-MIB: unresolved OID: acmeOrphan references unknown parent acmeRoot",
	}
	if diff := cmp.Diff(want, warnings); diff != "" {
		t.Error(diff)
	}
	for name, want := range map[string]string{"acmeFeedLost": "1.3.6.1.4.1.99999.0.1", "acmeFine": "1.3.6.1.4.1.99997.2"} {
		if oid, err := m.OID(name); err != nil || oid != want {
			t.Errorf("%s: %s, %v", name, oid, err)
		}
	}
}

func TestNoFolderTakesABuiltInNameAway(t *testing.T) {
	first := folder(t, map[string]string{
		"IF-MIB": "IF-MIB DEFINITIONS ::= BEGIN\nIMPORTS mib-2, OBJECT-TYPE, Integer32 FROM SNMPv2-SMI;\n" +
			"ifMIB OBJECT IDENTIFIER ::= { mib-2 31 }\n" +
			"ifVendors OBJECT-TYPE SYNTAX INTEGER { yes(1) } MAX-ACCESS read-only STATUS current DESCRIPTION \"\" ::= { ifMIB 77 }\nEND\n",
		"rename.mib": "ACME-IF-MIB DEFINITIONS ::= BEGIN\nIMPORTS mib-2, OBJECT-TYPE FROM SNMPv2-SMI;\n" +
			"acmeUptime OBJECT-TYPE SYNTAX INTEGER MAX-ACCESS read-only STATUS current DESCRIPTION \"\" ::= { mib-2 1 3 }\nEND\n",
	})
	second := folder(t, map[string]string{
		"IF-MIB": "IF-MIB DEFINITIONS ::= BEGIN\nIMPORTS mib-2 FROM SNMPv2-SMI;\nifOther OBJECT IDENTIFIER ::= { mib-2 31 78 }\nEND\n",
	})
	m, warnings := load(t, first, second)
	if want := []string{"IF-MIB: IF-MIB: is in IF-MIB, too, which is used: remove one of them"}; !cmp.Equal(warnings, want) {
		t.Errorf("warnings: %q", warnings)
	}
	f := func(oid, want string) {
		t.Helper()
		if module, label, _, _ := m.Name(oid); module+"::"+label != want {
			t.Errorf("%s is %s::%s, want %s", oid, module, label, want)
		}
	}
	f("1.3.6.1.2.1.31.77.0", "IF-MIB::ifVendors") // of the first folder
	f("1.3.6.1.6.3.1.1.5.3", "IF-MIB::linkDown")  // of what is built in
	f("1.3.6.1.2.1.1.3.0", "SNMPv2-MIB::sysUpTime")
	if oid, err := m.OID("ACME-IF-MIB::acmeUptime"); err != nil || oid != "1.3.6.1.2.1.1.3" {
		t.Errorf("acmeUptime: %s, %v", oid, err)
	}
	if _, err := m.OID("ifOther"); err == nil {
		t.Error("the second folder's IF-MIB is used")
	}
}

func TestModulesOfSMIv1ImportFromRFC1213(t *testing.T) {
	m, warnings := load(t, folder(t, map[string]string{"v1": `ACME-V1-MIB DEFINITIONS ::= BEGIN
IMPORTS enterprises FROM RFC1155-SMI OBJECT-TYPE FROM RFC-1212 TRAP-TYPE FROM RFC-1215
    DisplayString, PhysAddress, ifIndex FROM RFC1213-MIB;
acme OBJECT IDENTIFIER ::= { enterprises 99996 }
acmeTable OBJECT-TYPE SYNTAX SEQUENCE OF AcmeEntry ACCESS not-accessible STATUS mandatory DESCRIPTION "" ::= { acme 2 }
acmeEntry OBJECT-TYPE SYNTAX AcmeEntry ACCESS not-accessible STATUS mandatory DESCRIPTION ""
    INDEX { ifIndex, acmeMAC } ::= { acmeTable 1 }
AcmeEntry ::= SEQUENCE { acmeName DisplayString, acmeMAC PhysAddress }
acmeName OBJECT-TYPE SYNTAX DisplayString ACCESS read-only STATUS mandatory DESCRIPTION "" ::= { acmeEntry 1 }
acmeMAC OBJECT-TYPE SYNTAX PhysAddress ACCESS read-only STATUS mandatory DESCRIPTION "" ::= { acmeEntry 2 }
acmeDown TRAP-TYPE ENTERPRISE acme VARIABLES { ifIndex, acmeName } ::= 7
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
	f(m.Value("1.3.6.1.4.1.99996.2.1.1.5.1.255", []byte("B\xfcro")), "Büro")
	f(m.Index("1.3.6.1.4.1.99996.2.1.1.5.2.0.255"), "5.00:ff")
	f(m.Notifications("ACME-V1-MIB"), []Notification{{"ACME-V1-MIB", "acmeDown", "1.3.6.1.4.1.99996.0.7", []string{"ifIndex", "acmeName"}}})
	module, label, _, _ := m.Name("1.3.6.1.2.1.2.2.1.1.5")
	f(module+"::"+label, "IF-MIB::ifIndex")
}

func TestLinesAreCountedFromTheBeginningOfTheFile(t *testing.T) {
	_, warnings := load(t, folder(t, map[string]string{
		"two.mib": "A-MIB DEFINITIONS ::= BEGIN\nEND\n\nB-MIB\nDEFINITIONS ::= BEGIN\nb OBJECT IDENTIFIER ::= { nowhere 1 }\nEND\n",
	}))
	if want := []string{"two.mib:6: B-MIB: unresolved OID: b references unknown parent nowhere"}; !cmp.Equal(warnings, want) {
		t.Errorf("warnings: %q", warnings)
	}
}

func TestAnOIDIsCalledWhatTheNewerKindOfModuleCallsIt(t *testing.T) {
	newer := strings.NewReplacer("ACME-OLD-MIB", "ACME-Z-MIB", "acmeOld", "acmeZ", "RFC1155-SMI", "SNMPv2-SMI",
		"RFC-1212", "SNMPv2-SMI", "ACCESS", "MAX-ACCESS", "mandatory", "current", "TRAP-TYPE FROM RFC-1215", "").Replace(oldModule)
	newer = newer[:strings.Index(newer, "acmeZDoorOpen")] + "END\n"
	m, warnings := load(t, folder(t, map[string]string{"a": oldModule, "z": newer}))
	if _, label, _, _ := m.Name("1.3.6.1.4.1.99998.1.0"); label != "acmeZDoor" || len(warnings) > 0 {
		t.Errorf("%s, %q", label, warnings)
	}
}

func TestOfEqualNamesTheFirstFolderSays(t *testing.T) {
	second := strings.NewReplacer("ACME-POWER-MIB", "ACME-A-MIB", "acmeFeed", "acmeAFeed", "AcmeFeed", "AcmeAFeed").Replace(vendorModule)
	m, _ := load(t, folder(t, map[string]string{"z": vendorModule}), folder(t, map[string]string{"a": second}))
	if module, label, _, _ := m.Name("1.3.6.1.4.1.99999.0.1"); module+"::"+label != "ACME-POWER-MIB::acmeFeedLost" {
		t.Errorf("%s::%s", module, label)
	}
}

func TestAnAddressInAnIndexSaysItsType(t *testing.T) {
	module := strings.NewReplacer("ifIndex FROM IF-MIB", "InetAddressType, InetAddress FROM INET-ADDRESS-MIB",
		"ifIndex, IMPLIED acmeFeedName", "acmeFeedVolts, acmeFeedName", "acmeFeedName DisplayString", "acmeFeedName InetAddress",
		"acmeFeedName OBJECT-TYPE SYNTAX DisplayString", "acmeFeedVolts OBJECT-TYPE SYNTAX InetAddressType MAX-ACCESS not-accessible STATUS current\n"+
			"DESCRIPTION \"\" ::= { acmeFeedEntry 3 }\nacmeFeedName OBJECT-TYPE SYNTAX InetAddress").Replace(vendorModule)
	m, warnings := load(t, folder(t, map[string]string{"a": module}))
	if got := m.Index("1.3.6.1.4.1.99999.1.1.2.1.4.192.0.2.1"); got != "192.0.2.1" || len(warnings) > 0 {
		t.Errorf("%s, %q", got, warnings)
	}
}

func TestLabelsOfSeveralModulesMustBeQualified(t *testing.T) {
	second := strings.NewReplacer("ACME-POWER-MIB", "ACME-NEW-MIB", "99999", "99991", "acmePower", "acmeNew").Replace(vendorModule)
	m, _ := load(t, folder(t, map[string]string{"a": vendorModule, "b": second}))
	want := "acmeFeedLost has several meanings; write ACME-NEW-MIB::acmeFeedLost or ACME-POWER-MIB::acmeFeedLost"
	if oid, err := m.OID("acmeFeedLost"); err == nil || err.Error() != want {
		t.Errorf("%s, %v", oid, err)
	}
	m, _ = load(t, folder(t, map[string]string{"a": vendorModule, "b": strings.Replace(vendorModule, "ACME-POWER-MIB", "ACME-NEW-MIB", 1)}))
	if oid, err := m.OID("acmeFeedLost"); err != nil || oid != "1.3.6.1.4.1.99999.0.1" {
		t.Errorf("of one meaning: %s, %v", oid, err)
	}
}

func TestALabelIsFoundInItsModule(t *testing.T) {
	second := strings.NewReplacer("ACME-POWER-MIB", "ACME-NEW-MIB", "99999", "99991", "acmePower", "acmeNew").Replace(vendorModule)
	m, _ := load(t, folder(t, map[string]string{"a": vendorModule, "b": second}))
	if oid, err := m.OID("ACME-NEW-MIB::acmeFeedLost"); err != nil || oid != "1.3.6.1.4.1.99991.0.1" {
		t.Errorf("%s, %v", oid, err)
	}
}

func TestFoldersMayBeReachedByLinks(t *testing.T) {
	dir, links := folder(t, map[string]string{"..data/acme.mib": vendorModule}), t.TempDir()
	if err := errors.Join(
		os.Symlink(filepath.Join("..data", "acme.mib"), filepath.Join(dir, "acme.mib")), // as Kubernetes mounts them
		os.Symlink(dir, filepath.Join(links, "mibs")),
		os.Symlink("nowhere", filepath.Join(links, "dangling")),
	); err != nil {
		t.Fatal(err)
	}
	m, warnings := load(t, filepath.Join(links, "mibs"))
	if _, err := m.OID("acmeFeedLost"); err != nil || len(warnings) > 0 {
		t.Errorf("%v, %q", err, warnings)
	}
	_, warnings = load(t, links)
	if len(warnings) != 2 || !strings.HasPrefix(warnings[0], "dangling: cannot be read") || !strings.HasPrefix(warnings[1], "mibs: is a link to a folder") {
		t.Errorf("warnings: %q", warnings)
	}
}

func TestAMissingFolderIsAnErrorThatNamesTheMend(t *testing.T) {
	f := func(dir, want string) {
		t.Helper()
		if _, _, err := Load(context.Background(), []string{dir}); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	missing := filepath.Join(t.TempDir(), "mibs")
	f(missing, "mibs: no folder "+missing+": make it, or take it out of mibs: in the configuration")
	file := filepath.Join(folder(t, map[string]string{"a.mib": vendorModule}), "a.mib")
	f(file, "mibs: "+file+" is a file: name the folder that it is in")
}

func TestLoadEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := Load(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// choking is a source that does as a reader that chokes on a module.
type choking struct {
	*source
	module string
	choke  func()
}

func (c choking) Find(name string) (gomib.FindResult, error) {
	if name == c.module {
		c.choke()
	}
	return c.source.Find(name)
}

// gomib is young: what it may do with a vendor's file must not end the
// daemon, nor take other modules away.
func TestAModuleThatItsReaderChokesOnIsLeftOut(t *testing.T) {
	folders := newSource()
	folders.index("good.mib", []byte(vendorModule), true)
	folders.index("bad.mib", []byte(oldModule), true)
	builtIn, err := builtInSource()
	if err != nil {
		t.Fatal(err)
	}
	b := newBuilder(nil)
	warnings := readFolders(context.Background(), b, folders,
		choking{folders, "ACME-OLD-MIB", func() { panic("index out of range") }}, builtIn)
	want := []Warning{{Module: "ACME-OLD-MIB", File: "bad.mib", Text: "is left out, as the parser chokes on it: index out of range"}}
	if diff := cmp.Diff(want, warnings); diff != "" {
		t.Error(diff)
	}
	m := b.done()
	if _, err := m.OID("acmeFeedLost"); err != nil {
		t.Error(err)
	}
	if _, err := m.OID("acmeOldDoorOpen"); err == nil {
		t.Error("the bad module is used")
	}
}

func TestAModuleWithoutEndIsLeftOut(t *testing.T) {
	dir := folder(t, map[string]string{
		"good.mib": vendorModule,
		// gomib v0.2.0 would parse this for ever, and take all memory.
		"endless.mib": "ACME-ENDLESS-MIB DEFINITIONS ::= BEGIN\nfoo TEXTUAL-CONVENTION STATUS current\nEND\n",
	})
	m, warnings := load(t, dir)
	want := []string{"endless.mib: ACME-ENDLESS-MIB: is left out, as the parser chokes on it: it would never come to an end"}
	if diff := cmp.Diff(want, warnings); diff != "" {
		t.Error(diff)
	}
	if _, err := m.OID("acmeFeedLost"); err != nil {
		t.Error(err)
	}
}

func TestFoldersThatTakeTooLongAreLeftOut(t *testing.T) {
	s := newSource()
	s.index("slow.mib", []byte(vendorModule), true)
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	got := readFolders(ctx, newBuilder(nil), s, choking{s, "ACME-POWER-MIB", func() { <-ctx.Done() }})
	want := []Warning{{File: "mibs", Text: "1 modules of the folders are left out: reading them took longer than 2m0s: name fewer or smaller folders"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestReadingEndsWithItsContext(t *testing.T) {
	s := newSource()
	s.index("slow.mib", []byte(vendorModule), true)
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	_, err := read(ctx, s.names, choking{s, "ACME-POWER-MIB", func() { <-ctx.Done() }})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}
