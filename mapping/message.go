package mapping

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// messageJSON returns the message as events.message keeps it: enough to map
// it again, without communities and keys. The events of a message share it.
func (s *scope) messageJSON() []byte {
	if s.message != nil {
		return s.message
	}
	b := s.json[:0]
	switch {
	case s.m.Trap != nil:
		b = s.appendTrap(b)
	case s.m.Line != nil:
		b = appendLine(b, s.m.Line, s.rules.stored)
	case s.m.Request != nil:
		b = appendRequest(b, s.m.Request, s.rules.stored)
	default:
		b = append(b, "{}"...)
	}
	s.json = b
	s.message = bytes.Clone(b)
	return s.message
}

func (s *scope) appendTrap(b []byte) []byte {
	t := s.m.Trap
	b = append(b, `{"version":`...)
	b = appendString(b, t.Version)
	b = append(b, `,"oid":`...)
	b = appendString(b, t.OID)
	b = append(b, `,"name":`...)
	b = appendString(b, s.trapName())
	b = appendMember(b, "enterprise", t.Enterprise)
	b = append(b, `,"uptime":`...)
	b = strconv.AppendUint(b, uint64(t.Uptime), 10)
	b = append(b, `,"inform":`...)
	b = strconv.AppendBool(b, t.Inform)
	b = append(b, `,"varbinds":[`...)
	for i := range s.names() {
		if i > 0 {
			b = append(b, ',')
		}
		b = s.appendVarbind(b, &s.named[i])
	}
	return append(b, ']', '}')
}

// appendVarbind appends a varbind with its value as vb shows it. Where that
// is not the value as it came, that one follows: as hex for octets, else as
// raw.
func (s *scope) appendVarbind(b []byte, v *named) []byte {
	b = append(b, `{"oid":`...)
	b = appendString(b, v.OID)
	if v.label != "" {
		b = append(b, `,"name":`...)
		b = appendString(b, qualified(v.module, v.label, v.instance))
	}
	b = append(b, `,"type":`...)
	b = appendString(b, string(v.Type))
	value := s.meaning(v)
	b = append(b, `,"value":`...)
	if covered, ok := s.covered(v, value); ok {
		return append(appendString(b, covered), '}') // nor is it shown as it came
	}
	b = appendScalar(b, value)
	if octets, ok := v.Value.([]byte); ok {
		if shown, _ := value.(string); shown != string(octets) {
			b = append(b, `,"hex":"`...)
			b = append(hex.AppendEncode(b, octets), '"')
		}
	} else if raw := plain(v.Value); raw != value {
		b = append(b, `,"raw":`...)
		b = appendScalar(b, raw)
	}
	return append(b, '}')
}

// covered returns the text of a varbind with what the masks find covered; ok
// is false where they find nothing. Octets that are no text may hold one.
func (s *scope) covered(v *named, value any) (text string, ok bool) {
	shown, isText := value.(string)
	if len(s.rules.stored) == 0 || !isText || v.Type == ingest.IPAddress || v.Type == ingest.ObjectIdentifier {
		return "", false
	}
	if covered := s.rules.stored.member(v.label, shown); covered != shown {
		return covered, true
	}
	octets, _ := v.Value.([]byte)
	raw := clean(string(octets))
	covered := s.rules.stored.text(raw)
	return covered, covered != raw
}

func appendLine(b []byte, l *ingest.Line, ms masks) []byte {
	b = append(b, '{')
	if l.Facility >= 0 && l.Severity >= 0 {
		b = append(b, `"priority":`...)
		b = append(strconv.AppendInt(b, int64(l.Facility)*8+int64(l.Severity), 10), ',')
	}
	b = append(b, `"facility":`...)
	b = appendScalar(b, keyword(facilities(), l.Facility))
	b = append(b, `,"severity":`...)
	b = appendScalar(b, keyword(syslogSeverities(), l.Severity))
	if !l.Timestamp.IsZero() {
		b = appendMember(b, "timestamp", l.Timestamp.Format(time.RFC3339Nano))
	}
	b = appendMember(b, "hostname", l.Hostname)
	b = appendMember(b, "app_name", l.AppName)
	b = appendMember(b, "proc_id", l.ProcID)
	b = appendMember(b, "msg_id", l.MsgID)
	b = appendMember(b, "mnemonic", l.Mnemonic)
	if l.StructuredData != nil {
		b = append(b, `,"structured_data":`...)
		b = append(b, ms.maskJSON(appendAny(nil, l.StructuredData), nil)...)
	}
	b = append(b, `,"text":`...)
	b = appendString(b, ms.text(l.Text))
	if raw := string(l.Raw); len(ms) > 0 && ms.text(raw) != raw {
		b = append(b, `,"raw":`...)
		return append(appendString(b, ms.text(raw)), '}')
	}
	if utf8.Valid(l.Raw) && bytes.IndexByte(l.Raw, 0) < 0 {
		b = append(b, `,"raw":`...)
		b = appendString(b, l.Raw)
	} else {
		b = append(b, `,"raw_base64":"`...)
		b = append(base64.StdEncoding.AppendEncode(b, l.Raw), '"')
	}
	return append(b, '}')
}

func appendRequest(b []byte, r *ingest.Request, ms masks) []byte {
	b = append(b, `{"path":`...)
	b = appendString(b, r.Path)
	b = appendMember(b, "api", string(r.API))
	b = append(b, `,"headers":{`...)
	comma := false
	for _, k := range slices.Sorted(maps.Keys(r.Headers)) {
		if secretHeader(k) {
			continue
		}
		if comma {
			b = append(b, ',')
		}
		comma = true
		b = append(appendString(b, k), ':')
		b = appendString(b, ms.text(r.Headers[k]))
	}
	b = append(b, '}')
	b = appendMember(b, "content_type", r.ContentType)
	b = append(b, `,"body":`...)
	if len(ms) == 0 {
		return append(appendBody(b, r), '}')
	}
	kind := postedKind
	if r.API == "" {
		kind = nil
	}
	return append(append(b, ms.maskJSON(appendBody(nil, r), kind)...), '}')
}

// secretHeader says whether a header's name tells that its value is a secret.
func secretHeader(name string) bool {
	for _, word := range []string{"auth", "cookie", "token", "secret", "passw", "key", "credential"} {
		if strings.Contains(strings.ToLower(name), word) {
			return true
		}
	}
	return false
}

// appendBody appends a body without its keys: JSON as it came, a form as an
// object, a text as a string.
func appendBody(b []byte, r *ingest.Request) []byte {
	switch body := r.Body.(type) {
	case string:
		if !json.Valid(r.Raw) {
			return appendString(b, body)
		}
	case map[string]any:
		return append(b, mendJSON(senderFields(r).appendTo(nil))...)
	}
	if json.Valid(r.Raw) {
		return append(b, mendJSON(bytes.TrimSpace(r.Raw))...)
	}
	return appendAny(b, r.Body)
}

// appendAny appends a value that came with a message; one that is nested too
// deep is null.
func appendAny(b []byte, v any) []byte {
	value, err := appendValue(nil, v, 0)
	if err != nil {
		return append(b, "null"...)
	}
	return append(b, value...)
}
