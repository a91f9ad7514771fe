package httpevent

import (
	"cmp"
	"crypto/tls"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// stage is how far a connection has got. Of two that wait as long, the one of
// the lower stage is closed first when there are too many.
type stage int32

const (
	silent  stage = iota // nothing was asked yet: half-open, in the TLS handshake, or sending a header
	idle                 // between two requests
	reading              // in the body of a request
	busy                 // has a request that was handed on: it is never closed
)

// connection is a connection that connections counts.
type connection struct {
	net.Conn
	all   *connections
	stage atomic.Int32
	since atomic.Int64 // nanoseconds of the Unix epoch
}

func (c *connection) enter(s stage) {
	c.since.Store(time.Now().UnixNano())
	c.stage.Store(int32(s))
}

// Close closes the connection and stops counting it.
func (c *connection) Close() error {
	c.all.remove(c)
	return c.Conn.Close()
}

// connections are those that are open, on whatever listener. When there are
// max of them and another comes, those that have kept us waiting longest are
// closed for it, so that senders get through however many connections somebody
// holds open. What a request needs is not locked.
type connections struct {
	max     int
	refused func(n int, last net.Addr) // told how many were closed before they asked for anything

	mu   sync.Mutex
	open map[*connection]struct{}
}

// admit counts conn, which is to be closed where ok is false: all others are
// busy.
func (all *connections) admit(conn net.Conn) (c *connection, ok bool) {
	c = &connection{Conn: conn, all: all}
	c.enter(silent)
	all.mu.Lock()
	var victims []*connection
	if len(all.open) >= all.max {
		victims = all.victims()
	}
	for _, v := range victims {
		delete(all.open, v)
	}
	ok = len(all.open) < all.max
	if ok {
		all.open[c] = struct{}{}
	}
	all.mu.Unlock()
	if len(victims) > 0 {
		all.close(victims)
	}
	return c, ok
}

// victims returns up to a sixty-fourth of the connections, so that a flood
// does not look for one at each that comes.
func (all *connections) victims() []*connection {
	type candidate struct {
		c     *connection
		stage stage
		since int64
	}
	var candidates []candidate
	for c := range all.open {
		if s := stage(c.stage.Load()); s != busy {
			candidates = append(candidates, candidate{c, s, c.since.Load()})
		}
	}
	slices.SortFunc(candidates, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.stage, b.stage), cmp.Compare(a.since, b.since))
	})
	victims := make([]*connection, 0, all.max/64+1)
	for _, v := range candidates[:min(len(candidates), cap(victims))] {
		victims = append(victims, v.c)
	}
	return victims
}

func (all *connections) close(victims []*connection) {
	unheard := 0
	var last net.Addr
	for _, v := range victims {
		if stage(v.stage.Load()) == silent {
			unheard++
			last = v.RemoteAddr()
		}
		_ = v.Conn.Close() // it is given up
	}
	all.refused(unheard, last)
}

func (all *connections) remove(c *connection) {
	all.mu.Lock()
	defer all.mu.Unlock()
	delete(all.open, c)
}

// changed is the server's ConnState.
func (all *connections) changed(conn net.Conn, state http.ConnState) {
	c := counted(conn)
	switch {
	case c == nil:
	case state == http.StateActive:
		c.enter(reading)
	case state == http.StateIdle:
		c.enter(idle)
	}
}

// counted returns the connection under conn, which may be TLS; nil: there is
// none.
func counted(conn net.Conn) *connection {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	c, _ := conn.(*connection)
	return c
}

// limited is a listener whose connections are counted.
type limited struct {
	net.Listener
	all *connections
}

// Accept waits for a connection that is admitted.
func (l limited) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c, ok := l.all.admit(conn)
		if ok {
			return c, nil
		}
		_ = conn.Close() // the peer sees it
		l.all.refused(1, conn.RemoteAddr())
	}
}
