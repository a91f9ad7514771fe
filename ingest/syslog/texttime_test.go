package syslog

import (
	"strings"
	"testing"
	"time"

	"github.com/pdaltagent/pdaltagent/ingest"
)

func lineOf(raw string) (line ingest.Line) {
	NewParser(nil).Parse([]byte(raw), noon(), &line)
	return line
}

func TestTheTextTellsTheTimeWhereTheHeaderDoesNot(t *testing.T) {
	f := func(raw string, want time.Time) {
		t.Helper()
		got := lineOf(raw)
		if !got.Timestamp.Equal(want) {
			t.Errorf("%q: %v, want %v", raw, got.Timestamp, want)
		}
		if _, text, _ := strings.Cut(raw, ">"); !strings.HasSuffix(text, got.Text) || got.Text == "" {
			t.Errorf("%q: text %q", raw, got.Text)
		}
	}
	none := time.Time{}
	ten := at(2020, 10, 7, 10, 0, 0, 0)

	f("<13>[2020-10-07T10:00:00Z] started", ten)
	f("<13>[Wed Oct 07 10:00:00 2020] [core:error] x", ten)
	f("<13>[7] 2020/10/07 10:00:00 [INF] started", ten)
	f("<13>\"2020-10-07 10:00:00\",\"user\"", ten)
	f("<13>192.0.2.1 - - [07/Oct/2020:12:00:00 +0200] \"GET / HTTP/1.1\" 200", ten)
	f("<13>192.0.2.1 7337 [07/Oct/2020:10:00:00 XYZZY] \"GET /\"", ten)
	f("<13>[error] it broke at [2020-10-07 10:00:00]", none)
	f("<13>it broke [7/10] at noon", none)
	f("<13>[", none)
	f("<13>\"", none)
	f("<13>[2020-10-07T10:00:00Z", none)

	// Palo Alto Networks: when the log was made, which may be long ago.
	f("<14>Mar  5 10:00:00 pa-1 1,2024/03/05 10:00:00,007,TRAFFIC,start,1,2020/10/07 10:00:00,192.0.2.1", ten)
	f("<14>1,2020/10/07 10:00:00,007,SYSTEM", ten)
	f("<14>1 2024-03-05T10:00:00+02:00 pa-1 - - - - 1,2024/03/05 10:00:00,007,TRAFFIC,start,1,2020/10/07 12:00:00,192.0.2.1", ten)
	f("<14>Mar  5 10:00:00 pa-1 1,2020-10-07T10:00:00.000000Z,no-serial,TRAFFIC", ten)
	f("<14>Mar  5 10:00:00 pa-1 1,2,3,4,5,6,2020/10/07 10:00:00", at(2024, 3, 5, 10, 0, 0, 0))
	f("<14>Mar  5 10:00:00 pa-1 12345,2020", at(2024, 3, 5, 10, 0, 0, 0))

	// Pairs have a year where their relay's header has none.
	f("<14>Oct  7 13:45:36 192.0.2.1 id=firewall sn=0 time=\"2020-10-07 10:00:00\" m=98", ten)
	f("<14>2024-03-05T10:00:00Z fw1 id=firewall sn=0 time=\"2020-10-07 10:00:00\" m=98", at(2024, 3, 5, 10, 0, 0, 0))
	f("<14>Mar  5 10:00:00 h time=12 date=13", at(2024, 3, 5, 10, 0, 0, 0))
	f("<14>devname=\"fw1\" eventtime=1602064800 x=y", ten)
	f("<14>devname=\"fw1\" eventtime=1602064800000000000 x=y", ten)
	f("<14>devname=\"fw1\" eventtime=16020648 x=y", none)

	f("<14>CEF:0|V|P|1|1|n|3|src=192.0.2.1 rt=1602064800000 x=y", ten)
	f("<14>CEF:0|V|P|1|1|n|3|rt=Oct 07 2020 10:00:00 UTC dvchost=fw1", ten)
	f("<14>CEF:0|V|P|1|1|n|3|start=1602064800000", ten)
	f("<14>0|V|P|1|1|n|3|cat=x rt=1602064800000", ten)
	f("<14>LEEF:1.0|V|P|1|x|src=192.0.2.1\tdevTime=Oct 07 2020 10:00:00\tmsg=x", ten)
	f("<14>CEF:0|V|P|1|1|n|3|art=1602064800000 rt=", none)
	f("<14>Mar  5 10:00:00 h CEF:0|V|P|1|1|n|3|rt=1602064800000", at(2024, 3, 5, 10, 0, 0, 0))

	f("<14>node=h1 type=SYSCALL msg=audit(1602064800.000:4686): arch=x", ten)
	f("<14>type=SYSCALL msg=audit(1602064800.000:4686): arch=x", ten)
	f("<14>type=SYSCALL msg=audit(x:4686): arch=x", none)
	f("<14>type=SYSCALL msg=audit(", none)
}

func TestTheTextTellsTheHostWhereTheHeaderDoesNot(t *testing.T) {
	f := func(raw, want string) {
		t.Helper()
		if got := lineOf(raw).Hostname; got != want {
			t.Errorf("%q: %q, want %q", raw, got, want)
		}
	}
	f("<14>CEF:0|V|P|1|1|n|3|dvchost=fw1 rt=1602064800000", "fw1")
	f("<14>Mar  5 10:00:00 h CEF:0|V|P|1|1|n|3|dvchost=fw1", "h")
	f("<14>node=h1 type=SYSCALL msg=audit(1602064800.000:4686): arch=x", "h1")
}

func TestNumbersOfEveryLengthSince1970(t *testing.T) {
	f := func(s string, want time.Time, ok bool) {
		t.Helper()
		if got, known := sinceEpoch(s); known != ok || !got.Equal(want) {
			t.Errorf("%q: %v, %v", s, got, known)
		}
	}
	when := at(2020, 10, 7, 10, 0, 0, 588e6)
	f("1602064800.588", when, true)
	f("1602064800588", when, true)
	f("1602064800588000", when, true)
	f("1602064800588000000", when, true)
	f("1602064800", at(2020, 10, 7, 10, 0, 0, 0), true)
	for _, s := range []string{"", ".", "16020648", "1602064800.x", "-602064800", "99999999999999999999", "+602064800"} {
		f(s, time.Time{}, false)
	}
}
