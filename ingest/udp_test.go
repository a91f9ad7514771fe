package ingest

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// listen binds address for the length of the test.
func listen(tb testing.TB, address string) *UDP {
	tb.Helper()
	u, err := ListenUDP(tb.Context(), address)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = u.Close() })
	return u
}

// dial returns a socket that sends to the port of u at host.
func dial(tb testing.TB, u *UDP, host string) *net.UDPConn {
	tb.Helper()
	to := netip.AddrPortFrom(netip.MustParseAddr(host), u.Addr().Port())
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		tb.Skip(err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	return conn
}

func send(tb testing.TB, conn *net.UDPConn, b []byte) {
	tb.Helper()
	if _, err := conn.Write(b); err != nil {
		tb.Fatal(err)
	}
}

// start runs u until the returned function is called, which waits for its end.
func start(tb testing.TB, u *UDP, handle func([]Datagram)) (stop func()) {
	tb.Helper()
	ctx, cancel := context.WithCancel(tb.Context())
	ended := make(chan error, 1)
	go func() { ended <- u.Run(ctx, handle) }()
	return sync.OnceFunc(func() {
		tb.Helper()
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				tb.Errorf("Run: %v", err)
			}
		case <-time.After(10 * time.Second):
			tb.Fatal("Run has not ended")
		}
	})
}

