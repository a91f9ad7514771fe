package syslog

import (
	"strings"
	"time"
	"unicode/utf8"

	"gopkg.in/mcuadros/go-syslog.v2/format"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// Format says how the lines of a listener are read.
type Format string

// The formats. All but Auto are read by go-syslog's parsers, which take what
// the RFC allows and nothing else. A line that they refuse is not lost: all
// that follows its PRI is its text.
const (
	Auto    Format = "auto"    // whatever gear sends: Parser
	RFC3164 Format = "rfc3164" //
	RFC5424 Format = "rfc5424" //
	RFC6587 Format = "rfc6587" // RFC 5424, which an octet count may precede in a datagram too
)

func formats() []Format { return []Format{Auto, RFC3164, RFC5424, RFC6587} }

func formatNames() string {
	var names []string
	for _, f := range formats() {
		names = append(names, string(f))
	}
	return strings.Join(names, ", ")
}

// parseFunc fills line with the parts of raw, as Parser.Parse does.
type parseFunc func(raw []byte, now time.Time, line *ingest.Line)

// parserOf returns what reads the lines of a format. tolerant reads those of
// Auto.
func parserOf(f Format, tolerant *Parser) parseFunc {
	s := strict{location: tolerant.location}
	switch f {
	case RFC3164:
		s.format = &format.RFC3164{}
	case RFC5424:
		s.format = &format.RFC5424{}
	case RFC6587:
		s.format, s.counted = &format.RFC6587{}, true
	default:
		return tolerant.Parse
	}
	return s.parse
}

// strict reads lines by a parser of go-syslog.
type strict struct {
	format   format.Format
	location *time.Location
	counted  bool
}

func (s *strict) parse(raw []byte, now time.Time, line *ingest.Line) {
	text := clean(raw)
	if s.counted {
		text = octetCount(text)
	}
	unparsed(raw, text, line)
	if parts, ok := s.parts(text); ok {
		fill(line, parts)
	}
	// A time without a year got this year's; a line without a header got a time
	// that its sender did not give.
	switch t := line.Timestamp; {
	case line.Hostname == "" && line.AppName == "":
		line.Timestamp = time.Time{}
	case t.After(now.Add(ahead)):
		line.Timestamp = t.AddDate(-1, 0, 0).UTC()
	default:
		line.Timestamp = t.UTC()
	}
}

// unparsed makes a line of what nothing but the PRI is known of.
func unparsed(raw []byte, text string, line *ingest.Line) {
	*line = ingest.Line{Facility: -1, Severity: -1, Raw: raw}
	n, size := pri(text)
	if n >= 0 {
		line.Facility, line.Severity = n>>3, n&7
		text = text[size:]
	}
	line.Text = text
}

// parts calls the parser, which panics at some lines that break off early.
func (s *strict) parts(text string) (parts format.LogParts, ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	p := s.format.GetParser([]byte(text))
	p.Location(s.location)
	if p.Parse() != nil {
		return nil, false
	}
	parts = p.Dump()
	for name, part := range parts {
		word, _ := part.(string)
		isText := name == "content" || name == "message" || name == "structured_data"
		if !utf8.ValidString(word) || !isText && strings.ContainsAny(word, "\t\n") { // cut off within a character, or no word
			return nil, false
		}
	}
	return parts, true
}

// fill sets what parts has. Its names are go-syslog's.
func fill(line *ingest.Line, parts format.LogParts) {
	value := func(name string) string {
		s, _ := parts[name].(string)
		if s == "-" {
			return ""
		}
		return s
	}
	line.Timestamp, _ = parts["timestamp"].(time.Time)
	line.Hostname = value("hostname")
	line.AppName = value("app_name") + value("tag")
	line.ProcID = value("proc_id")
	line.MsgID = value("msg_id")
	r := reading{line: line}
	r.structuredData(value("structured_data"))
	if text, ok := parts["message"].(string); ok {
		line.Text = strings.TrimPrefix(text, bom)
	} else {
		line.Text, _ = parts["content"].(string)
	}
}
