package snmptrap

import (
	"bytes"
	"context"
	"encoding/hex"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/pdaltagent/pdaltagent/ingest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// running is a Receiver that runs, and what it counts.
type running struct {
	*Receiver
	registry *prometheus.Registry
	stop     func() // ends the Receiver and waits for that
}

// run starts a Receiver on loopback.
func run(tb testing.TB, conf Config, log *slog.Logger, handler ingest.HandlerFunc) running {
	tb.Helper()
	registry := prometheus.NewRegistry()
	if conf.Listen == nil {
		conf.Listen = []string{"127.0.0.1:0"}
	}
	r, err := New(tb.Context(), conf, handler, ingest.NewTally(registry), log)
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(tb.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			tb.Errorf("Run: %v", err)
		}
	})
	tb.Cleanup(stop)
	return running{r, registry, stop}
}

// counts returns what was counted, by outcome.
func (r running) counts(tb testing.TB) map[ingest.Outcome]int {
	tb.Helper()
	families, err := r.registry.Gather()
	if err != nil {
		tb.Fatal(err)
	}
	counts := map[ingest.Outcome]int{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			for _, label := range m.GetLabel() {
				if label.GetName() == "outcome" {
					counts[ingest.Outcome(label.GetValue())] = int(m.GetCounter().GetValue())
				}
			}
		}
	}
	return counts
}

func (r running) send(tb testing.TB, datagrams ...[]byte) *net.UDPConn {
	tb.Helper()
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(r.Addrs()[0]))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	for _, d := range datagrams {
		if _, err := conn.Write(d); err != nil {
			tb.Fatal(err)
		}
	}
	return conn
}

// needNetSNMP skips a test, in whose own goroutine it is called, where net-snmp's
// programs are not there.
func needNetSNMP(t *testing.T) {
	t.Helper()
	for _, name := range []string{"snmptrap", "snmpinform"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skip(err)
		}
	}
}

