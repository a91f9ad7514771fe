package httpevent

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// isOpen reports whether the peer of conn has not closed it.
func isOpen(conn net.Conn) bool {
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	_, err := conn.Read(make([]byte, 1))
	return err == nil || errors.Is(err, os.ErrDeadlineExceeded)
}

func (g *rig) open() int {
	g.r.connections.mu.Lock()
	defer g.r.connections.mu.Unlock()
	return len(g.r.connections.open)
}

// in returns how many connections are in a stage.
func (g *rig) in(want stage) int {
	g.r.connections.mu.Lock()
	defer g.r.connections.mu.Unlock()
	n := 0
	for c := range g.r.connections.open {
		if stage(c.stage.Load()) == want {
			n++
		}
	}
	return n
}

// eventually waits for what a goroutine of the server brings about.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for i := 0; !ok(); i++ {
		if i == 500 {
			t.Fatalf("it never came to pass that %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// TestSendersGetThroughWhateverIsHeldOpen: far more connections than there may
// be are opened and say nothing, or next to nothing.
func TestSendersGetThroughWhateverIsHeldOpen(t *testing.T) {
	const limit, held = 64, 300
	f := func(name string, hold func(net.Conn)) {
		t.Helper()
		g := start(t, Config{Listen: []string{"https://127.0.0.1:0"}, MaxConnections: limit}, nil)
		var conns []net.Conn
		for i := range held {
			conn := g.dial()
			defer func() { _ = conn.Close() }()
			hold(conn)
			conns = append(conns, conn)
			if i%50 == 0 {
				if got := g.do(http.MethodPost, g.secure+"/v2/enqueue", trigger); got.status != http.StatusAccepted {
					t.Errorf("%s: answered %d", name, got.status)
				}
				g.client.CloseIdleConnections()
			}
		}
		eventually(t, "the last was accepted", func() bool { return !isOpen(conns[held-limit-1]) })
		if n := g.open(); n > limit {
			t.Errorf("%s: %d are open", name, n)
		}
		if n := g.counts()[string(ingest.RefusedConnection)]; n < held-limit-10 || n > held {
			t.Errorf("%s: counted %d", name, n)
		}
		if isOpen(conns[0]) || !isOpen(conns[held-10]) {
			t.Errorf("%s: a newer one was closed before the oldest", name)
		}
		if !strings.Contains(g.log.String(), "max_connections=64") {
			t.Errorf("%s: logged %s", name, g.log)
		}
	}
	f("half-open", func(net.Conn) {})
	f("slow handshake", func(conn net.Conn) { _, _ = conn.Write([]byte{22, 3, 1}) })
	f("slow header", func(conn net.Conn) {
		secure := tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
		_ = secure.SetDeadline(time.Now().Add(5 * time.Second))
		_, _ = fmt.Fprint(secure, "POST /v2/enqueue HTTP/1.1\r\nHost:")
	})
}

// TestTheIdleGoBeforeTheSlow: what is closed first has the least to lose, and
// a request that was handed on is not cut off.
func TestTheIdleGoBeforeTheSlow(t *testing.T) {
	commit := make(chan func(ingest.Receipt), 2)
	g := start(t, Config{MaxConnections: 4}, func(_ context.Context, _ []ingest.Message, done func(ingest.Receipt)) { commit <- done })
	post := func(rest string) net.Conn {
		conn := g.dial()
		t.Cleanup(func() { _ = conn.Close() })
		if _, err := fmt.Fprintf(conn, "POST /v2/enqueue HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(trigger), rest); err != nil {
			t.Fatal(err)
		}
		return conn
	}
	answered := func(conn net.Conn) int {
		_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Error(err)
			return 0
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	held := post(trigger)
	done := <-commit
	slow := post("{")
	eventually(t, "one reads", func() bool { return g.in(reading) == 1 })
	quiet := post(trigger)
	(<-commit)(ingest.Receipt{})
	answered(quiet)
	eventually(t, "one is idle", func() bool { return g.in(idle) == 1 })
	silentOne := g.dial()
	defer func() { _ = silentOne.Close() }()
	eventually(t, "four are open", func() bool { return g.open() == 4 })

	for _, victim := range []net.Conn{silentOne, quiet, slow} {
		if !isOpen(victim) {
			t.Fatal("closed too early")
		}
		another := post(trigger)
		done := <-commit
		t.Cleanup(func() { done(ingest.Receipt{}) })
		eventually(t, "room was made", func() bool { return !isOpen(victim) })
		defer func() { _ = another.Close() }()
	}
	refused := g.dial()
	defer func() { _ = refused.Close() }()
	eventually(t, "a fifth is refused while all are busy", func() bool { return !isOpen(refused) })
	done(ingest.Receipt{})
	if got := answered(held); got != http.StatusAccepted {
		t.Errorf("the one that was handed on first: %d", got)
	}
}

func TestStagesAreSeenThroughTLS(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		g := start(t, Config{Listen: []string{"https://127.0.0.1:0"}}, nil)
		g.client.Transport.(*http.Transport).ForceAttemptHTTP2 = http2
		if got := g.do(http.MethodPost, g.secure+"/v2/enqueue", trigger); got.status != http.StatusAccepted {
			t.Fatal(got.status)
		}
		eventually(t, "the connection is idle", func() bool { return g.in(idle) == 1 })
		g.client.CloseIdleConnections()
		eventually(t, "it is no longer counted", func() bool { return g.open() == 0 })
		if strings.Contains(g.log.String(), "max_connections") {
			t.Error("one connection is said to be too many:", g.log)
		}
	}
}
