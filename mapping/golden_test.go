package mapping_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pdaltagent/pdaltagent/ingest"
	"github.com/pdaltagent/pdaltagent/mapping"
	"github.com/pdaltagent/pdaltagent/mapping/rulefile"
)

// archive is a text that holds files: a comment, and "-- name --" before each.
type archive struct {
	comment string
	names   []string
	files   map[string]string
}

func parseArchive(data string) archive {
	a := archive{files: map[string]string{}}
	current := &a.comment
	var body string
	name := ""
	for line := range strings.Lines(data) {
		if rest, ok := strings.CutPrefix(line, "-- "); ok && strings.HasSuffix(strings.TrimSpace(rest), " --") {
			if current = &body; name != "" {
				a.files[name] = body
			}
			name, body = strings.TrimSuffix(strings.TrimSpace(rest), " --"), ""
			a.names = append(a.names, name)
			continue
		}
		*current += line
	}
	if name != "" {
		a.files[name] = body
	}
	return a
}

func (a archive) String() string {
	b := a.comment
	for _, name := range a.names {
		b += "-- " + name + " --\n" + a.files[name]
	}
	return b
}

// golden is an event as the archives write it.
type golden struct {
	Message  int              // counted from 1
	Rule     string           `json:",omitempty"`
	Decision mapping.Decision `json:",omitempty"`
	Route    string           `json:",omitempty"`
	API      ingest.API       `json:",omitempty"`
	Action   mapping.Action   `json:",omitempty"`
	DedupKey string           `json:",omitempty"`
	Severity mapping.Severity `json:",omitempty"`
	Summary  string           `json:",omitempty"`
	Posted   bool             `json:",omitempty"`
	Payload  json.RawMessage  `json:",omitempty"`
	Gates    string           `json:",omitempty"` // those that are not the defaults
	Body     string           `json:",omitempty"`
	Stored   json.RawMessage  `json:",omitempty"` // Event.Message, where the archive asks for it
	Error    string           `json:",omitempty"`
}

func describe(t *testing.T, i int, e *mapping.Event, stored bool) golden {
	t.Helper()
	g := golden{
		Message: i, Rule: e.Rule, Decision: e.Decision, Route: e.Route, API: e.API, Action: e.Action,
		DedupKey: e.DedupKey, Severity: e.Severity, Summary: e.Summary, Posted: e.Posted, Payload: e.Payload, Body: string(e.Body),
	}
	if stored {
		g.Stored = e.Message
	}
	if e.Decision == mapping.Queued {
		g.Gates = gates(e)
	} else if e.Gates != nil {
		t.Errorf("event %d is %s and has gates", i, e.Decision)
	}
	for what, b := range map[string][]byte{"payload": e.Payload, "message": e.Message} {
		if len(b) > 0 && !json.Valid(b) {
			t.Errorf("the %s of event %d is not JSON: %s", what, i, b)
		}
	}
	return g
}

// gates writes gates down, without the limits of a rule set that says nothing.
func gates(e *mapping.Event) string {
	g := e.Gates
	if g == nil {
		return "none"
	}
	var parts []string
	add := func(there bool, format string, a ...any) {
		if there {
			parts = append(parts, fmt.Sprintf(format, a...))
		}
	}
	add(g.Threshold.Count > 0, "threshold %d in %v", g.Threshold.Count, g.Threshold.Within)
	if w := g.Maintenance; w != nil {
		add(true, "maintenance %q until %s", w.Name, w.Until.UTC().Format(time.RFC3339))
	}
	add(g.UnlessOpen != "", "unless %q", g.UnlessOpen)
	add(g.Hold > 0, "hold %v", g.Hold)
	add(g.Repeat > 0, "repeat %v", g.Repeat)
	add(g.ResolveAfter > 0, "resolve after %v", g.ResolveAfter)
	add(e.Action == mapping.Trigger && g.Storm != mapping.Storm{Alerts: 100, Within: time.Minute}, "storm %d in %v", g.Storm.Alerts, g.Storm.Within)
	flapping := mapping.Flapping{Changes: 6, Within: 15 * time.Minute, Quiet: 5 * time.Minute}
	add(g.Flapping != flapping, "flapping %d in %v, quiet %v", g.Flapping.Changes, g.Flapping.Within, g.Flapping.Quiet)
	return strings.Join(parts, "; ")
}

