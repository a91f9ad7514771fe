package snmptrap

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// sample is one datagram that others have collected, with what another
// program makes of it.
type sample struct {
	Name    string
	Path    string
	Origin  string
	Version string
	PDUType string `json:"pdu_type"`
	Hex     string
	USM     struct {
		User, Auth, Priv string
		AuthPass         ingest.Secret `json:"auth_pass"`
		PrivPass         ingest.Secret `json:"priv_pass"`
	}
	Expected struct {
		User       string
		Version    string
		Community  string
		Enterprise string
		AgentAddr  string `json:"agent_addr"`
		TimeStamp  uint32 `json:"time_stamp"`
		TrapOID    string `json:"trap_oid"`
		Varbinds   []struct {
			OID, Type, Value string
			Hex              *string `json:"value_hex"`
		}
	}
}

func (s sample) bytes(tb testing.TB) []byte {
	tb.Helper()
	b, err := hex.DecodeString(s.Hex)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// samples reads a file of the corpus, which is not part of the project.
func samples(tb testing.TB, file string) []sample {
	tb.Helper()
	f, err := os.Open(filepath.Join("..", "..", "..", "shared", "corpus", file))
	if err != nil {
		tb.Skip("no corpus here: ", err)
	}
	defer func() { _ = f.Close() }()
	var all []sample
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var s sample
		if err := json.Unmarshal(lines.Bytes(), &s); err != nil {
			tb.Fatal(err)
		}
		all = append(all, s)
	}
	if err := lines.Err(); err != nil {
		tb.Fatal(err)
	}
	return all
}

// offline returns a listener without a socket.
func offline(tb testing.TB, conf Config, log *slog.Logger) *listener {
	tb.Helper()
	r, err := newReceiver(conf, log)
	if err != nil {
		tb.Fatal(err)
	}
	return newListener(r, nil)
}

func datagram(b []byte) ingest.Datagram {
	return ingest.Datagram{Data: b, From: netip.MustParseAddrPort("203.0.113.9:40000"), At: time.Unix(1_800_000_000, 0)}
}

// users are those that a sample is secured by; a sample that does not say how
// has one that is not secured.
func (s sample) users() []User {
	if s.Version != "v3" {
		return nil
	}
	if s.USM.User == "" {
		return []User{{Name: s.Expected.User}}
	}
	return []User{{
		Name: s.USM.User, Auth: s.USM.Auth, AuthPassphrase: s.USM.AuthPass, Priv: s.USM.Priv, PrivPassphrase: s.USM.PrivPass,
		Level: "noAuthNoPriv",
	}}
}

// secretKey reports whether s is secured with a key that the corpus does not
// tell.
func (s sample) secretKey(b []byte) bool {
	h, _ := readHeader(b)
	m, _ := readSecured(b, &h)
	return s.Version == "v3" && s.USM.User == "" && m.level != noAuthNoPriv
}

func TestCorpusOfNotificationsIsUnderstood(t *testing.T) {
	groups := tally{}
	for _, s := range samples(t, "traps.jsonl") {
		l := offline(t, Config{Users: s.users()}, quiet())
		b := s.bytes(t)
		if s.secretKey(b) {
			if o, _ := l.outcome(b); o != ingest.RefusedSecurity {
				t.Errorf("%s, whose key is not known: %s", s.Name, o)
			}
			continue
		}
		group := s.Version + " " + s.Origin
		l.decode([]ingest.Datagram{datagram(b)})
		if len(l.messages) != 1 {
			t.Errorf("%s: %v", s.Name, l.outcomes)
			groups.add(group, false)
			continue
		}
		diff := cmp.Diff(expected(s), l.messages[0], cmpopts.EquateComparable(netip.Addr{}),
			cmp.Comparer(sameType), cmpopts.EquateEmpty(), cmpopts.IgnoreFields(ingest.Message{}, "ID"))
		if diff != "" {
			t.Errorf("%s: (-want +got)\n%s", s.Name, diff)
		}
		groups.add(group, diff == "")
	}
	groups.log(t)
}

