package syslog

import (
	"context"
	"errors"
	"fmt"
	"io"
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

	"github.com/pdaltagent/pdaltagent/ingest"
)

func tcp(conf Config) Config {
	conf.Listen = []string{"tcp://127.0.0.1:0"}
	return conf
}

func (s *station) dial() net.Conn {
	s.t.Helper()
	conn, err := (&net.Dialer{}).DialContext(s.t.Context(), "tcp", s.Addrs()[0].String())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func write(t *testing.T, w io.Writer, text string) {
	t.Helper()
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
}

// raws returns the lines as they came.
func raws(got []kept) []string {
	all := []string{}
	for _, k := range got {
		all = append(all, k.Raw)
	}
	return all
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}

// closed reports whether the peer has closed a connection.
func closed(t *testing.T, conn net.Conn) bool {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	_, err := conn.Read(make([]byte, 1))
	netErr, ok := errors.AsType[net.Error](err)
	return err != nil && (!ok || !netErr.Timeout())
}

func TestAConnectionMayMixItsFramings(t *testing.T) {
	s := listen(t, tcp(Config{}))
	conn := s.dial()
	write(t, conn, "<13>one\n7 <13>two<13>three\x00<13>four\n\tat five\n<13>six\r\n")
	write(t, conn, "<13>sev")
	time.Sleep(5 * time.Millisecond)
	write(t, conn, "en\n<13>eight")
	_ = conn.Close()
	got := s.receive(7)
	want := []string{"<13>one", "<13>two", "<13>three", "<13>four\n\tat five", "<13>six\r", "<13>seven", "<13>eight"}
	if diff := cmp.Diff(want, raws(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got[3].Text != "four\n\tat five" || got[4].Text != "six" {
		t.Errorf("texts %q and %q", got[3].Text, got[4].Text)
	}
	for i, m := range s.messages {
		if m.Source != netip.MustParseAddr("127.0.0.1") || time.Since(m.ReceivedAt) > time.Minute {
			t.Errorf("message %+v", m)
		}
		if i > 0 && m.ID.String() <= s.messages[i-1].ID.String() {
			t.Errorf("id %v follows %v", m.ID, s.messages[i-1].ID)
		}
	}
}

func TestALoneLineIsHandedOnWhileItsConnectionStaysOpen(t *testing.T) {
	s := listen(t, tcp(Config{}))
	conn := s.dial()
	for i, line := range []string{"<13>one\n", "7 <13>two", "three\n", "<13>four\x00"} {
		write(t, conn, line)
		eventually(t, line, func() bool { return s.count() == i+1 })
	}
}

func TestALongMessageClosesNoConnection(t *testing.T) {
	s := listen(t, tcp(Config{MaxMessageBytes: 1000}))
	conn := s.dial()
	long := strings.Repeat("x", 300_000)
	write(t, conn, fmt.Sprintf("<13>%s\n<13>a\n%d <13>%s<13>b\n", long, len(long)+4, long))
	got := s.receive(4)
	want := []string{"<13>" + long[:996], "<13>a", "<13>" + long[:996], "<13>b"}
	if diff := cmp.Diff(want, raws(got)); diff != "" {
		t.Errorf("(-want +got):\n%.500s", diff)
	}
	if s.Truncated() != 2 {
		t.Errorf("%d cut off, want 2", s.Truncated())
	}

	s = listen(t, tcp(Config{MaxMessageBytes: 480}))
	write(t, s.dial(), "<13>"+strings.Repeat("x", 475)+"äää\n<13>b\n")
	want = []string{"<13>" + strings.Repeat("x", 475), "<13>b"} // no half of a character
	if diff := cmp.Diff(want, raws(s.receive(2))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestNothingIsLostWhileTheHandlerBlocks(t *testing.T) {
	const lines = 150_000 // 15 MB: more than all buffers between us hold
	release := make(chan struct{})
	var mu sync.Mutex
	next := 0
	handler := ingest.HandlerFunc(func(_ context.Context, ms []ingest.Message, _ func(ingest.Receipt)) {
		<-release
		mu.Lock()
		defer mu.Unlock()
		for _, m := range ms {
			if number, _, _ := strings.Cut(m.Line.Text, " "); number != strconv.Itoa(next) {
				t.Errorf("line %q where %d is due", number, next)
			}
			next++
		}
	})
	r, stop := run(t, tcp(Config{}), handler)
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", r.Addrs()[0].String())
	if err != nil {
		t.Fatal(err)
	}
	sent := make(chan error, 1)
	go func() {
		var stream strings.Builder
		for i := range lines {
			fmt.Fprintf(&stream, "<13>Mar  5 10:00:00 host app: %d %60d\n", i, 0)
		}
		_, err := io.WriteString(conn, stream.String())
		sent <- errors.Join(err, conn.Close())
	}()
	select {
	case err := <-sent:
		t.Fatalf("the sender was not made to wait: %v", err)
	case <-time.After(300 * time.Millisecond):
	}
	close(release)
	if err := <-sent; err != nil {
		t.Error(err)
	}
	eventually(t, "all lines", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return next == lines
	})
	stop()
}

func TestAHandlerThatBlocksForLongMakesNoConnectionIdle(t *testing.T) {
	const idle = 100 * time.Millisecond
	var texts locked
	first := true
	handler := ingest.HandlerFunc(func(_ context.Context, ms []ingest.Message, _ func(ingest.Receipt)) {
		if first {
			first = false
			time.Sleep(3 * idle)
		}
		for _, m := range ms {
			_, _ = io.WriteString(&texts, m.Line.Text+" ")
		}
	})
	conf := tcp(Config{IdleTimeout: idle})
	r, _ := run(t, conf, handler)
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", r.Addrs()[0].String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	write(t, conn, "<13>one\x00")
	time.Sleep(idle / 2)
	write(t, conn, "<13>two\x00")
	eventually(t, "the second line, sent while the first was handled", func() bool { return texts.String() == "one two " })
}

// run runs a Receiver until stop is called.
func run(t testing.TB, conf Config, handler ingest.Handler) (r *Receiver, stop func()) {
	t.Helper()
	r, err := New(t.Context(), conf, handler, ingest.NewTally(prometheus.NewRegistry()), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(stop)
	return r, stop
}

func TestWhatWasReceivedIsHandedOnAtTheEnd(t *testing.T) {
	for range 20 {
		s := listen(t, tcp(Config{}))
		var want []string
		var conns []net.Conn
		for i := range 10 {
			conns = append(conns, s.dial())
			want = append(want, fmt.Sprintf("<13>first %d", i))
			write(t, conns[i], want[i]+"\n")
		}
		eventually(t, "all connections are read", func() bool { return s.count() == 10 })
		for i, conn := range conns {
			want = append(want, fmt.Sprintf("<13>last %d", i))
			write(t, conn, want[10+i]+"\n")
		}
		begin := time.Now()
		got := s.end() // at once: the lines are on their way or in the kernel
		if took := time.Since(begin); took > 3*time.Second {
			t.Errorf("the end took %v", took)
		}
		if len(got) != len(want) {
			t.Fatalf("%d lines of %d were handed on", len(got), len(want))
		}
	}
}

func TestTheEndComesUnderAFlood(t *testing.T) {
	s := listen(t, tcp(Config{}))
	conn := s.dial()
	flood := make(chan struct{})
	go func() {
		defer close(flood)
		for {
			if _, err := io.WriteString(conn, strings.Repeat("<13>flood\n", 100)); err != nil {
				return
			}
		}
	}()
	eventually(t, "it floods", func() bool { return s.count() > 1000 })
	begin := time.Now()
	s.end()
	if took := time.Since(begin); took > drainPatience+3*time.Second {
		t.Errorf("the end took %v", took)
	}
	<-flood
}

func TestConnectionsBeyondTheCapAreRefusedAndCounted(t *testing.T) {
	s := listen(t, tcp(Config{MaxConnections: 3}))
	var conns []net.Conn
	for range 3 {
		conns = append(conns, s.dial())
		eventually(t, "it is open", func() bool { return s.Connections() == len(conns) })
	}
	if !closed(t, s.dial()) || s.counted(ingest.RefusedConnection) != 1 {
		t.Errorf("the fourth is open, or counted %d times", s.counted(ingest.RefusedConnection))
	}
	_ = conns[0].Close()
	eventually(t, "there is room again", func() bool { return s.Connections() == 2 })
	write(t, s.dial(), "<13>fifth\n")
	write(t, conns[2], "<13>third\n")
	if got := s.receive(2); len(got) != 2 {
		t.Errorf("handed on %v", raws(got))
	}
	if s.Connections() != 0 {
		t.Errorf("%d are open after the end", s.Connections())
	}
}

func TestConnectionsFromElsewhereAreRefusedAndCounted(t *testing.T) {
	s := listen(t, tcp(Config{Allow: ingest.AllowList{netip.MustParsePrefix("192.0.2.0/24")}}))
	if !closed(t, s.dial()) {
		t.Error("it is open")
	}
	if s.counted(ingest.RefusedSource) != 1 {
		t.Errorf("counted %d times", s.counted(ingest.RefusedSource))
	}
}

func TestASilentConnectionIsClosed(t *testing.T) {
	s := listen(t, tcp(Config{IdleTimeout: 200 * time.Millisecond}))
	silent, busy := s.dial(), s.dial()
	write(t, silent, "<13>unfinished")
	for range 40 {
		write(t, busy, "x")
		time.Sleep(10 * time.Millisecond)
	}
	if !closed(t, silent) {
		t.Error("the silent one is open")
	}
	write(t, busy, "\n")
	if diff := cmp.Diff([]string{"<13>unfinished", strings.Repeat("x", 40)}, raws(s.receive(2))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestABalancersPeersAreTheSource(t *testing.T) {
	f := func(header string, want string) {
		t.Helper()
		s := listen(t, tcp(Config{ProxyProtocol: ingest.AllowList{netip.MustParsePrefix("127.0.0.0/8")}}))
		write(t, s.dial(), header+"<13>hello\n")
		s.receive(1)
		if len(s.messages) != 1 || s.messages[0].Source != netip.MustParseAddr(want) {
			t.Errorf("%q: handed on %+v, want source %s", header, s.messages, want)
		}
	}
	f("PROXY TCP4 192.0.2.1 198.51.100.9 51022 514\r\n", "192.0.2.1")
	f("PROXY UNKNOWN\r\n", "127.0.0.1")
	f("\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x07\xc6\x33\x64\x09\xc7\x4e\x02\x02", "192.0.2.7")
}

func TestABalancerWithoutItsHeaderIsRefusedAndCounted(t *testing.T) {
	balancers := ingest.AllowList{netip.MustParsePrefix("127.0.0.0/8")}
	s := listen(t, tcp(Config{ProxyProtocol: balancers}))
	conn := s.dial()
	write(t, conn, "<13>hello\n")
	if !closed(t, conn) || s.counted(ingest.RefusedProxy) != 1 {
		t.Errorf("it is open, or counted %d times", s.counted(ingest.RefusedProxy))
	}
	check := s.dial() // a balancer's look at the port is no fault
	_ = check.Close()
	eventually(t, "it is closed", func() bool { return s.Connections() == 0 })
	if s.counted(ingest.RefusedProxy) != 1 {
		t.Error("a look at the port is counted")
	}

	s = listen(t, tcp(Config{ProxyProtocol: balancers, Allow: ingest.AllowList{netip.MustParsePrefix("192.0.2.0/24")}}))
	write(t, s.dial(), "PROXY TCP4 203.0.113.1 198.51.100.9 51022 514\r\n<13>foreign\n")
	write(t, s.dial(), "PROXY TCP4 192.0.2.1 198.51.100.9 51022 514\r\n<13>known\n")
	if diff := cmp.Diff([]string{"<13>known"}, raws(s.receive(1))); diff != "" || s.counted(ingest.RefusedSource) != 1 {
		t.Errorf("%d refused; (-want +got):\n%s", s.counted(ingest.RefusedSource), diff)
	}
}

func TestOnlyBalancersSpeakForOthers(t *testing.T) {
	s := listen(t, tcp(Config{ProxyProtocol: ingest.AllowList{netip.MustParsePrefix("192.0.2.0/24")}}))
	write(t, s.dial(), "PROXY TCP4 192.0.2.1 198.51.100.9 51022 514\r\n<13>hello\n")
	s.receive(2)
	for _, m := range s.messages {
		if m.Source != netip.MustParseAddr("127.0.0.1") {
			t.Errorf("a forged source: %+v", m)
		}
	}
}

func TestFiveThousandConnectionsDisturbNobody(t *testing.T) {
	many := connectionsWithin(t, 5000)
	s := listen(t, tcp(Config{MaxConnections: many + 10}))
	for range many {
		s.dial()
	}
	good := s.dial()
	begin := time.Now()
	write(t, good, "<13>hello\n")
	eventually(t, "the good one is heard", func() bool { return s.count() == 1 })
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("a line took %v among %d connections", took, many)
	}
	eventually(t, "all are open", func() bool { return s.Connections() == many+1 })
}

func TestASlowSenderDelaysNobody(t *testing.T) {
	s := listen(t, tcp(Config{}))
	slow, good := s.dial(), s.dial()
	for i, c := range "<13>slow" {
		write(t, slow, string(c))
		write(t, good, fmt.Sprintf("<13>good %d\n", i))
		eventually(t, "the good one is heard", func() bool { return s.count() == i+1 })
	}
	write(t, slow, "\n")
	got := s.receive(9)
	if last := raws(got)[8]; last != "<13>slow" {
		t.Errorf("the slow line is %q", last)
	}
}
