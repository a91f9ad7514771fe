package syslog

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/pdaltagent/pdaltagent/ingest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// kept is what a test keeps of a message, whose own parts are reused.
type kept struct {
	Source                       netip.Addr
	Host, App, PID, MsgID, Text  string
	Facility, Severity, DataSize int
	Stamped                      bool
	Raw                          string
}

// station is a Receiver, what it handed on, and its counts.
type station struct {
	*Receiver
	t        *testing.T
	registry *prometheus.Registry
	logged   locked
	stop     context.CancelFunc
	ended    chan error

	mu       sync.Mutex
	got      []kept
	messages []ingest.Message // without Line
}

// locked is a buffer that may be written to while it is read.
type locked struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func listen(t *testing.T, conf Config) *station {
	t.Helper()
	if conf.Listen == nil {
		conf.Listen = []string{"udp://127.0.0.1:0"}
	}
	s := &station{t: t, registry: prometheus.NewRegistry(), ended: make(chan error, 1)}
	r, err := New(t.Context(), conf, ingest.HandlerFunc(s.keep), ingest.NewTally(s.registry), slog.New(slog.NewTextHandler(&s.logged, nil)))
	if err != nil {
		t.Fatal(err)
	}
	s.Receiver = r
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	go func() { s.ended <- r.Run(ctx) }()
	t.Cleanup(func() { s.end() })
	return s
}

func (s *station) keep(_ context.Context, ms []ingest.Message, done func(ingest.Receipt)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range ms {
		l := m.Line
		s.got = append(s.got, kept{
			Source: m.Source, Host: strings.Clone(m.Host), App: strings.Clone(l.AppName), PID: strings.Clone(l.ProcID),
			MsgID: strings.Clone(l.MsgID), Text: strings.Clone(l.Text), Facility: l.Facility, Severity: l.Severity,
			DataSize: len(l.StructuredData), Stamped: !l.Timestamp.IsZero(), Raw: string(l.Raw),
		})
		m.Line = nil
		s.messages = append(s.messages, m)
	}
	if done != nil {
		s.t.Error("done is not nil: nobody waits for an answer to syslog")
	}
}

// receive waits for n lines, and returns all that were handed on until the end.
func (s *station) receive(n int) []kept {
	s.t.Helper()
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		s.mu.Lock()
		enough := len(s.got) >= n
		s.mu.Unlock()
		if enough {
			break
		}
	}
	return s.end()
}

func (s *station) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.got)
}

// end stops the receiver, which hands on what it has received.
func (s *station) end() []kept {
	s.t.Helper()
	if s.stop != nil {
		s.stop()
		s.stop = nil
		if err := <-s.ended; err != nil {
			s.t.Errorf("Run: %v", err)
		}
	}
	return s.got
}

// counted returns the messages counted under an outcome.
func (s *station) counted(outcome ingest.Outcome) int {
	s.t.Helper()
	families, err := s.registry.Gather()
	if err != nil {
		s.t.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			for _, label := range m.GetLabel() {
				if label.GetName() == "outcome" && label.GetValue() == string(outcome) {
					return int(m.GetCounter().GetValue())
				}
			}
		}
	}
	return 0
}

func (s *station) send(lines ...string) {
	s.t.Helper()
	conn, err := (&net.Dialer{}).DialContext(s.t.Context(), "udp", s.Addrs()[0].String())
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	for _, line := range lines {
		if _, err := conn.Write([]byte(line)); err != nil {
			s.t.Fatal(err)
		}
	}
}

func TestLinesReachTheHandlerInOrder(t *testing.T) {
	s := listen(t, Config{})
	var sent []string
	for i := range 1000 {
		sent = append(sent, fmt.Sprintf("<13>Mar  5 10:00:00 host%d app[%d]: text %d", i, i, i))
	}
	before := time.Now()
	s.send(sent...)
	got := s.receive(len(sent))
	if len(got) != len(sent) {
		t.Fatalf("%d of %d lines", len(got), len(sent))
	}
	for i, k := range got {
		want := kept{
			Source: netip.MustParseAddr("127.0.0.1"), Host: fmt.Sprintf("host%d", i), App: "app", PID: strconv.Itoa(i),
			Text: fmt.Sprintf("text %d", i), Facility: 1, Severity: 5, Stamped: true, Raw: sent[i],
		}
		if diff := cmp.Diff(want, k, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
			t.Fatalf("line %d (-want +got):\n%s", i, diff)
		}
	}
	ids := map[string]bool{}
	for _, m := range s.messages {
		ids[m.ID.String()] = true
		if m.Protocol != ingest.Syslog || m.ReceivedAt.Before(before.Add(-time.Second)) || m.ReceivedAt.After(time.Now()) {
			t.Fatalf("message %+v", m)
		}
	}
	if len(ids) != len(sent) {
		t.Errorf("%d ids for %d lines", len(ids), len(sent))
	}
}

func TestEveryDatagramThatIsNotHandedOnIsCounted(t *testing.T) {
	s := listen(t, Config{})
	s.send("<13>hello", "", "\n", " \x00\r\n", "<13>")
	if got := s.receive(2); len(got) != 2 || s.counted(ingest.Empty) != 3 {
		t.Errorf("%d lines handed on, %d empty; want 2 and 3", len(got), s.counted(ingest.Empty))
	}
	s = listen(t, Config{Allow: ingest.AllowList{netip.MustParsePrefix("192.0.2.0/24")}})
	s.send("<13>hello", "<13>hello")
	if got := s.end(); len(got) != 0 || s.counted(ingest.RefusedSource) != 2 {
		t.Errorf("%d lines handed on, %d refused; want 0 and 2", len(got), s.counted(ingest.RefusedSource))
	}
}