// received runs u just long enough to handle what has been sent to it.
func received(t *testing.T, u *UDP) []Datagram {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var got []Datagram
	err := u.Run(ctx, func(ds []Datagram) {
		for _, d := range ds {
			d.Data = bytes.Clone(d.Data)
			got = append(got, d)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestDatagramsArriveWholeAndInOrder(t *testing.T) {
	u := listen(t, "127.0.0.1:0")
	conn := dial(t, u, "127.0.0.1")
	want := [][]byte{[]byte("first"), {}, bytes.Repeat([]byte("x"), 65507), []byte("last")}
	for _, b := range want {
		send(t, conn, b)
	}
	got := received(t, u)
	if len(got) != len(want) {
		t.Fatalf("received %d datagrams, want %d", len(got), len(want))
	}
	for i, d := range got {
		if !bytes.Equal(d.Data, want[i]) {
			t.Errorf("datagram %d has %d bytes, want %d", i, len(d.Data), len(want[i]))
		}
		if from := conn.LocalAddr().(*net.UDPAddr).AddrPort(); d.From != from {
			t.Errorf("datagram %d is from %v, want %v", i, d.From, from)
		}
		if d.Truncated {
			t.Errorf("datagram %d is truncated", i)
		}
	}
}

func TestSendersAreToldApart(t *testing.T) {
	u := listen(t, ":0")
	got := make(chan Datagram, 1)
	stop := start(t, u, func(ds []Datagram) {
		for _, d := range ds {
			got <- d
		}
	})
	defer stop()
	for _, host := range []string{"127.0.0.1", "::1", "127.0.0.53", "127.0.0.1"} {
		conn := dial(t, u, host)
		before := time.Now()
		send(t, conn, []byte(host))
		d := <-got
		if from := conn.LocalAddr().(*net.UDPAddr).AddrPort(); d.From != from || d.To != netip.MustParseAddr(host) {
			t.Errorf("from %v to %v, want %v to %s", d.From, d.To, from, host)
		}
		if late := d.At.Sub(before); late < -time.Second || late > 5*time.Second {
			t.Errorf("received %v after it was sent", late)
		}
	}
}

func TestOneSocketTakesBothFamilies(t *testing.T) {
	u := listen(t, ":0")
	hosts := []string{"127.0.0.1", "::1"}
	for _, host := range hosts {
		send(t, dial(t, u, host), []byte(host))
	}
	for i, d := range received(t, u) {
		if got, want := d.From.Addr(), netip.MustParseAddr(hosts[i]); got != want {
			t.Errorf("datagram %d is from %v, want %v", i, got, want)
		}
	}
}

func TestAnIPv4AddressIsBoundForIPv4Alone(t *testing.T) {
	u := listen(t, "0.0.0.0:0")
	conn := dial(t, u, "::1")
	send(t, conn, []byte("x"))
	if _, err := conn.Write([]byte("y")); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("sending to [::1] of a socket on 0.0.0.0: %v, want refused", err)
	}
}

func TestAnswersReachTheirSender(t *testing.T) {
	u := listen(t, ":0")
	for _, host := range []string{"127.0.0.1", "::1"} {
		conn := dial(t, u, host)
		if err := u.WriteTo([]byte("heard"), conn.LocalAddr().(*net.UDPAddr).AddrPort()); err != nil {
			t.Errorf("%s: %v", host, err)
		}
		_ = conn.SetReadDeadline(time.Now().Add(time.Second))
		got := make([]byte, 16)
		if n, err := conn.Read(got); err != nil || string(got[:n]) != "heard" {
			t.Errorf("%s: read %q, %v", host, got[:n], err)
		}
	}
}

func TestARepliesSourceIsWhatTheSenderAddressed(t *testing.T) {
	for _, address := range []string{":0", "0.0.0.0:0"} {
		u := listen(t, address)
		conn := dial(t, u, "127.0.0.53") // the kernel would answer from 127.0.0.1
		send(t, conn, []byte("hello?"))
		for _, d := range received(t, u) {
			if d.To != netip.MustParseAddr("127.0.0.53") {
				t.Errorf("%s: sent to %v", address, d.To)
			}
			if err := u.Reply([]byte("heard"), d.To, d.From); err != nil {
				t.Errorf("%s: %v", address, err)
			}
		}
		_ = conn.SetReadDeadline(time.Now().Add(time.Second))
		got := make([]byte, 16)
		if n, err := conn.Read(got); err != nil || string(got[:n]) != "heard" {
			t.Errorf("%s: read %q, %v", address, got[:n], err)
		}
	}
}

func TestATakenPortSaysWhatToDo(t *testing.T) {
	taken := listen(t, "127.0.0.1:0")
	_, err := ListenUDP(t.Context(), taken.Addr().String())
	if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), "another program (snmptrapd") {
		t.Errorf("error %q does not name the mend", err)
	}
	_, err = ListenUDP(t.Context(), "192.0.2.1:0")
	if err == nil || !strings.Contains(err.Error(), "this machine has no such address") {
		t.Errorf("error %q does not name the mend", err)
	}
}

func TestABurstIsKeptWhileTheHandlerWaits(t *testing.T) {
	u := listen(t, "127.0.0.1:0")
	conn := dial(t, u, "127.0.0.1")
	const burst = 20_000
	busy, proceed := make(chan struct{}), make(chan struct{})
	handled := 0
	stop := start(t, u, func(ds []Datagram) {
		if handled == 0 {
			close(busy)
			<-proceed
		}
		handled += len(ds)
	})
	send(t, conn, []byte("x"))
	<-busy
	for i := range burst {
		send(t, conn, []byte("0123456789"))
		if i%100 == 0 {
			time.Sleep(time.Millisecond) // a default receive buffer holds no more
		}
	}
	close(proceed)
	stop()
	drops, err := u.Drops()
	if err != nil {
		t.Fatal(err)
	}
	if handled != burst+1 || drops != 0 {
		t.Errorf("handled %d of %d, kernel dropped %d", handled, burst+1, drops)
	}
}

func TestOverflowIsCountedToTheLastDatagram(t *testing.T) {
	u := listen(t, "127.0.0.1:0")
	conn := dial(t, u, "127.0.0.1")
	const sent = 2000
	big := make([]byte, 60_000) // 120 MB: more than the backlog and the largest receive buffer
	release := make(chan struct{})
	handled := 0
	stop := start(t, u, func(ds []Datagram) {
		<-release
		handled += len(ds)
	})
	for range sent {
		send(t, conn, big)
	}
	close(release)
	stop()
	drops, err := u.Drops()
	if err != nil {
		t.Fatal(err)
	}
	if drops == 0 || handled+int(drops) != sent {
		t.Errorf("handled %d and dropped %d of %d", handled, drops, sent)
	}
}

func TestABacklogLetsGoOfItsMemory(t *testing.T) {
	b := newBacklog()
	for range maxArenas {
		b.put([]Datagram{{Data: make([]byte, arenaBytes)}})
	}
	for range maxArenas {
		b.release(b.take())
	}
	if len(b.spare) != spareArenas || b.inUse != 0 {
		t.Errorf("%d arenas are spare and %d in use", len(b.spare), b.inUse)
	}
}

func TestReceiptTimeIsTheKernels(t *testing.T) {
	listen(t, "127.0.0.1:0") // the kernel begins to stamp a while after the first socket has asked for it
	late := time.Hour
	for range 20 {
		u := listen(t, "127.0.0.1:0")
		send(t, dial(t, u, "127.0.0.1"), []byte("x"))
		sent := time.Now()
		time.Sleep(50 * time.Millisecond)
		for _, d := range received(t, u) {
			late = d.At.Sub(sent)
		}
		if late < 10*time.Millisecond {
			return
		}
	}
	t.Errorf("received %v after it was sent, which is when it was read", late)
}

func TestCloseEndsRun(t *testing.T) {
	u := listen(t, "127.0.0.1:0")
	ended := make(chan error, 1)
	go func() { ended <- u.Run(t.Context(), func([]Datagram) {}) }()
	time.Sleep(10 * time.Millisecond)
	if err := u.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
	if err := u.Close(); err != nil {
		t.Errorf("the second Close: %v", err)
	}
	if _, err := u.Drops(); err == nil {
		t.Error("a closed socket still counts drops")
	}
}

func TestRunEndsUnderAFloodThatItCannotHandle(t *testing.T) {
	u := listen(t, "127.0.0.1:0")
	conn := dial(t, u, "127.0.0.1")
	datagram := make([]byte, 8000) // few fill the backlog, so that the kernel's queue does not run dry
	flood, over := context.WithTimeout(t.Context(), 5*time.Second)
	var sender sync.WaitGroup
	sender.Go(func() {
		for flood.Err() == nil {
			_, _ = conn.Write(datagram)
		}
	})
	stop := start(t, u, func([]Datagram) { time.Sleep(2 * time.Millisecond) })
	time.Sleep(50 * time.Millisecond)
	stop()
	if flood.Err() != nil {
		t.Error("Run ended only with the flood")
	}
	over()
	sender.Wait()
}