// TestSemantics runs the archives of testdata: each holds a sentence about the
// rules, rules, messages, and the events that they make. An archive with a
// file "faults" instead of messages is about rules that are refused.
func TestSemantics(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no archives: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			a := parseArchive(string(data))
			if strings.TrimSpace(a.comment) == "" {
				t.Error("the archive says no sentence")
			}
			want := "events.json"
			if slices.Contains(a.names, "faults") {
				want = "faults"
			}
			got := play(t, a)
			if flag.Lookup("update").Value.String() == "true" {
				if a.files[want] == "" {
					a.names = append(a.names, want)
				}
				a.names = slices.Compact(a.names)
				a.files[want] = got
				if err := os.WriteFile(file, []byte(a.String()), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(a.files[want], got); diff != "" {
				t.Errorf("%s(-want +got):\n%s", a.comment, diff)
			}
		})
	}
}

// play returns what the rules of an archive make of its messages, or what is
// wrong with them.
func play(t *testing.T, a archive) string {
	t.Helper()
	n := newSMI()
	rules, warnings, err := parse(a, n)
	if slices.Contains(a.names, "faults") {
		var said strings.Builder
		if err != nil {
			fmt.Fprintln(&said, err)
		}
		for _, w := range warnings {
			fmt.Fprintln(&said, "warning:", w)
		}
		return said.String()
	}
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	stored := strings.Contains(a.comment, "stored")
	for i, m := range parseMessages(t, n, a.files["messages.yaml"]) {
		var r mapping.Result
		rules.Apply(&m, &r)
		var all []golden
		for j := range r.Events {
			all = append(all, describe(t, i+1, &r.Events[j], stored))
		}
		if len(r.Events) == 0 {
			all = append(all, golden{Message: i + 1, Decision: mapping.Unmatched})
		}
		for _, e := range r.Errors {
			all = append(all, golden{Message: i + 1, Rule: e.Rule, Error: e.Err.Error()})
		}
		enc := json.NewEncoder(&out)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		for _, g := range all {
			if err := enc.Encode(g); err != nil {
				t.Fatal(err)
			}
		}
	}
	return out.String()
}

// parse reads an archive's rules.yaml, with the files of its tables. A comment
// that says raw is about history.raw, one that says route about routes noc and
// storage.
func parse(a archive, n *smi) (*mapping.Rules, mapping.Faults, error) {
	var tables []rulefile.File
	for name, data := range a.files {
		if strings.HasSuffix(name, ".csv") {
			tables = append(tables, rulefile.File{Name: name, Data: []byte(data)})
		}
	}
	l := rulefile.Loader{Namer: n, Raw: strings.Contains(a.comment, "history.raw")}
	if strings.Contains(a.comment, "a route is") {
		l.Routes = []string{"noc", "storage"}
	}
	return l.Parse(rulefile.File{Name: "rules.yaml", Data: []byte(a.files["rules.yaml"])}, tables...)
}

// TestReadmeExamplesLoad, without a warning.
func TestReadmeExamplesLoad(t *testing.T) {
	data, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(data), "```yaml\n")[1:]
	if len(blocks) < 5 {
		t.Fatalf("%d examples", len(blocks))
	}
	var tables []rulefile.File
	for _, block := range strings.Split(string(data), "```csv\n# ")[1:] {
		example, _, _ := strings.Cut(block, "```")
		name, rows, _ := strings.Cut(example, "\n")
		tables = append(tables, rulefile.File{Name: name, Data: []byte(rows)})
	}
	for _, block := range blocks {
		example, _, _ := strings.Cut(block, "```")
		_, warnings, err := rulefile.Loader{Namer: newSMI()}.Parse(rulefile.File{Name: "README.md", Data: []byte(example)}, tables...)
		if err != nil || len(warnings) > 0 {
			t.Errorf("%s\n%v\n%v", example, err, warnings)
		}
	}
}

// TestReadmeKnowsEveryWord: patterns, functions, keys and severities.
func TestReadmeKnowsEveryWord(t *testing.T) {
	data, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range append(mapping.EventKeys(), mapping.Words()...) {
		if !strings.Contains(string(data), word) {
			t.Errorf("%s is not in README.md", word)
		}
	}
}
