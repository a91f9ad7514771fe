package main

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// bridge is a way to the database that can be blocked: what is sent over it is
// neither lost nor passed on then.
type bridge struct {
	net.Listener
	to      string // a Unix socket
	blocked atomic.Bool
}

func (f *fleet) bridge() *bridge {
	f.t.Helper()
	c, err := pgx.ParseConfig(f.database.URL())
	if err != nil {
		f.t.Fatal(err)
	}
	var listen net.ListenConfig
	b := &bridge{to: fmt.Sprintf("%s/.s.PGSQL.%d", c.Host, c.Port)}
	if b.Listener, err = listen.Listen(f.t.Context(), "tcp", "127.0.0.1:0"); err != nil {
		f.t.Fatal(err)
	}
	var open sync.WaitGroup
	open.Go(func() {
		for {
			from, err := b.Accept()
			if err != nil {
				return
			}
			var dialer net.Dialer
			to, err := dialer.DialContext(f.t.Context(), "unix", b.to)
			if err != nil {
				_ = from.Close() // nobody waits
				continue
			}
			open.Go(func() { b.carry(to, from) })
			open.Go(func() { b.carry(from, to) })
		}
	})
	f.t.Cleanup(func() {
		b.blocked.Store(false)
		_ = b.Close() // it only listens
		open.Wait()
	})
	return b
}

func (b *bridge) carry(to, from net.Conn) {
	defer to.Close()   //nolint:errcheck // the other end tells
	defer from.Close() //nolint:errcheck // the other end tells
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		for b.blocked.Load() {
			time.Sleep(10 * time.Millisecond)
		}
		if _, werr := to.Write(buf[:n]); err != nil || werr != nil {
			return
		}
	}
}

// TestFleetNodeThatIsCutOffSpools and catches up, while the other goes on: what
// either has acknowledged arrives once, in the order of each alert.
func TestFleetNodeThatIsCutOffSpools(t *testing.T) {
	f := newFleet(t, 1, "")
	b := f.bridge()
	c, err := pgx.ParseConfig(f.database.URL())
	if err != nil {
		t.Fatal(err)
	}
	away := f.configure("away", fmt.Sprintf("postgres://%s@%s/%s?sslmode=disable", c.User, b.Addr(), c.Database), "")
	f.start(away)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	all := f.nodes
	var senders sync.WaitGroup
	told := 0
	send := func(n *fleetNode, who string, from, to int) {
		only := &fleet{t: t, nodes: []*fleetNode{n}}
		senders.Go(func() {
			for i := from; i < to; i++ {
				only.post(ctx, event(testKey, who, []string{"trigger", "resolve"}[i%2], fmt.Sprint(i), "error"))
			}
		})
		told += to - from
	}
	for a := range 10 {
		send(all[0], fmt.Sprint("here-", a), 0, 20)
		send(away, fmt.Sprint("away-", a), 0, 20)
	}
	senders.Wait()
	b.blocked.Store(true)
	began := time.Now()
	for a := range 10 {
		send(all[0], fmt.Sprint("here-", a), 20, 40)
		send(away, fmt.Sprint("away-", a), 20, 40)
	}
	senders.Wait()
	if how := get(t, away.ready); !strings.Contains(how, "spooling") {
		t.Errorf("while it is cut off: %s", how)
	}
	t.Logf("cut off, all was acknowledged after %s", time.Since(began).Round(time.Millisecond))
	b.blocked.Store(false)
	for n := 0; n < told && ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
		_, n = f.pagerduty.got()
	}
	f.settled(30 * time.Second)
	byAlert, _ := f.pagerduty.got()
	for name, heard := range byAlert {
		var order []string
		for _, e := range heard {
			if n := len(order); n == 0 || order[n-1] != e.Payload.Summary {
				order = append(order, e.Payload.Summary)
			}
		}
		if len(order) != 40 || !slices.IsSortedFunc(order, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) }) {
			t.Errorf("%s was told as %s", name, order)
		}
	}
	stop(t, away.process)
	if len(byAlert) != 20 {
		t.Errorf("%d alerts, want 20", len(byAlert))
	}
}

// TestFleetNodesAreReplacedUnderLoad one after the other, as an upgrade does, and
// all that was acknowledged arrives, in order.
func TestFleetNodesAreReplacedUnderLoad(t *testing.T) {
	f := newFleet(t, 2, "")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var (
		senders sync.WaitGroup
		over    atomic.Bool
		sent    [20]int
	)
	for a := range sent {
		senders.Go(func() {
			for ; !over.Load() && ctx.Err() == nil; sent[a]++ {
				f.post(ctx, event(testKey, fmt.Sprint("alert-", a), []string{"trigger", "resolve"}[sent[a]%2], fmt.Sprint(sent[a]), "error"))
			}
		})
	}
	for _, n := range f.nodes {
		time.Sleep(500 * time.Millisecond)
		stop(t, n.process)
		f.start(n)
	}
	time.Sleep(500 * time.Millisecond)
	over.Store(true)
	senders.Wait()
	f.settled(time.Minute)
	byAlert, n := f.pagerduty.got()
	for a, want := range sent {
		last, seen := -1, 0
		for _, e := range byAlert[fmt.Sprint("alert-", a)] {
			var i int
			if _, err := fmt.Sscan(e.Payload.Summary, &i); err != nil {
				t.Fatal(err)
			}
			if i != last && i != last+1 {
				t.Errorf("alert-%d: %d came after %d", a, i, last)
			}
			if i == last+1 {
				seen++
			}
			last = i
		}
		if seen != want {
			t.Errorf("alert-%d: %d of %d events arrived", a, seen, want)
		}
	}
	t.Logf("%d events arrived", n)
}
