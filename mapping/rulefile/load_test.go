package rulefile_test

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pdaltagent/pdaltagent/ingest"
	"github.com/pdaltagent/pdaltagent/mapping"
	"github.com/pdaltagent/pdaltagent/mapping/rulefile"
)

// noMIBs is a Namer that knows linkDown alone.
type noMIBs struct{}

func (noMIBs) OID(name string) (string, error) {
	if name == "IF-MIB::linkDown" {
		return "1.3.6.1.6.3.1.1.5.3", nil
	}
	return "", fmt.Errorf("no module defines %q", name)
}
func (noMIBs) Name(string) (module, label, instance string, ok bool) { return "", "", "", false }
func (noMIBs) Value(_ string, v any) any                             { return v }
func (noMIBs) Index(string) string                                   { return "" }

// tree writes files into a new folder.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func rule(id string) string {
	return "rules:\n  - { id: " + id + ", match: { syslog: app }, continue: true, event: { summary: " + id + " } }\n"
}

// fired returns the rules that a line of app fires, in order.
func fired(rules *mapping.Rules) string {
	var r mapping.Result
	rules.Apply(&ingest.Message{
		ReceivedAt: time.Unix(0, 0), Protocol: ingest.Syslog, Source: netip.MustParseAddr("192.0.2.1"),
		Line: &ingest.Line{AppName: "app", Text: "x"},
	}, &r)
	var ids []string
	for _, e := range r.Events {
		ids = append(ids, e.Rule)
	}
	return strings.Join(ids, " ")
}

// TestFilesAreReadInLexicalOrder: folders at any depth, *.yaml and *.yml,
// without hidden ones; several documents of a file follow one another.
func TestFilesAreReadInLexicalOrder(t *testing.T) {
	dir := tree(t, map[string]string{
		"20-b.yaml": rule("b"), "30-bc.yaml": rule("bc"), "10-a.yml": rule("a"), "30/c.yaml": rule("c") + "---\n" + rule("d") + "---\n",
		".hidden.yaml": rule("hidden"), "notes.txt": "not: [yaml", ".git/x.yaml": rule("git"), "99-empty.yaml": "# nothing\n",
	})
	single := filepath.Join(tree(t, map[string]string{"z.rules": rule("z")}), "z.rules")
	rules, err := rulefile.Load([]string{single, dir}, noMIBs{})
	if err != nil {
		t.Fatal(err)
	}
	if got := fired(rules); got != "z a b bc c d" || rules.Len() != 6 {
		t.Errorf("got %q, %d rules", got, rules.Len())
	}
}

// TestNoRulesMatchNothing: an appliance without rules counts what it gets.
func TestNoRulesMatchNothing(t *testing.T) {
	rules, err := rulefile.Load(nil, noMIBs{})
	if err != nil || rules.Len() != 0 || fired(rules) != "" {
		t.Errorf("%v, %v", rules, err)
	}
}

// TestAllFaultsOfAllFilesAreSaid, sorted by file and place.
func TestAllFaultsOfAllFilesAreSaid(t *testing.T) {
	dir := tree(t, map[string]string{
		"a.yaml": rule("same") + "  - { id: x, mtch: { syslog: a }, drop: true }\ndefaults: { event: { group: g } }\n",
		"b.yaml": rule("same") + "defaults: { event: { group: h } }\n",
		"c.yaml": "rules:\n\t- id: x\n",
		"d.yaml": "rules: { id: x }\n---\nenrich: 5\n",
	})
	_, err := rulefile.Load([]string{dir}, noMIBs{})
	var faults mapping.Faults
	if !errors.As(err, &faults) {
		t.Fatalf("got %v", err)
	}
	want := strings.ReplaceAll(`DIR/a.yaml:3:5: a rule needs a match with one of trap, syslog, http and webhook; "*" takes them all
DIR/a.yaml:3:14: unknown key "mtch" in a rule; did you mean "match"?
DIR/b.yaml:2:11: there is another rule "same" at DIR/a.yaml:2:11: ids must differ, as alerts are told apart by them
DIR/b.yaml:3:22: defaults.event.group is given at DIR/a.yaml:4:22 already
DIR/c.yaml:2:1: found character that cannot start any token: indent with spaces, not with tabs
DIR/d.yaml:1:8: rules is a list: each element starts with -
DIR/d.yaml:3:9: enrich is a list: each element starts with -`, "DIR", dir)
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Error(diff)
	}
	var one mapping.Fault
	if !errors.As(err, &one) || one.Place.Line != 3 {
		t.Errorf("the faults cannot be had one by one: %v", one)
	}
}

