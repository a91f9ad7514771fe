package spool

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/pdaltagent/pdaltagent/ingest"
	"github.com/pdaltagent/pdaltagent/mapping"
)

// The fields of an event in a record's body. They are a file format: a number
// is never given to another field, and a new field gets a new number. Fields
// that are zero are left out.
const (
	fieldID          = 1
	fieldReceivedAt  = 2
	fieldProtocol    = 3
	fieldSource      = 4
	fieldHost        = 5
	fieldRule        = 6
	fieldDecision    = 7
	fieldRoute       = 8
	fieldKey         = 9
	fieldAPI         = 10
	fieldAction      = 11
	fieldDedupKey    = 12
	fieldSeverity    = 13
	fieldSummary     = 14
	fieldPosted      = 15
	fieldPayload     = 16
	fieldBody        = 17
	fieldContentType = 18
	fieldMessage     = 19
	fieldGates       = 20
)

// appendEvent appends the body of e's record: its fields, each a number, a
// length and that many bytes.
func appendEvent(b []byte, e *mapping.Event) []byte {
	b = appendBytes(b, fieldID, e.ID[:])
	b = appendTime(b, fieldReceivedAt, e.ReceivedAt)
	b = appendText(b, fieldProtocol, string(e.Protocol))
	if e.Source.IsValid() {
		source, _ := e.Source.MarshalBinary() // has no error
		b = appendBytes(b, fieldSource, source)
	}
	b = appendText(b, fieldHost, e.Host)
	b = appendText(b, fieldRule, e.Rule)
	b = appendText(b, fieldDecision, string(e.Decision))
	b = appendText(b, fieldRoute, e.Route)
	b = appendText(b, fieldKey, e.Key.Reveal())
	b = appendText(b, fieldAPI, string(e.API))
	b = appendText(b, fieldAction, string(e.Action))
	b = appendText(b, fieldDedupKey, e.DedupKey)
	b = appendText(b, fieldSeverity, string(e.Severity))
	b = appendText(b, fieldSummary, e.Summary)
	if e.Posted {
		b = appendBytes(b, fieldPosted, []byte{})
	}
	b = appendBytes(b, fieldPayload, e.Payload)
	b = appendBytes(b, fieldBody, e.Body)
	b = appendText(b, fieldContentType, e.ContentType)
	b = appendBytes(b, fieldMessage, e.Message)
	return appendGates(b, fieldGates, e.Gates)
}

// appendBytes appends a field that may be empty without being nil.
func appendBytes(b []byte, field uint64, value []byte) []byte {
	if value == nil {
		return b
	}
	b = binary.AppendUvarint(b, field)
	b = binary.AppendUvarint(b, uint64(len(value)))
	return append(b, value...)
}

func appendText(b []byte, field uint64, value string) []byte {
	if value == "" {
		return b
	}
	b = binary.AppendUvarint(b, field)
	b = binary.AppendUvarint(b, uint64(len(value)))
	return append(b, value...)
}

const timeBytes = 12

// appendTime appends a time as seconds since 1970 and nanoseconds.
func appendTime(b []byte, field uint64, value time.Time) []byte {
	if value.IsZero() {
		return b
	}
	var t [timeBytes]byte
	binary.LittleEndian.PutUint64(t[:], uint64(value.Unix()))
	binary.LittleEndian.PutUint32(t[8:], uint32(value.Nanosecond()))
	return appendBytes(b, field, t[:])
}

func parseTime(value []byte) (time.Time, error) {
	if len(value) != timeBytes {
		return time.Time{}, fmt.Errorf("a time of %d bytes", len(value))
	}
	seconds, nanoseconds := binary.LittleEndian.Uint64(value), binary.LittleEndian.Uint32(value[8:])
	if nanoseconds >= 1e9 {
		return time.Time{}, fmt.Errorf("a time with %d nanoseconds", nanoseconds)
	}
	return time.Unix(int64(seconds), int64(nanoseconds)).UTC(), nil
}

// parseEvent reads the body of a record and keeps nothing of it. Fields that a
// newer version added are skipped.
func parseEvent(body []byte) (*mapping.Event, error) {
	e := new(mapping.Event)
	return e, parseFields(bytes.Clone(body), func(field uint64, value []byte) error { return setField(e, field, value) })
}

// parseFields calls set for each field of b, which the values are parts of.
func parseFields(b []byte, set func(field uint64, value []byte) error) error {
	for len(b) > 0 {
		field, n := binary.Uvarint(b)
		length, m := binary.Uvarint(b[max(n, 0):])
		if n <= 0 || m <= 0 || length > uint64(len(b)-n-m) {
			return errors.New("a field is longer than its record")
		}
		value := b[n+m:][:length:length]
		if err := set(field, value); err != nil {
			return fmt.Errorf("field %d: %w", field, err)
		}
		b = b[n+m+int(length):]
	}
	return nil
}

// setField sets a field of e, which owns value from then on.
func setField(e *mapping.Event, field uint64, value []byte) (err error) {
	switch field {
	case fieldID:
		err = e.ID.UnmarshalBinary(value)
	case fieldReceivedAt:
		e.ReceivedAt, err = parseTime(value)
	case fieldProtocol:
		e.Protocol = ingest.Protocol(value)
	case fieldSource:
		err = e.Source.UnmarshalBinary(value)
	case fieldHost:
		e.Host = string(value)
	case fieldRule:
		e.Rule = string(value)
	case fieldDecision:
		e.Decision = mapping.Decision(value)
	case fieldRoute:
		e.Route = string(value)
	case fieldKey:
		e.Key = ingest.Secret(value)
	case fieldAPI:
		e.API = ingest.API(value)
	case fieldAction:
		e.Action = mapping.Action(value)
	case fieldDedupKey:
		e.DedupKey = string(value)
	case fieldSeverity:
		e.Severity = mapping.Severity(value)
	case fieldSummary:
		e.Summary = string(value)
	case fieldPosted:
		e.Posted = true
	case fieldPayload:
		e.Payload = value
	case fieldBody:
		e.Body = value
	case fieldContentType:
		e.ContentType = string(value)
	case fieldMessage:
		e.Message = value
	case fieldGates:
		e.Gates, err = parseGates(value)
	}
	return err
}