func TestALongLineIsCutOffAndCounted(t *testing.T) {
	s := listen(t, Config{MaxMessageBytes: 480})
	s.send("<13>"+strings.Repeat("x", 476), "<13>"+strings.Repeat("x", 475)+"ä", "<13>"+strings.Repeat("x", 900))
	got := s.receive(3)
	if len(got) != 3 || len(got[0].Text) != 476 || got[1].Text != strings.Repeat("x", 475) || len(got[2].Text) != 476 {
		t.Errorf("handed on %+v", got)
	}
	if s.Truncated() != 2 {
		t.Errorf("%d cut off, want 2", s.Truncated())
	}
}

func TestTheConfiguredTimeZoneIsUsed(t *testing.T) {
	r, err := New(t.Context(), Config{Timezone: "Asia/Tokyo"}, nil, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := stampOf(r.parser, "2024-03-05T10:00:00", noon()).Timestamp, at(2024, 3, 5, 1, 0, 0, 0); !got.Equal(want) {
		t.Errorf("ten in Tokyo is %v, want %v", got, want)
	}
}

func TestALineThatPanicsTheParserIsHandedOnAsText(t *testing.T) {
	s := &station{t: t}
	var logged bytes.Buffer
	b := batchFor(ingest.HandlerFunc(s.keep))
	b.log = slog.New(slog.NewTextHandler(&logged, nil))
	b.parse = func(raw []byte, now time.Time, line *ingest.Line) {
		NewParser(nil).Parse(raw, now, line)
		if line.Text == "boom" {
			line.Hostname, line.Text = "half", "read"
			panic("a bug")
		}
	}
	datagram := func(text string) ingest.Datagram {
		return ingest.Datagram{Data: []byte(text), At: noon(), From: netip.MustParseAddrPort("192.0.2.1:514")}
	}
	b.datagrams(t.Context(), []ingest.Datagram{datagram("one"), datagram("<12>h a: boom"), datagram("<12>boom"), datagram("two")})
	var texts []string
	for _, k := range s.got {
		texts = append(texts, k.Text)
	}
	if diff := cmp.Diff([]string{"one", "h a: boom", "boom", "two"}, texts); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if s.got[2].Severity != 4 || s.got[2].Facility != 1 || s.got[2].Host != "" {
		t.Errorf("handed on %+v", s.got[2])
	}
	if !strings.Contains(logged.String(), "a bug") || !strings.Contains(logged.String(), "192.0.2.1") {
		t.Errorf("logged %q", logged.String())
	}
}

func TestATakenPortFailsAtOnceAndFreesTheOthers(t *testing.T) {
	s := listen(t, Config{})
	taken := "udp://" + s.Addrs()[0].String()
	log := slog.New(slog.DiscardHandler)
	other, err := New(t.Context(), Config{Listen: []string{"udp://127.0.0.1:0"}}, nil, nil, log)
	if err != nil {
		t.Fatal(err)
	}
	free := "udp://" + other.Addrs()[0].String()
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = New(t.Context(), Config{Listen: []string{free, taken}}, nil, nil, log)
	if err == nil || !strings.Contains(err.Error(), "syslog: listen on udp") {
		t.Errorf("error %v", err)
	}
	again, err := New(t.Context(), Config{Listen: []string{free}}, nil, nil, log)
	if err != nil {
		t.Fatalf("the first address is still bound: %v", err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

func TestSocketsAreNamedByTheirAddress(t *testing.T) {
	s := listen(t, Config{Listen: []string{"udp://127.0.0.1:0", "udp://[::1]:0"}})
	sockets := s.Sockets()
	for _, addr := range s.Addrs() {
		socket := sockets[addr.String()]
		if socket == nil || socket.Addr() != addr {
			t.Errorf("no socket for %v among %v", addr, sockets)
			continue
		}
		if drops, err := socket.Drops(); err != nil || drops != 0 {
			t.Errorf("%v: %d drops, %v", addr, drops, err)
		}
	}
}

func TestADatagramIsHandedOnWithoutAllocation(t *testing.T) {
	b, datagrams := batchFor(discard()), datagramsOf(64)
	if n := testing.AllocsPerRun(100, func() { b.datagrams(t.Context(), datagrams) }); n > 0 {
		t.Errorf("%v allocations for a batch", n)
	}
}

func discard() ingest.Handler {
	return ingest.HandlerFunc(func(context.Context, []ingest.Message, func(ingest.Receipt)) {})
}

func batchFor(h ingest.Handler) *batch {
	r := &Receiver{
		handler: h, tally: ingest.NewTally(prometheus.NewRegistry()), parser: NewParser(nil), conf: Config{}.withDefaults(),
		log: slog.New(slog.DiscardHandler),
	}
	return r.newBatch(Auto)
}

func datagramsOf(n int) []ingest.Datagram {
	ds := make([]ingest.Datagram, n)
	for i := range ds {
		ds[i] = ingest.Datagram{Data: []byte(benchLines()["3164"]), From: netip.MustParseAddrPort("192.0.2.1:514"), At: noon()}
	}
	return ds
}

func BenchmarkBatchOf64(b *testing.B) {
	batch, datagrams := batchFor(discard()), datagramsOf(64)
	b.ReportAllocs()
	for b.Loop() {
		batch.datagrams(b.Context(), datagrams)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/64, "ns/line")
}