// TestWhatCannotBeReadHidesNothing: the other files' faults and warnings are
// said too.
func TestWhatCannotBeReadHidesNothing(t *testing.T) {
	dir := tree(t, map[string]string{
		"a.yaml": "rules: [ { id: a, match: { syslog: x, when: 1 == 2 }, event: {} } ]", "b.yaml": "rules: [ { id: b } ]",
	})
	if err := os.Symlink("/nowhere/a.yaml", filepath.Join(dir, "a0.yaml")); err != nil {
		t.Fatal(err)
	}
	rules, warnings, err := rulefile.Loader{Namer: noMIBs{}}.Load("/nowhere/rules.d", dir)
	if err == nil || !strings.Contains(err.Error(), filepath.Join(dir, "a0.yaml")) {
		t.Errorf("got %v", err)
	}
	if rules != nil || err == nil || !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "b.yaml:1:10: a rule needs a match") {
		t.Errorf("got %v, %v", rules, err)
	}
	if len(warnings) != 1 || warnings[0].Message != "this condition is never true" {
		t.Errorf("got %v", warnings)
	}
}

// TestTablesAreBesideTheirRules: a path is relative to the file that names
// it, and both files are watched.
func TestTablesAreBesideTheirRules(t *testing.T) {
	dir := tree(t, map[string]string{
		"rules.d/a.yaml": "tables: { t: { file: ../tables/t.csv, key: k } }\nrules: [ { id: a, match: { syslog: app, when: 'lookup(\"t\", \"x\").v == \"1\"' }, event: {} } ]",
		"tables/t.csv":   "k,v\nx,1\n",
	})
	rules, _, err := rulefile.Loader{Namer: noMIBs{}}.Load(filepath.Join(dir, "rules.d"))
	if err != nil {
		t.Fatal(err)
	}
	if got := fired(rules); got != "a" {
		t.Errorf("got %q", got)
	}
	want := []string{filepath.Join(dir, "tables/t.csv"), filepath.Join(dir, "rules.d/a.yaml")}
	if diff := cmp.Diff(want, rules.Files()); diff != "" {
		t.Error(diff)
	}
	if err := os.Remove(filepath.Join(dir, "tables/t.csv")); err != nil {
		t.Fatal(err)
	}
	_, _, err = rulefile.Loader{Namer: noMIBs{}}.Load(filepath.Join(dir, "rules.d"))
	if err == nil || !strings.Contains(err.Error(), "a.yaml:1:22: table \"t\": there is no file or folder "+filepath.Join(dir, "tables/t.csv")) {
		t.Errorf("got %v", err)
	}
}

func TestUnreadableFilesNameTheMend(t *testing.T) {
	_, err := rulefile.Load([]string{"/nowhere/rules.d"}, noMIBs{})
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "/nowhere/rules.d") || !strings.Contains(err.Error(), "create it") {
		t.Errorf("got %v", err)
	}
	if os.Getuid() == 0 {
		return // root may read everything
	}
	dir := tree(t, map[string]string{"a.yaml": rule("a")})
	if err := os.Chmod(filepath.Join(dir, "a.yaml"), 0); err != nil {
		t.Fatal(err)
	}
	_, err = rulefile.Load([]string{dir}, noMIBs{})
	if !errors.Is(err, os.ErrPermission) || !strings.Contains(err.Error(), "chmod") {
		t.Errorf("got %v", err)
	}
}

