package fetch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// Limits of one run's messages.
const (
	maxMessages = 10_000    // what follows is not taken
	maxValue    = 512 << 10 // bytes of a JSON value: PagerDuty's own limit of an event
	maxLine     = 64 << 10  // bytes of a line of text
	maxFaults   = 20        // that are logged
)

// output is what became of what a command printed.
type output struct {
	name     string
	at       time.Time
	ids      ingest.IDs
	messages []ingest.Message

	index    int // of the next JSON value or line, from 0
	counts   map[ingest.Outcome]int
	faults   []string
	unlogged int // faults beyond maxFaults
}

// Parse returns the messages that a command's output makes, and what is wrong
// with the rest of it: for tests, which run no command. The messages alias
// printed.
func Parse(name string, printed []byte, at time.Time) (messages []ingest.Message, faults []string) {
	o := parse(name, printed, at)
	return o.messages, o.faults
}

// parse makes messages of what a command printed: of each JSON value, where it
// begins as JSON events do, else of each line. The messages alias printed.
func parse(name string, printed []byte, at time.Time) *output {
	o := &output{name: name, at: at, counts: map[ingest.Outcome]int{}}
	text := ingest.UTF8(printed, "")
	if isJSON(text) {
		o.values(text)
	} else {
		o.lines(text)
	}
	return o
}

// isJSON tells JSON from text by its first two characters that are no white
// space: {" or {}, [{, [[, [" or []. A log line may begin with a bracket too.
func isJSON(text []byte) bool {
	text = bytes.TrimLeft(text, " \t\r\n")
	if len(text) == 0 {
		return false
	}
	second := bytes.TrimLeft(text[1:], " \t\r\n")
	if len(second) == 0 {
		return false
	}
	switch text[0] {
	case '{':
		return bytes.IndexByte([]byte(`"}`), second[0]) >= 0
	case '[':
		return bytes.IndexByte([]byte(`{["]`), second[0]) >= 0
	}
	return false
}

// fault counts something that is not taken.
func (o *output) fault(outcome ingest.Outcome, what string) {
	o.counts[outcome]++
	if len(o.faults) == maxFaults || len(o.faults) > 0 && o.faults[len(o.faults)-1] == what {
		o.unlogged++
		return
	}
	o.faults = append(o.faults, what)
}

// values takes JSON values that follow one another, perhaps one a line. What
// follows a syntax error is lost, and counted as one message.
func (o *output) values(text []byte) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	for {
		var value json.RawMessage
		err := decoder.Decode(&value)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			o.fault(ingest.Malformed, syntaxFault(err, text))
			return
		}
		for _, element := range elements(value) {
			o.value(element)
		}
	}
}

// syntaxFault names the line: an output has no other address. It quotes
// nothing, as there may be a key in it.
func syntaxFault(err error, text []byte) string {
	at := len(text)
	if fault, ok := errors.AsType[*json.SyntaxError](err); ok {
		at = min(int(fault.Offset), at)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = errors.New("the output ends within a value")
	}
	line := 1 + bytes.Count(text[:at], []byte("\n"))
	return fmt.Sprintf("line %d: JSON parse error: %v; what follows is not taken", line, err)
}

// elements returns the elements of a list, or of the list that an object names
// events; else the value itself.
func elements(value json.RawMessage) (list []json.RawMessage) {
	switch value[0] {
	case '[':
		if json.Unmarshal(value, &list) == nil {
			return list
		}
	case '{':
		var object map[string]json.RawMessage
		if json.Unmarshal(value, &object) == nil && object["event_action"] == nil &&
			bytes.HasPrefix(object["events"], []byte("[")) && json.Unmarshal(object["events"], &list) == nil {
			return list
		}
	}
	return []json.RawMessage{value}
}

// value takes a JSON value.
func (o *output) value(raw []byte) {
	index := o.index
	o.index++
	if len(raw) > maxValue {
		o.fault(ingest.Oversize, fmt.Sprintf("event %d: is longer than %d bytes", index, maxValue))
		return
	}
	r := &ingest.Request{Path: "/fetch/" + o.name, ContentType: "application/json", Raw: raw}
	body, err := ingest.DecodeJSON(raw)
	if err != nil {
		o.fault(ingest.Malformed, fmt.Sprintf("event %d: %v", index, err))
		return
	}
	r.Body = body
	if faults := check(r); len(faults) > 0 {
		o.fault(ingest.Malformed, fmt.Sprintf("event %d: %s", index, strings.Join(faults, "; ")))
		return
	}
	o.add(ingest.Message{Request: r})
}

// check finds out whether a value is an event as Events API v2 takes it, and
// then what is wrong with it. It may go without a key: to the route that it
// names, or the default route.
func check(r *ingest.Request) (faults []string) {
	event, ok := r.Body.(map[string]any)
	if !ok || !isEvent(event) {
		return nil
	}
	r.API = ingest.EventsV2
	key, route := event["routing_key"], event["route"]
	if key != nil && key != "" {
		faults = r.TakeKey()
	}
	if _, ok := route.(string); !ok && route != nil {
		faults = append(faults, "'route' must be a string")
	} else if ok && r.Key != "" {
		faults = append(faults, "'route' and 'routing_key' are both given: give one of them")
	}
	return append(faults, r.Check()...)
}

// isEvent reports whether an object is meant for PagerDuty: it says what to
// do, or has a payload with a summary.
func isEvent(object map[string]any) bool {
	payload, _ := object["payload"].(map[string]any)
	return object["event_action"] != nil || payload["summary"] != nil
}

// lines takes text.
func (o *output) lines(text []byte) {
	for len(text) > 0 {
		var line []byte
		line, text, _ = bytes.Cut(text, []byte("\n"))
		o.index++
		if line = bytes.TrimRight(line, " \t\r"); len(line) > 0 {
			o.line(line)
		}
	}
}

func (o *output) line(raw []byte) {
	if len(raw) > maxLine {
		o.fault(ingest.Oversize, fmt.Sprintf("line %d: is longer than %d bytes", o.index, maxLine))
		return
	}
	o.add(ingest.Message{Line: &ingest.Line{
		Facility: -1, Severity: -1, AppName: o.name, Text: ingest.CleanText(string(raw)), Raw: raw,
	}})
}

// add adds a message. Its host is the fetcher's name: it is the same on
// whatever node the command runs, and so are the dedup_keys that rules make.
func (o *output) add(m ingest.Message) {
	if len(o.messages) == maxMessages {
		o.fault(ingest.Oversize, fmt.Sprintf("more than %d messages: the rest is not taken", maxMessages))
		return
	}
	m.ID, m.ReceivedAt, m.Protocol, m.Host = o.ids.Next(o.at), o.at, ingest.Fetch, o.name
	o.messages = append(o.messages, m)
}
