package syslog

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/pdaltagent/pdaltagent/ingest"
)

const (
	// foldPause is how long a line waits for one that continues it, unless
	// more comes before.
	foldPause = 20 * time.Millisecond

	// When the receiver stops, what a connection has brought is read until
	// nothing comes for drainPause, and for no longer than drainPatience.
	drainPause    = 20 * time.Millisecond
	drainPatience = 2 * time.Second
)

// connection is an open connection that is read.
type connection struct {
	*streamListener
	conn   net.Conn
	source netip.AddrPort
	feed   feed
	ids    ingest.IDs

	at       time.Time // when something was last received
	deadline time.Time // of the last read
	drained  time.Time // when nothing more is read; zero: the receiver is not stopping
}

// read hands on what comes, as fast as it is taken, until the connection
// ends, falls silent for too long, or ctx ends.
func (c *connection) read(ctx, lasting context.Context) {
	for {
		room := c.feed.room()
		c.setDeadline(ctx)
		n, err := c.conn.Read(room)
		if n > 0 {
			c.at = time.Now()
			c.feed.add(n)
			c.handOn(lasting, more)
		}
		switch {
		case err == nil:
		case c.over(ctx, err):
			c.handOn(lasting, nothing)
			return
		case c.feed.framer.held:
			c.handOn(lasting, pause)
		}
	}
}

// over reports whether nothing more is read after err.
func (c *connection) over(ctx context.Context, err error) bool {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return true
	}
	if time.Now().Before(c.deadline) { // the end of ctx has woken it
		return false
	}
	return !c.drained.IsZero() || ctx.Err() == nil && !c.feed.framer.held
}

// setDeadline bounds the next read. The end of ctx interrupts a read by a
// deadline of its own; should that be undone here, ctx has ended.
func (c *connection) setDeadline(ctx context.Context) {
	now := time.Now()
	if ctx.Err() == nil {
		c.deadline = now.Add(c.conf.IdleTimeout)
		if c.feed.framer.held {
			c.deadline = now.Add(foldPause)
		}
		_ = c.conn.SetReadDeadline(c.deadline)
	}
	if ctx.Err() != nil {
		if c.drained.IsZero() {
			c.drained = now.Add(drainPatience)
		}
		c.deadline = now.Add(drainPause)
		if c.deadline.After(c.drained) {
			c.deadline = c.drained
		}
		_ = c.conn.SetReadDeadline(c.deadline)
	}
}

// handOn hands on the messages that are there.
func (c *connection) handOn(ctx context.Context, p prospect) {
	b := c.batches.Get().(*batch)
	b.ids = &c.ids
	for {
		m, ok := c.feed.next(p)
		if !ok {
			break
		}
		b.add(ctx, m.message, m.truncated, c.source, c.at)
	}
	b.handOn(ctx)
	c.batches.Put(b)
}
