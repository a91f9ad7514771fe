package mapping_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	yaml "go.yaml.in/yaml/v4"

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

// message is a message as the archives write it.
type message struct {
	From       string                       `yaml:"from"`
	Host       string                       `yaml:"host"`
	Trap       string                       `yaml:"trap"`
	Version    string                       `yaml:"version"`
	Community  string                       `yaml:"community"`
	Enterprise string                       `yaml:"enterprise"`
	VB         yaml.Node                    `yaml:"vb"`
	Syslog     string                       `yaml:"syslog"` // the text
	App        string                       `yaml:"app"`
	Mnemonic   string                       `yaml:"mnemonic"`
	Severity   *int                         `yaml:"severity"`
	SD         map[string]map[string]string `yaml:"sd"`
	HTTP       string                       `yaml:"http"`
	API        string                       `yaml:"api"`
	Type       string                       `yaml:"type"`
	Headers    map[string]string            `yaml:"headers"`
	Body       string                       `yaml:"body"`
}

// received is when the messages of the tests came in.
func received() time.Time { return time.Date(2026, 3, 1, 2, 3, 4, 567e6, time.UTC) }

// anID is the id of messages whose id does not matter.
func anID() uuid.UUID { return uuid.MustParse("01956a3b-0000-7000-8000-000000000001") }

func (m *message) message(tb testing.TB, n *smi, i int) ingest.Message {
	tb.Helper()
	msg := ingest.Message{
		ID:         uuid.MustParse(fmt.Sprintf("01956a3b-0000-7000-8000-%012d", i)),
		ReceivedAt: received(), Source: netip.MustParseAddr("192.0.2.1"), Host: m.Host,
	}
	if m.From != "" {
		msg.Source = netip.MustParseAddr(m.From)
	}
	switch {
	case m.HTTP != "":
		msg.Protocol, msg.Request = ingest.HTTP, m.request(tb)
	case m.Syslog != "" || m.App != "":
		msg.Protocol, msg.Line = ingest.Syslog, m.line()
	default:
		msg.Protocol, msg.Trap = ingest.SNMP, m.trap(tb, n)
	}
	return msg
}

func (m *message) trap(tb testing.TB, n *smi) *ingest.Trap {
	tb.Helper()
	trap := &ingest.Trap{Version: "v2c", OID: m.Trap, Community: ingest.Secret(m.Community), Enterprise: m.Enterprise, Uptime: 4200}
	if m.Version != "" {
		trap.Version = m.Version
	}
	if oid, err := n.OID(m.Trap); err == nil {
		trap.OID = oid
	}
	for i := 0; i+1 < len(m.VB.Content); i += 2 {
		oid := n.instance(m.VB.Content[i].Value)
		trap.Varbinds = append(trap.Varbinds, varbind(tb, n, oid, m.VB.Content[i+1]))
	}
	return trap
}

// varbind reads a value: a number, an enumeration's word, or a text; "oid:",
// "hex:", "ip:", "counter:" and "null:" say otherwise.
func varbind(tb testing.TB, n *smi, oid string, v *yaml.Node) ingest.Varbind {
	tb.Helper()
	kind, rest, _ := strings.Cut(v.Value, ":")
	switch kind {
	case "oid":
		return ingest.Varbind{OID: oid, Type: ingest.ObjectIdentifier, Value: n.instance(rest)}
	case "hex":
		b, err := hex.DecodeString(rest)
		if err != nil {
			tb.Fatal(err)
		}
		return ingest.Varbind{OID: oid, Type: ingest.OctetString, Value: b}
	case "ip":
		return ingest.Varbind{OID: oid, Type: ingest.IPAddress, Value: netip.MustParseAddr(rest)}
	case "counter":
		var c uint64
		_, err := fmt.Sscan(rest, &c)
		if err != nil {
			tb.Fatal(err)
		}
		return ingest.Varbind{OID: oid, Type: ingest.Counter64, Value: c}
	case "null":
		return ingest.Varbind{OID: oid, Type: ingest.Null}
	}
	if i, ok := n.number(oid, v.Value); ok {
		return ingest.Varbind{OID: oid, Type: ingest.Integer, Value: i}
	}
	return ingest.Varbind{OID: oid, Type: ingest.OctetString, Value: []byte(v.Value)}
}

func (m *message) line() *ingest.Line {
	l := &ingest.Line{
		Facility: 23, Severity: 5, AppName: m.App, Mnemonic: m.Mnemonic, Hostname: m.Host,
		StructuredData: m.SD, Text: m.Syslog, Raw: []byte("<189>" + m.Syslog),
	}
	if m.Severity != nil {
		l.Severity = *m.Severity
	}
	return l
}

func (m *message) request(tb testing.TB) *ingest.Request {
	tb.Helper()
	r := &ingest.Request{
		Path: m.HTTP, API: ingest.API(m.API), Headers: m.Headers, ContentType: m.Type, Raw: []byte(m.Body),
	}
	if r.API != "" {
		r.Key = "0123456789abcdef0123456789abcdef"
	}
	if r.ContentType == "" {
		r.ContentType = "application/json"
	}
	r.Body = decodeBody(tb, r)
	return r
}

// decodeBody decodes a body as the receiver does.
func decodeBody(tb testing.TB, r *ingest.Request) any {
	tb.Helper()
	switch r.ContentType {
	case "text/plain":
		return string(r.Raw)
	case "application/x-www-form-urlencoded":
		form := map[string]any{}
		for pair := range strings.SplitSeq(strings.TrimSpace(string(r.Raw)), "&") {
			k, v, _ := strings.Cut(pair, "=")
			form[k] = v
		}
		return form
	}
	d := json.NewDecoder(bytes.NewReader(r.Raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		tb.Fatalf("body: %v", err)
	}
	return numbers(v)
}

func numbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return int(i)
		}
		f, _ := v.Float64()
		return f
	case map[string]any:
		for k := range v {
			v[k] = numbers(v[k])
		}
	case []any:
		for i := range v {
			v[i] = numbers(v[i])
		}
	}
	return v
}

func parseMessages(tb testing.TB, n *smi, data string) []ingest.Message {
	tb.Helper()
	var list []message
	if err := yaml.Load([]byte(data), &list, yaml.WithKnownFields(true)); err != nil {
		tb.Fatalf("messages: %v", err)
	}
	ms := make([]ingest.Message, len(list))
	for i := range list {
		ms[i] = list[i].message(tb, n, i+1)
	}
	return ms
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
	for what, b := range map[string][]byte{"payload": e.Payload, "message": e.Message} {
		if len(b) > 0 && !json.Valid(b) {
			t.Errorf("the %s of event %d is not JSON: %s", what, i, b)
		}
	}
	return g
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
	rules, err := rulefile.Parse("rules.yaml", []byte(a.files["rules.yaml"]), n)
	if slices.Contains(a.names, "faults") {
		if err != nil {
			return err.Error() + "\n"
		}
		var warnings strings.Builder
		for _, w := range rules.Warnings() {
			fmt.Fprintln(&warnings, w)
		}
		return warnings.String()
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
	for _, block := range blocks {
		example, _, _ := strings.Cut(block, "```")
		if warnings := load(t, example).Warnings(); len(warnings) > 0 {
			t.Errorf("%s\n%v", example, warnings)
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