// client returns a command of net-snmp that sends to r.
func (r running) client(t *testing.T, name string, options ...string) *exec.Cmd {
	t.Helper()
	needNetSNMP(t)
	i := len(options)
	for j, o := range options {
		if o == "--" {
			i = j
		}
	}
	arguments := append([]string{"-m", "", "-On"}, options[:i]...)
	agent := r.Addrs()[0].String()
	if r.Addrs()[0].Addr().Is6() {
		agent = "udp6:" + agent
	}
	arguments = append(arguments, agent)
	if i < len(options) {
		arguments = append(arguments, options[i+1:]...)
	}
	command := exec.CommandContext(t.Context(), name, arguments...)
	command.Env = append(os.Environ(), "SNMP_PERSISTENT_DIR="+t.TempDir()) // they write to it, each at its end
	return command
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// unhex returns the octets that s stands for.
func unhex(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// deepCopy copies messages, which are the receiver's, as JSON would.
func deepCopy(ms []ingest.Message) []ingest.Message {
	var kept []ingest.Message
	for _, m := range ms {
		trap := *m.Trap
		trap.Varbinds = nil
		for _, v := range m.Trap.Varbinds {
			if b, ok := v.Value.([]byte); ok {
				v.Value = bytes.Clone(b)
			}
			trap.Varbinds = append(trap.Varbinds, v)
		}
		m.Trap = &trap
		kept = append(kept, m)
	}
	return kept
}

func TestTrapsOfNetSNMPAreTranslated(t *testing.T) {
	got := make(chan ingest.Message, 1)
	r := run(t, Config{Communities: []ingest.Secret{"public"}}, quiet(), func(_ context.Context, ms []ingest.Message, done func(ingest.Receipt)) {
		if done != nil {
			t.Error("a trap's sender waits for an answer")
		}
		got <- deepCopy(ms)[0]
	})
	f := func(options string, source string, want ingest.Trap) {
		t.Helper()
		begin := time.Now()
		if out, err := r.client(t, "snmptrap", strings.Fields(options)...).CombinedOutput(); err != nil {
			t.Fatalf("snmptrap %s: %v: %s", options, err, out)
		}
		m := <-got
		if diff := cmp.Diff(&want, m.Trap, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
			t.Errorf("snmptrap %s: (-want +got)\n%s", options, diff)
		}
		if m.Source.String() != source || m.Protocol != ingest.SNMP {
			t.Errorf("snmptrap %s: by %s from %s, want %s", options, m.Protocol, m.Source, source)
		}
		if since := m.ReceivedAt.Sub(begin); since < -time.Millisecond || since > 5*time.Second || m.ID.Version() != 7 {
			t.Errorf("snmptrap %s: received %v after the start, id %v", options, since, m.ID)
		}
	}
	f("-v1 -c public -- 1.3.6.1.4.1.8072 192.0.2.7 6 17 55 1.3.6.1.4.1.8072.1 s text", "192.0.2.7", ingest.Trap{
		Version: "v1", OID: "1.3.6.1.4.1.8072.0.17", Enterprise: "1.3.6.1.4.1.8072", Community: "public", Uptime: 55,
		Varbinds: []ingest.Varbind{{OID: "1.3.6.1.4.1.8072.1", Type: ingest.OctetString, Value: []byte("text")}},
	})
	f("-v1 -c public -- 1.3.6.1.4.1.8072 0.0.0.0 2 0 55", "127.0.0.1", ingest.Trap{
		Version: "v1", OID: "1.3.6.1.6.3.1.1.5.3", Enterprise: "1.3.6.1.4.1.8072", Community: "public", Uptime: 55,
	})
	f("-v2c -c public -- 77 1.3.6.1.6.3.1.1.5.4 1.3.6.1.2.1.2.2.1.1.517 i -517 1.3.6.1.2.1.2.2.1.10.517 c 4000000000 "+
		"1.3.6.1.2.1.2.2.1.5.517 u 4000000000 1.3.6.1.2.1.31.1.1.1.6.517 C 18446744073709551615 1.3.6.1.2.1.2.2.1.9.517 t 9 "+
		"1.3.6.1.2.1.4.20.1.1 a 192.0.2.1 1.3.6.1.2.1.2.2.1.22.517 o 0.0 1.3.6.1.2.1.2.2.1.6.517 x 00fe 1.3.6.1.2.1.1.7 b 1 "+
		"1.3.6.1.4.1.1 F 1.5 1.3.6.1.4.1.2 D 2.5 1.3.6.1.4.1.3 n x", "127.0.0.1", ingest.Trap{
		Version: "v2c", OID: "1.3.6.1.6.3.1.1.5.4", Community: "public", Uptime: 77,
		Varbinds: []ingest.Varbind{
			{OID: "1.3.6.1.2.1.2.2.1.1.517", Type: ingest.Integer, Value: int64(-517)},
			{OID: "1.3.6.1.2.1.2.2.1.10.517", Type: ingest.Counter32, Value: uint64(4000000000)},
			{OID: "1.3.6.1.2.1.2.2.1.5.517", Type: ingest.Gauge32, Value: uint64(4000000000)},
			{OID: "1.3.6.1.2.1.31.1.1.1.6.517", Type: ingest.Counter64, Value: uint64(18446744073709551615)},
			{OID: "1.3.6.1.2.1.2.2.1.9.517", Type: ingest.TimeTicks, Value: uint64(9)},
			{OID: "1.3.6.1.2.1.4.20.1.1", Type: ingest.IPAddress, Value: netip.MustParseAddr("192.0.2.1")},
			{OID: "1.3.6.1.2.1.2.2.1.22.517", Type: ingest.ObjectIdentifier, Value: "0.0"},
			{OID: "1.3.6.1.2.1.2.2.1.6.517", Type: ingest.OctetString, Value: []byte{0, 0xfe}},
			{OID: "1.3.6.1.2.1.1.7", Type: ingest.OctetString, Value: []byte{0x40}},
			{OID: "1.3.6.1.4.1.1", Type: ingest.Opaque, Value: 1.5},
			{OID: "1.3.6.1.4.1.2", Type: ingest.Opaque, Value: 2.5},
			{OID: "1.3.6.1.4.1.3", Type: ingest.Null, Value: nil},
		},
	})
}

func TestATakenPortFailsAtTheStart(t *testing.T) {
	taken, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	conf := Config{Listen: []string{"127.0.0.1:0", taken.LocalAddr().String()}}
	_, err = New(t.Context(), conf, nil, nil, quiet())
	if err == nil || !strings.Contains(err.Error(), "another program (snmptrapd") {
		t.Errorf("error %v does not name the mend", err)
	}
}

func TestWhatIsRefusedIsCountedAndNotHandedOn(t *testing.T) {
	r := run(t, withUsers(guest()), quiet(), func(_ context.Context, ms []ingest.Message, _ func(ingest.Receipt)) {
		t.Errorf("%d messages were handed on", len(ms))
	})
	r.send(t, []byte("text"), panicking(), unhex(t, getRequest), nil, trapOf(ops()).bytes(t))
	r.stop()
	want := map[ingest.Outcome]int{
		ingest.Malformed: 1, ingest.Panicked: 1, ingest.Unsupported: 1, ingest.Empty: 1, ingest.RefusedUser: 1,
	}
	if diff := cmp.Diff(want, r.counts(t)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestWhatDoesNotDecodeIsQuarantinedAsItCame(t *testing.T) {
	dir := t.TempDir()
	q, err := ingest.NewQuarantine(dir, quiet())
	if err != nil {
		t.Fatal(err)
	}
	conf := withUsers(guest(), ops())
	conf.Quarantine = q
	l := offline(t, conf, quiet())
	changed := trapOf(ops()).bytes(t)
	changed[len(changed)-1] ^= 1
	want := map[string]bool{string(panicking()): true, "text": true}
	for _, b := range [][]byte{panicking(), []byte("text"), unhex(t, getRequest), changed, linkDown6(), nil} {
		l.outcome(b)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != len(want) {
		t.Errorf("%d are kept, want %d; %v", len(files), len(want), err)
	}
	for _, f := range files {
		if b, err := os.ReadFile(filepath.Join(dir, f.Name())); err != nil || !want[string(b)] {
			t.Errorf("%s: %x, %v", f.Name(), b, err)
		}
	}
}

func TestOurEngineOutlivesARestart(t *testing.T) {
	conf := withUsers(ops())
	conf.EngineID, conf.StateDir = "", filepath.Join(t.TempDir(), "snmp")
	handler, _ := answering()
	var engines []string
	for range 2 {
		r := run(t, conf, quiet(), handler)
		out, err := r.client(t, "snmpinform", append(options(ops()), "--", "77", "1.3.6.1.6.3.1.1.5.4")...).CombinedOutput()
		if err != nil {
			t.Fatalf("snmpinform: %v: %s", err, out)
		}
		engines = append(engines, r.security.own.id+strconv.Itoa(int(r.security.own.boots)))
		r.stop()
	}
	if one := strings.TrimSuffix(engines[0], "1"); engines[1] != one+"2" {
		t.Errorf("engines %q", engines)
	}
	conf.Users = nil
	conf.StateDir += "2"
	run(t, conf, quiet(), handler).stop()
	if _, err := os.Stat(conf.StateDir); err == nil {
		t.Error("without users, an engine is kept")
	}
}
