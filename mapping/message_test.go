package mapping_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	yaml "go.yaml.in/yaml/v4"

	"github.com/pdaltagent/pdaltagent/ingest"
)

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
	At         string                       `yaml:"at"` // when it comes; empty: see received
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
	if m.At != "" {
		at, err := time.Parse(time.RFC3339, m.At)
		if err != nil {
			tb.Fatal(err)
		}
		msg.ReceivedAt = at
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
	list := []message{}
	if err := yaml.Load([]byte(data), &list, yaml.WithKnownFields(true)); err != nil {
		tb.Fatalf("messages: %v", err)
	}
	ms := make([]ingest.Message, len(list))
	for i := range list {
		ms[i] = list[i].message(tb, n, i+1)
	}
	return ms
}