// tally counts what went well, and all, by group.
type tally map[string][2]int

func (c tally) add(group string, well bool) {
	n := c[group]
	if n[1]++; well {
		n[0]++
	}
	c[group] = n
}

func (c tally) log(t *testing.T) {
	t.Helper()
	for _, group := range slices.Sorted(maps.Keys(c)) {
		t.Logf("%s: %d/%d", group, c[group][0], c[group][1])
	}
}

// sameType leaves out that tshark calls a Counter64 by the name of a Counter32.
func sameType(a, b ingest.VarbindType) bool {
	return a == b || a == ingest.Counter32 && b == ingest.Counter64 || a == ingest.Counter64 && b == ingest.Counter32
}

// expected makes the message that s.Expected describes.
func expected(s sample) ingest.Message {
	e := s.Expected
	trap := &ingest.Trap{
		Version: e.Version, OID: e.TrapOID, Enterprise: e.Enterprise, Uptime: e.TimeStamp,
		Community: ingest.Secret(e.Community), Inform: s.PDUType == "inform", Varbinds: []ingest.Varbind{},
	}
	m := ingest.Message{ReceivedAt: time.Unix(1_800_000_000, 0), Protocol: ingest.SNMP, Source: netip.MustParseAddr("203.0.113.9"), Trap: trap}
	setSource := func(text string) {
		if a, err := netip.ParseAddr(text); err == nil && !a.IsUnspecified() && !a.IsLoopback() {
			m.Source = a
		}
	}
	setSource(e.AgentAddr)
	for _, v := range e.Varbinds {
		switch {
		case v.OID == "1.3.6.1.6.3.1.1.4.1.0":
			continue
		case v.OID == "1.3.6.1.2.1.1.3.0" && v.Type == "TimeTicks":
			trap.Uptime = uint32(number(v.Value))
			continue
		case v.OID == "1.3.6.1.6.3.1.1.4.3.0" && trap.Enterprise == "":
			trap.Enterprise = v.Value
		case v.OID == "1.3.6.1.6.3.18.1.3.0":
			setSource(v.Value)
		}
		value := valueOf(v.Type, v.Value, v.Hex)
		if v.OID == "1.3.6.1.6.3.18.1.4.0" {
			value = []byte("[secret]")
		}
		trap.Varbinds = append(trap.Varbinds, ingest.Varbind{OID: v.OID, Type: ingest.VarbindType(v.Type), Value: value})
	}
	return m
}

func valueOf(kind, text string, octets *string) any {
	switch kind {
	case "INTEGER":
		return int64(number(text))
	case "Counter32", "Gauge32", "TimeTicks", "Counter64":
		return uint64(number(text))
	case "IpAddress":
		return netip.MustParseAddr(text)
	case "OBJECT IDENTIFIER":
		return text
	case "NULL":
		return nil
	}
	if octets == nil {
		return []byte(text)
	}
	b, _ := hex.DecodeString(*octets)
	return b
}

func number(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		panic(fmt.Sprintf("%q is no number", text))
	}
	return n
}

func TestCorpusOfMalformedDatagramsIsCountedOnce(t *testing.T) {
	l := offline(t, withUsers(ops(), guest()), quiet())
	groups, outcomes := tally{}, map[ingest.Outcome]int{}
	for _, s := range samples(t, "traps_malformed.jsonl") {
		b := s.bytes(t)
		o, _ := l.outcome(b)
		groups.add(filepath.Base(filepath.Dir(s.Path)), o != "more than one")
		if outcomes[o]++; o == "more than one" {
			t.Errorf("%s: %d messages, %v", s.Name, len(l.messages), l.outcomes)
		}
		in := datagram(bytes.Clone(b))
		if l.decode([]ingest.Datagram{in}); len(l.messages) == 0 && !bytes.Equal(in.Data, b) {
			t.Errorf("%s: refused, and not as it came", s.Name)
		}
	}
	groups.log(t)
	t.Logf("outcomes (%q: taken): %v", accepted, outcomes)
}
