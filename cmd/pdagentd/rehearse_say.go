package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"

	"github.com/pdaltagent/pdaltagent/ingest"
	"github.com/pdaltagent/pdaltagent/ingest/fetch"
	"github.com/pdaltagent/pdaltagent/mapping"
)

// standIn is who sends what a step says, where it does not say from.
const standIn = "192.0.2.1"

func (s *stage) source() netip.Addr {
	from := s.step.From.Value
	if from == "" {
		from = standIn
	}
	a, err := netip.ParseAddr(from)
	if err != nil {
		s.fault(s.step.From.Place, "from is an address, and %q is none: name the sender by host: %s", from, from)
		return netip.Addr{}
	}
	return a
}

// say sends the message of a step as often as it says.
func (s *stage) say(ctx context.Context) {
	had := len(s.faults)
	for range max(s.step.Times, 1) {
		switch s.step.Kind {
		case mapping.SelectTrap:
			s.sayTrap()
		case mapping.SelectSyslog:
			s.sayLine()
		case mapping.SelectHTTP:
			s.sayRequest(ctx)
		case mapping.SelectWebhook:
		}
		if len(s.faults) > had {
			return
		}
	}
}

// snmpTrapEnterprise is snmpTrapEnterprise.0 of SNMPv2-MIB.
const snmpTrapEnterprise = "1.3.6.1.6.3.1.1.4.3.0"

func (s *stage) sayTrap() {
	oid, err := s.modules.OID(s.step.Message.Value)
	if err != nil {
		s.fault(s.step.Message.Place, "%v", err)
		return
	}
	trap := &ingest.Trap{Version: "v2c", OID: oid}
	for _, e := range s.step.VB {
		v, err := s.varbind(e)
		if err != nil {
			s.fault(e.Key.Place, "%s: %v", e.Key.Value, err)
			continue
		}
		if enterprise, ok := v.Value.(string); ok && v.OID == snmpTrapEnterprise {
			trap.Enterprise = enterprise
		}
		trap.Varbinds = append(trap.Varbinds, v)
	}
	s.hand(ingest.Message{Protocol: ingest.SNMP, Trap: trap})
}

func (s *stage) varbind(e mapping.Entry) (ingest.Varbind, error) {
	oid, err := s.modules.OID(e.Key.Value)
	if err != nil {
		return ingest.Varbind{}, err
	}
	v := ingest.Varbind{OID: oid}
	v.Value, err = s.modules.Parse(oid, e.Value.Text.Value)
	switch v.Value.(type) {
	case int64:
		v.Type = ingest.Integer
	case uint64:
		v.Type = ingest.Counter64
	case string:
		v.Type = ingest.ObjectIdentifier
	case netip.Addr:
		v.Type = ingest.IPAddress
	default:
		v.Type = ingest.OctetString
	}
	return v, err
}

func (s *stage) sayLine() {
	line := new(ingest.Line)
	s.lines.Parse([]byte(s.step.Message.Value), s.clock, line)
	s.hand(ingest.Message{Protocol: ingest.Syslog, Host: line.Hostname, Line: line})
}

// hand hands a message on that no receiver has made.
func (s *stage) hand(m ingest.Message) {
	s.sign(&m)
	s.take(&m)
}

// sayOutput takes a body as a command of ingest.fetch prints it.
func (s *stage) sayOutput(name string) {
	messages, faults := fetch.Parse(name, s.body(), s.clock)
	for _, f := range faults {
		s.fault(s.step.Message.Place, "%s", f)
	}
	for i := range messages {
		s.hand(messages[i])
	}
}

// sayRequest posts a body.
func (s *stage) sayRequest(ctx context.Context) {
	raw, path := s.body(), s.step.Message.Value
	if name, fetched := strings.CutPrefix(path, "/fetch/"); fetched {
		s.sayOutput(name)
		return
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, path, bytes.NewReader(raw))
	if err != nil {
		s.fault(s.step.Message.Place, "%v", err)
		return
	}
	if s.step.Body != nil && s.step.Body.Kind != mapping.Template {
		request.Header.Set("Content-Type", "application/json")
	}
	for _, h := range s.step.Headers {
		request.Header.Set(h.Key.Value, h.Value.Text.Value)
	}
	answer := httptest.NewRecorder()
	s.posts.ServeHTTP(answer, request)
	if answer.Code >= http.StatusBadRequest {
		s.fault(s.step.Message.Place, "this is answered with %d: %s", answer.Code, bytes.TrimSpace(answer.Body.Bytes()))
	}
}

// body returns the body of a step: a text as it is, all else as JSON.
func (s *stage) body() []byte {
	v := s.step.Body
	if v == nil {
		return []byte("{}")
	}
	if v.Kind == mapping.Template {
		return []byte(v.Text.Value)
	}
	return appendValue(nil, *v)
}

// appendValue appends a value as JSON, in the order of the file.
func appendValue(b []byte, v mapping.Value) []byte {
	switch v.Kind {
	case mapping.Mapping:
		b = append(b, '{')
		for i, e := range v.Map {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendScalar(b, e.Key.Value), ':')
			b = appendValue(b, e.Value)
		}
		return append(b, '}')
	case mapping.List:
		b = append(b, '[')
		for i, e := range v.List {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendValue(b, e)
		}
		return append(b, ']')
	case mapping.Plain:
		return appendScalar(b, v.Scalar)
	case mapping.Template:
	}
	return appendScalar(b, v.Text.Value)
}

func appendScalar(b []byte, v any) []byte {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil { // of a NaN, which YAML knows
		return append(b, "null"...)
	}
	return append(b, bytes.TrimSpace(text.Bytes())...)
}