// TestYAMLPitfalls: what YAML makes easy to get wrong is refused with the
// mend, and what it makes look odd works.
func TestYAMLPitfalls(t *testing.T) {
	f := func(yaml, want string) {
		t.Helper()
		_, err := rulefile.Parse("r.yaml", []byte(yaml), noMIBs{})
		got := ""
		if err != nil {
			got = err.Error()
		}
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s\ngot %q, want %q", yaml, got, want)
		}
	}
	head := "rules:\n  - id: x\n    match: "
	tail := "\n    event: { summary: x }"
	f(head+"{ trap: IF-MIB::linkDown, when: vb.a == \"b\" ? true : false }"+tail, `r.yaml:3:`)
	f(head+"{ trap: IF-MIB::linkDown }"+tail, "")
	f(head+"{ trap: [IF-MIB::linkDown, 1.3.6.1.4.1.9.0.1] }"+tail, "")
	f(head+"{ trap: .1.3.6.1.4.1.9.0.1 }"+tail, "")
	f(head+"{ syslog: %LINK-3-UPDOWN }"+tail, `r.yaml:3:22: found character that cannot start any token: a text that starts with one of % @`)
	f(head+"{ syslog: * }"+tail, `needs quotes`)
	f(head+"{ syslog: x, when: message == \"a: b\" }"+tail, `in it needs quotes`)
	f("rules:\n  - id: x\n    match: { syslog: x }\n    event: { summary: ${source} }", `r.yaml:4:24: did not find expected ',' or '}': inside { } and [ ] a text with ${…} needs quotes`)
	f("rules:\n  - id: x\n    match: { syslog: x }\n    event: { summary: '${source}', group: x, group: y }", `r.yaml:4:46: key "group" is given twice`)
	f("rules:\n  - id: x\n    match: { syslog: x }\n    event:\n      summary: ${source} is: down", `r.yaml:5:28: mapping values are not allowed in this context: a text that has ": " in it needs quotes`)
	f("base: &b { syslog: x }\nrules: []", `r.yaml:1:1: unknown key "base"`)
	f("rules:\n  - &a { id: x, match: &m { syslog: x }, event: &e {} }\n  - { id: y, match: *m, event: *e }", "")
	f("rules:\n  - { id: x, match: { <<: { syslog: x } }, event: {} }", "merge keys (<<) are not supported")
	f("rules: &a [ *a ]", "r.yaml")
	f("rules:\n  - id: x\n    match: { syslog: x }\n    event: &e { custom_details: { a: *e } }", "nested too deep")
	f("rules: "+strings.Repeat("[", 200)+strings.Repeat("]", 200), "nested too deep")
	f("rules:\n  - { id: x, match: { syslog: x }, event: { severity: {} } }", "this ladder has no steps")
	long := strings.Repeat("(", 5000) + "1" + strings.Repeat(")", 5000)
	f("rules:\n  - { id: x, match: { syslog: x }, set: { a: "+long+" }, event: {} }", "r.yaml:2:46: the expression is too long: split it with set")
	f("rules:\n  - { id: x, match: { syslog: x }, set: { a: 1"+strings.Repeat(" + 1", 300)+" }, event: {} }", "the expression is too long: split it with set")
	f("a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e]", "repeat too much")
	f("\ufeffrules: []", "")
	f("[1, 2]", "r.yaml:1:1: a rule file is a mapping of keys to values")
	f("rules: []\nrules: []", `r.yaml:2:1: key "rules" is given twice`)
	f("rules:\n  - { id: [x], match: { syslog: x }, event: {} }", `r.yaml:2:11: id is a text, not a list or a mapping`)
	f("rules:\n  - { id: , match: { syslog: x }, event: {} }", `id is a text; there is none`)
	f("? [a]\n: b", "a key is a word")
	f("rules: [5]", "a rule is a mapping of keys to values")
}

// FuzzParse: no file makes the loader panic, and every fault has its file.
func FuzzParse(f *testing.F) {
	archives, err := filepath.Glob("../testdata/*.txtar")
	if err != nil || len(archives) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, name := range archives {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(data), "-- rules.yaml --\n")
		rules, _, _ := strings.Cut(rest, "\n-- ")
		f.Add([]byte(rules))
	}
	f.Add([]byte("rules: &a [ *a ]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		rules, err := rulefile.Parse("r.yaml", data, noMIBs{})
		if err == nil {
			fired(rules)
			return
		}
		for line := range strings.Lines(err.Error()) {
			if strings.HasPrefix(line, "r.yaml:") {
				return
			}
		}
		t.Errorf("no fault has a place: %v", err)
	})
}
