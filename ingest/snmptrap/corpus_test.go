package snmptrap

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// sample is one datagram that others have collected, with what another
// program makes of it.
type sample struct {
	Name     string
	Version  string
	PDUType  string `json:"pdu_type"`
	Hex      string
	Expected struct {
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

// newListener returns a listener without a socket.
func newListener(tb testing.TB, conf Config, log *slog.Logger) *listener {
	tb.Helper()
	conf.Listen = nil
	r, err := New(tb.Context(), conf, nil, ingest.NewTally(prometheus.NewRegistry()), log)
	if err != nil {
		tb.Fatal(err)
	}
	return &listener{Receiver: r, outcomes: map[ingest.Outcome]int{}}
}

func datagram(b []byte) ingest.Datagram {
	return ingest.Datagram{Data: b, From: netip.MustParseAddrPort("203.0.113.9:40000"), At: time.Unix(1_800_000_000, 0)}
}

func TestNotificationsFromTheWildAreUnderstood(t *testing.T) {
	l := newListener(t, Config{}, slog.New(slog.DiscardHandler))
	right, total := 0, 0
	for _, s := range samples(t, "traps.jsonl") {
		if s.Version == "v3" {
			continue
		}
		total++
		l.decode([]ingest.Datagram{datagram(s.bytes(t))})
		if len(l.messages) != 1 {
			t.Errorf("%s: %v", s.Name, l.outcomes)
			continue
		}
		if diff := cmp.Diff(expected(s), l.messages[0], cmpopts.EquateComparable(netip.Addr{}),
			cmp.Comparer(sameType), cmpopts.IgnoreFields(ingest.Message{}, "ID")); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", s.Name, diff)
			continue
		}
		right++
	}
	t.Logf("%d of %d notifications decode as expected", right, total)
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

func TestMalformedDatagramsAreCountedAndHarmless(t *testing.T) {
	l := newListener(t, Config{}, slog.New(slog.DiscardHandler))
	total := map[ingest.Outcome]int{}
	all := samples(t, "traps_malformed.jsonl")
	counted := 0
	for _, s := range all {
		l.decode([]ingest.Datagram{datagram(s.bytes(t))})
		total[accepted] += len(l.messages)
		for outcome, n := range l.outcomes {
			total[outcome] += n
		}
	}
	for _, n := range total {
		counted += n
	}
	if counted != len(all) {
		t.Errorf("%d datagrams have %d outcomes", len(all), counted)
	}
	t.Logf("%d datagrams: %v", len(all), total)
}
