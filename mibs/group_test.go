package mibs

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// collection makes n modules of about 300 kB, each of which imports its root
// from the one before it.
func collection(n int) map[string]string {
	files := map[string]string{}
	for i := range n {
		var b strings.Builder
		parent, imports := "enterprises", "OBJECT-TYPE, NOTIFICATION-TYPE, Integer32, enterprises FROM SNMPv2-SMI"
		if i > 0 {
			parent = fmt.Sprintf("acme%d", i-1)
			imports = fmt.Sprintf("OBJECT-TYPE, NOTIFICATION-TYPE, Integer32 FROM SNMPv2-SMI %s FROM ACME-%d-MIB", parent, i-1)
		}
		fmt.Fprintf(&b, "ACME-%d-MIB DEFINITIONS ::= BEGIN IMPORTS %s;\nacme%d OBJECT IDENTIFIER ::= { %s 7 }\n", i, imports, i, parent)
		for j := range 1000 {
			fmt.Fprintf(&b, "acme%dObject%d OBJECT-TYPE SYNTAX Integer32 MAX-ACCESS read-only STATUS current\n"+
				"    DESCRIPTION %q ::= { acme%d 1 %d }\n", i, j, strings.Repeat("What it is. ", 15), i, j)
		}
		fmt.Fprintf(&b, "acme%dFailed NOTIFICATION-TYPE OBJECTS { acme%dObject0 } STATUS current DESCRIPTION \"\" ::= { acme%d 0 1 }\nEND\n", i, i, i)
		files[fmt.Sprintf("%03d.mib", i)] = b.String()
	}
	return files
}

// However many groups modules are read in, they import from one another.
func TestModulesOfDifferentGroupsImportFromOneAnother(t *testing.T) {
	const modules = 10
	dir := folder(t, collection(modules))
	source := newSource()
	if _, err := source.addFolder(dir); err != nil {
		t.Fatal(err)
	}
	if groups := groupsOf(source); len(groups) < 2 {
		t.Fatalf("%d groups: the test needs more", len(groups))
	}
	m, warnings := load(t, dir)
	if len(warnings) > 0 {
		t.Errorf("warnings: %q", warnings)
	}
	oid := "1.3.6.1.4.1"
	for i := range modules {
		oid += ".7"
		name := fmt.Sprintf("ACME-%d-MIB", i)
		notes := m.Notifications(name)
		if len(notes) != 1 || notes[0].OID != oid+".0.1" || notes[0].Objects[0] != fmt.Sprintf("acme%dObject0", i) {
			t.Fatalf("%s: %+v", name, notes)
		}
		if module, label, instance, _ := m.Name(oid + ".1.999.0"); module != name || label != fmt.Sprintf("acme%dObject999", i) || instance != "0" {
			t.Fatalf("%s: %s %s", name, module, label)
		}
	}
}

// A module is read again for every group that imports from it, but what is
// wrong with it is told once.
func TestAFaultIsToldOnce(t *testing.T) {
	files := collection(10)
	files["000.mib"] = strings.Replace(files["000.mib"], "\nEND\n", "\nacmeLost OBJECT IDENTIFIER ::= { nowhere 1 }\nEND\n", 1)
	_, warnings := load(t, folder(t, files))
	if len(warnings) != 1 || !strings.HasSuffix(warnings[0], "unresolved OID: acmeLost references unknown parent nowhere") {
		t.Errorf("warnings: %q", warnings)
	}
}

// The appliance keeps in 150 MB whatever modules it is given: half a million
// definitions take some 40 MB of them.
func TestADefinitionTakesLessThan80Octets(t *testing.T) {
	before := heap()
	m, _ := load(t, folder(t, collection(10)))
	if each := (heap() - before) / int64(len(m.defs)); each > 80 {
		t.Errorf("%d octets for each of %d definitions", each, len(m.defs))
	}
	runtime.KeepAlive(m)
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return int64(s.HeapAlloc)
}

func BenchmarkLoadFolder(b *testing.B) {
	dir := folder(b, collection(10))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := Load(context.Background(), []string{dir}); err != nil {
			b.Fatal(err)
		}
	}
}
