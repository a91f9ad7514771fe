package snmptrap

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gosnmp/gosnmp"

	"github.com/pdaltagent/pdaltagent/ingest"
)

func TestComplaintsAreFewAndQuoteNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log := slog.New(slog.NewJSONHandler(&out, nil))
		l := offline(t, Config{Communities: []ingest.Secret{"public"}}, log)
		refused := datagram(bytes.Replace(sent(gosnmp.SNMPv2Trap), []byte("public"), []byte("hushed"), 1))
		cut := datagram([]byte("0*\x02\x01\x01\x04\x06public"))
		quoted := datagram(sent(gosnmp.SNMPv2Trap, tlv(0x30, []byte("\x06\x7fpublic")))) // the codec's error quotes it
		for i := range 10 {
			l.decode([][]ingest.Datagram{{refused, cut}, {quoted, cut}}[i/4%2])
			time.Sleep(250 * time.Millisecond)
		}
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if len(lines) != 3 {
			t.Errorf("%d lines in 2.5 s, want 3:\n%s", len(lines), out.String())
		}
		for i, line := range lines {
			var said struct {
				Outcome, Reason, Source, SHA256 string
				Size                            int
				LeftOut                         int `json:"left_out"`
			}
			if err := json.Unmarshal([]byte(line), &said); err != nil {
				t.Fatal(err)
			}
			if said.Outcome == "" || said.Reason == "" || said.Source != "203.0.113.9:40000" || said.Size == 0 || len(said.SHA256) != 64 {
				t.Errorf("line %d says too little: %s", i, line)
			}
			if want := min(i, 1) * 7; said.LeftOut != want {
				t.Errorf("line %d leaves out %d, want %d", i, said.LeftOut, want)
			}
		}
		for _, community := range []string{"public", "7075626c6963", "70 75 62", "hushed"} {
			if strings.Contains(out.String(), community) {
				t.Errorf("a community is in the log, as %s:\n%s", community, out.String())
			}
		}
	})
}

func TestComplaintsNameWhoSpeaks(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&out, nil))
	f := func(b []byte, want bool) {
		t.Helper()
		l := offline(t, withUsers(ops()), log)
		l.outcome(trapOf(guest()).bytes(t)) // its line is not looked at
		l.refused.next = time.Time{}
		out.Reset()
		l.outcome(b)
		if got := strings.Contains(out.String(), `"user":"guest","engine_id":"80001f8880746865697273"`); got != want && out.Len() > 0 {
			t.Errorf("named: %v, want %v: %s", got, want, out.String())
		} else if out.Len() == 0 {
			t.Error("no line")
		}
	}
	f(trapOf(guest()).bytes(t), true)
	f([]byte("text"), false)
}
