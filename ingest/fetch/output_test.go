package fetch

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pdaltagent/pdaltagent/ingest"
)

const key = "e93facc04764012d7bfb002500d5d1a6"

// shown returns what messages say: a line's text, or a request's API and body.
func shown(ms []ingest.Message) (all []string) {
	for _, m := range ms {
		if m.Line != nil {
			all = append(all, m.Line.Text)
			continue
		}
		body, err := json.Marshal(m.Request.Body)
		if err != nil {
			all = append(all, err.Error())
		}
		all = append(all, strings.TrimSpace(string(m.Request.API)+" "+string(body)))
	}
	return all
}

func TestOutputBecomesMessages(t *testing.T) {
	f := func(printed string, want ...string) {
		t.Helper()
		o := parse("ups", []byte(printed), time.Now())
		if diff := cmp.Diff(want, shown(o.messages)); diff != "" || len(o.faults)+len(o.counts) > 0 {
			t.Errorf("%q: %s %v", printed, diff, o.faults)
		}
	}
	const event = `{"dedup_key":"a","event_action":"resolve"}`
	f("")
	f(" \n\t\n")
	f("[]")
	f(`{"events":[]}`)
	f(event, "v2 "+event)
	f("\xef\xbb\xbf  "+event+"\r\n", "v2 "+event)
	f("["+event+",\n"+event+"]", "v2 "+event, "v2 "+event)
	f(`{"events":[`+event+`,{"a":1}],"taken_at":"now"}`, "v2 "+event, `{"a":1}`)
	f(event+"\n"+event+"\n\n"+`{"a":1}`, "v2 "+event, "v2 "+event, `{"a":1}`)
	f(event+`[1,"x",null,{}]`, "v2 "+event, "1", `"x"`, "null", "{}")
	f(`{"event_action":"resolve","dedup_key":"a","events":[]}`, `v2 {"dedup_key":"a","event_action":"resolve","events":[]}`)
	f(`{"events":"many"}`, `{"events":"many"}`)

	f("one\ntwo", "one", "two")
	f("  indented \r\n\r\n\nlast\n", "  indented", "last")
	f("[WARN] disk\n{braces}\n", "[WARN] disk", "{braces}")
	f("[2027-01-02] disk", "[2027-01-02] disk")
	f("[", "[")
	f("caf\xe9 \x00", "caf\uFFFD \uFFFD")
	f("\xff\xfea\x00\n\x00b\x00", "a", "b")
}

func TestMessagesSayWhereTheyComeFrom(t *testing.T) {
	at := time.Now()
	raw := `{"routing_key":"` + key + `","event_action":"resolve","dedup_key":"a"}`
	event := parse("ups", []byte(" "+raw), at).messages[0]
	want := ingest.Message{ID: event.ID, ReceivedAt: at, Protocol: ingest.Fetch, Host: "ups", Request: &ingest.Request{
		Path: "/fetch/ups", API: ingest.EventsV2, Key: key, ContentType: "application/json",
		Body: map[string]any{"event_action": "resolve", "dedup_key": "a"}, Raw: []byte(raw),
	}}
	compare := cmp.Comparer(func(a, b ingest.Message) bool { // a netip.Addr has fields of its own
		return a.ID == b.ID && a.ReceivedAt.Equal(b.ReceivedAt) && a.Protocol == b.Protocol && a.Source == b.Source && a.Host == b.Host &&
			cmp.Equal(a.Request, b.Request) && cmp.Equal(a.Line, b.Line)
	})
	if diff := cmp.Diff(want, event, compare); diff != "" {
		t.Error(diff)
	}
	line := parse("ups", []byte("on battery\n"), at).messages[0]
	want = ingest.Message{ID: line.ID, ReceivedAt: at, Protocol: ingest.Fetch, Host: "ups", Line: &ingest.Line{
		Facility: -1, Severity: -1, AppName: "ups", Text: "on battery", Raw: []byte("on battery"),
	}}
	if diff := cmp.Diff(want, line, compare); diff != "" {
		t.Error(diff)
	}
}

func TestIDsFollowTheOrderOfTheOutput(t *testing.T) {
	ms := parse("x", []byte(strings.Repeat("line\n", 1000)), time.Now()).messages
	for i := range ms[1:] {
		if bytes.Compare(ms[i].ID[:], ms[i+1].ID[:]) >= 0 {
			t.Fatalf("message %d has id %s, the one before %s", i+1, ms[i+1].ID, ms[i].ID)
		}
	}
}

