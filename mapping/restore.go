package mapping

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// Stored is an event of the history: what is known of its message.
type Stored struct {
	ID         uuid.UUID
	ReceivedAt time.Time
	Protocol   ingest.Protocol
	Source     netip.Addr
	Host       string
	Message    []byte // events.message
}

// Restore returns the message that an event was made of. It lacks what the
// history does not keep: communities, keys, secret headers, and what masks
// have covered.
func Restore(e Stored) (ingest.Message, error) {
	m := ingest.Message{ID: e.ID, ReceivedAt: e.ReceivedAt, Protocol: e.Protocol, Source: e.Source, Host: e.Host}
	if m.Source.IsValid() && m.Host == m.Source.String() {
		m.Host = "" // Origin is the address then
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(e.Message, &all); err != nil {
		return m, fmt.Errorf("its message is not kept: %w", err)
	}
	var err error
	switch {
	case all["varbinds"] != nil:
		m.Trap, err = restoreTrap(e.Message)
	case all["text"] != nil:
		m.Line, err = restoreLine(e.Message)
	case all["path"] != nil:
		m.Request, err = restoreRequest(e.Message)
	default:
		err = errors.New("its message is not kept")
	}
	return m, err
}

func decodeStored(text []byte, to any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	return d.Decode(to)
}

func restoreTrap(text []byte) (*ingest.Trap, error) {
	var stored struct {
		Version, OID, Enterprise string
		Uptime                   uint32
		Inform                   bool
		Varbinds                 []struct {
			OID        string
			Type       ingest.VarbindType
			Value, Raw any
			Hex        *string
		}
	}
	if err := decodeStored(text, &stored); err != nil {
		return nil, err
	}
	t := &ingest.Trap{Version: stored.Version, OID: stored.OID, Enterprise: stored.Enterprise, Uptime: stored.Uptime, Inform: stored.Inform}
	for _, v := range stored.Varbinds {
		b := ingest.Varbind{OID: v.OID, Type: v.Type}
		switch {
		case v.Hex != nil:
			octets, err := hex.DecodeString(*v.Hex)
			if err != nil {
				return nil, err
			}
			b.Value = octets
		case v.Raw != nil:
			b.Value = restoreValue(v.Type, v.Raw)
		default:
			b.Value = restoreValue(v.Type, v.Value)
		}
		t.Varbinds = append(t.Varbinds, b)
	}
	return t, nil
}

// restoreValue returns a varbind's value as ingest.Varbind has it.
func restoreValue(kind ingest.VarbindType, v any) any {
	if v == nil {
		return nil
	}
	word := text(v)
	switch kind {
	case ingest.Integer:
		if n, err := strconv.ParseInt(word, 10, 64); err == nil {
			return n
		}
	case ingest.Counter32, ingest.Gauge32, ingest.TimeTicks, ingest.Counter64:
		if n, err := strconv.ParseUint(word, 10, 64); err == nil {
			return n
		}
	case ingest.IPAddress:
		if a, err := netip.ParseAddr(word); err == nil {
			return a
		}
	case ingest.ObjectIdentifier:
		return word
	case ingest.Opaque:
		if n, ok := v.(json.Number); ok {
			if f, err := n.Float64(); err == nil {
				return f
			}
		}
	case ingest.OctetString:
	case ingest.Null:
		return nil
	}
	return []byte(word)
}

func restoreLine(text []byte) (*ingest.Line, error) {
	var stored struct {
		Priority       *int
		Facility       string
		Severity       string
		Timestamp      time.Time
		Hostname       string
		AppName        string `json:"app_name"`
		ProcID         string `json:"proc_id"`
		MsgID          string `json:"msg_id"`
		Mnemonic       string
		StructuredData map[string]map[string]string `json:"structured_data"`
		Text, Raw      string
		RawBase64      []byte `json:"raw_base64"`
	}
	if err := decodeStored(text, &stored); err != nil {
		return nil, err
	}
	l := &ingest.Line{
		Facility: codeOf(facilities(), stored.Facility), Severity: codeOf(syslogSeverities(), stored.Severity), Timestamp: stored.Timestamp, Hostname: stored.Hostname,
		AppName: stored.AppName, ProcID: stored.ProcID, MsgID: stored.MsgID, Mnemonic: stored.Mnemonic,
		StructuredData: stored.StructuredData, Text: stored.Text, Raw: []byte(stored.Raw),
	}
	if stored.Priority != nil {
		l.Facility, l.Severity = *stored.Priority/8, *stored.Priority%8
	}
	if stored.RawBase64 != nil {
		l.Raw = stored.RawBase64
	}
	return l, nil
}

// codeOf is the inverse of keyword; -1: there was none.
func codeOf(words []string, word string) int {
	if n, err := strconv.Atoi(word); err == nil {
		return n
	}
	return slices.Index(words, word)
}

func restoreRequest(text []byte) (*ingest.Request, error) {
	var stored struct {
		Path        string
		API         ingest.API
		Headers     map[string]string
		ContentType string `json:"content_type"`
		Body        json.RawMessage
	}
	if err := decodeStored(text, &stored); err != nil {
		return nil, err
	}
	r := &ingest.Request{Path: stored.Path, API: stored.API, Headers: stored.Headers, ContentType: stored.ContentType, Raw: stored.Body}
	body, err := ingest.DecodeJSON(stored.Body)
	if err != nil {
		return nil, err
	}
	r.Body = body
	if word, ok := body.(string); ok {
		r.Raw = []byte(word)
	}
	return r, nil
}