func TestWhatIsNoMessageIsCountedAndNamed(t *testing.T) {
	f := func(printed string, wantTaken int, wantCounts map[ingest.Outcome]int, want ...string) {
		t.Helper()
		o := parse("ups", []byte(printed), time.Now())
		if diff := cmp.Diff(want, o.faults); diff != "" || len(o.messages) != wantTaken {
			t.Errorf("%.80q: %d messages, %s", printed, len(o.messages), diff)
		}
		if diff := cmp.Diff(wantCounts, o.counts); diff != "" {
			t.Errorf("%.80q: %s", printed, diff)
		}
	}
	malformed := func(n int) map[ingest.Outcome]int { return map[ingest.Outcome]int{ingest.Malformed: n} }
	const good = `{"event_action":"resolve","dedup_key":"a"}`
	f(`[{"event_action":"open","routing_key":"short"},`+good+`,{"payload":{"summary":"s"}}]`, 1, malformed(2),
		"event 0: Length of 'routing_key' is incorrect (should be 32 characters); 'event_action' is invalid (must be one of the following: 'trigger', 'acknowledge' or 'resolve')",
		"event 2: 'event_action' is missing or blank")
	f(`{"event_action":"resolve","dedup_key":"a","route":1}`, 0, malformed(1), "event 0: 'route' must be a string")
	f(`{"event_action":"resolve","dedup_key":"a","route":"noc","routing_key":"`+key+`"}`, 0, malformed(1),
		"event 0: 'route' and 'routing_key' are both given: give one of them")
	f(good+"\n{\"a\":NaN}\n"+good, 1, malformed(1),
		"line 2: JSON parse error: invalid character 'N' looking for beginning of value; what follows is not taken")
	f("["+good+",\n"+good, 0, malformed(1), "line 2: JSON parse error: the output ends within a value; what follows is not taken")
	f(good+" done\n", 1, malformed(1), "line 1: JSON parse error: invalid character 'd' looking for beginning of value; what follows is not taken")
	f(`{"deep":`+strings.Repeat("[", 300)+strings.Repeat("]", 300)+"}"+good, 1, malformed(1), "event 0: JSON parse error: nested deeper than 200 levels")

	oversize := func(n int) map[ingest.Outcome]int { return map[ingest.Outcome]int{ingest.Oversize: n} }
	f(`[{"a":"`+strings.Repeat("x", maxValue)+`"},`+good+`]`, 1, oversize(1), "event 0: is longer than 524288 bytes")
	f("a\n\n"+strings.Repeat("x", maxLine+1)+"\n"+strings.Repeat("x", maxLine), 2, oversize(1), "line 3: is longer than 65536 bytes")
	many := "more than 10000 messages: the rest is not taken"
	f(strings.Repeat("x\n", maxMessages+3), maxMessages, oversize(3), many)
	f("["+strings.Repeat("{},", maxMessages)+"{},{}]", maxMessages, oversize(2), many)
	f("{}"+strings.Repeat("[]", 50_000), 1, map[ingest.Outcome]int{})

	o := parse("ups", []byte(strings.Repeat(`{"event_action":"`+"x"+`"}{}`, 30)), time.Now())
	if len(o.faults) != maxFaults || o.unlogged != 10 || o.counts[ingest.Malformed] != 30 {
		t.Errorf("%d faults, %d unlogged, counted %v", len(o.faults), o.unlogged, o.counts)
	}
	for _, fault := range o.faults {
		if strings.Contains(fault, key) {
			t.Error("a key is told:", fault)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{"event_action":"resolve","dedup_key":"a"}`, `[{"a":1},2]`, `{"events":[{}]}`, "one\ntwo\r\n\n", "[WARN] x", "\xff\xfea\x00", "{}{}[[", `{"event_action":1,"route":[],"routing_key":{}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, printed []byte) {
		o := parse("x", printed, time.Now())
		taken := len(o.messages)
		for _, n := range o.counts {
			taken += n
		}
		if text := ingest.UTF8(printed, ""); taken == 0 && !isJSON(text) && len(bytes.Trim(text, " \t\r\n")) > 0 {
			t.Error("nothing came of it, and nothing was counted")
		}
		for _, m := range o.messages {
			if (m.Line == nil) == (m.Request == nil) {
				t.Error("a message of neither or of both kinds")
			}
		}
		_ = fmt.Sprint(shown(o.messages))
	})
}
