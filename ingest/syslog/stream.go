package syslog

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// streamListener accepts connections over TCP, or TLS.
type streamListener struct {
	*Receiver
	socket   net.Listener
	endpoint endpoint
	tls      *tls.Config // nil: plain TCP
	batches  sync.Pool   // of *batch
}

func (r *Receiver) bindStream(ctx context.Context, e endpoint) (listener, error) {
	l := &streamListener{Receiver: r, endpoint: e, batches: sync.Pool{New: func() any { return r.newBatch(e.format) }}}
	var err error
	if e.transport == overTLS {
		if l.tls, err = r.tlsConfig(); err != nil {
			return nil, err
		}
	}
	if l.socket, err = ingest.ListenTCP(ctx, e.address); err != nil {
		return nil, err
	}
	r.log.Info("listening for syslog", "transport", string(e.transport), "address", l.Addr(), "format", string(e.format))
	return l, nil
}

// Addr is the address that is bound.
func (l *streamListener) Addr() netip.AddrPort { return ingest.AddrPortOf(l.socket.Addr()) }

// Close closes the socket, and ends run. Closing it twice is no error.
func (l *streamListener) Close() error {
	if err := l.socket.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// run accepts connections until ctx ends, and waits for them to end.
func (l *streamListener) run(ctx, lasting context.Context) error {
	unblock := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer unblock()
	var open sync.WaitGroup
	defer open.Wait()
	for {
		conn, err := l.socket.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil
		case err != nil: // no file descriptors are left, or the peer is gone already
			l.complain("a connection cannot be accepted; raise LimitNOFILE (ulimit -n) if there are too many open files",
				"address", l.Addr(), "error", err)
			wait(ctx, 50*time.Millisecond)
			continue
		}
		if l.admit(conn) {
			open.Go(func() { l.serve(ctx, lasting, conn) })
		}
	}
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// admit says whether a connection is served, or refuses it. One that is
// admitted counts as open.
func (l *streamListener) admit(conn net.Conn) bool {
	peer := ingest.AddrPortOf(conn.RemoteAddr())
	if !l.proxied(peer) && !l.conf.Allow.Permits(peer.Addr()) {
		l.refuse(conn, ingest.RefusedSource, "connection refused: its source is not in allow", "source", peer)
		return false
	}
	if n := l.connections.Add(1); n > int64(l.conf.MaxConnections) {
		l.connections.Add(-1)
		l.refuse(conn, ingest.RefusedConnection, "connection refused: as many as max_connections are open; raise it, or lower idle_timeout",
			"source", peer, "max_connections", l.conf.MaxConnections)
		return false
	}
	return true
}

// proxied reports whether a peer is a load balancer, which speaks for another.
func (l *streamListener) proxied(peer netip.AddrPort) bool {
	return len(l.conf.ProxyProtocol) > 0 && l.conf.ProxyProtocol.Permits(peer.Addr())
}

func (l *streamListener) refuse(conn net.Conn, why ingest.Outcome, what string, more ...any) {
	l.tally.Add(ingest.Syslog, why, 1)
	l.complain(what, more...)
	_ = conn.Close()
}

// greeting is how long a peer may take for its PROXY header and its TLS
// handshake.
const greeting = 10 * time.Second

// serve reads a connection until it ends.
func (l *streamListener) serve(ctx, lasting context.Context, accepted net.Conn) {
	defer l.connections.Add(-1)
	_ = accepted.SetDeadline(time.Now().Add(greeting))
	forget := context.AfterFunc(ctx, func() { _ = accepted.SetReadDeadline(time.Unix(1, 0)) })
	defer forget()
	conn, source, ok := l.identify(accepted)
	if !ok {
		return
	}
	conn, ok = l.secure(ctx, conn, source)
	if !ok {
		return
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetWriteDeadline(time.Time{})
	c := connection{
		streamListener: l, conn: conn, source: source,
		feed: feed{pool: l.buffers, framer: framer{limit: l.conf.MaxMessageBytes}},
	}
	defer c.feed.release()
	c.read(ctx, lasting)
}

// identify returns whom conn comes from: its peer, or who is behind it.
func (l *streamListener) identify(conn net.Conn) (_ net.Conn, source netip.AddrPort, ok bool) {
	peer := ingest.AddrPortOf(conn.RemoteAddr())
	peer = netip.AddrPortFrom(peer.Addr().WithZone(""), peer.Port())
	if !l.proxied(peer) {
		return conn, peer, true
	}
	rest, source, err := ingest.ReadProxyHeader(conn)
	if errors.Is(err, io.EOF) { // a balancer looks whether the port is open
		_ = conn.Close()
		return nil, source, false
	}
	if err != nil {
		l.refuse(conn, ingest.RefusedProxy, "connection refused: it has no PROXY header, or a wrong one", "peer", peer, "error", err)
		return nil, source, false
	}
	if !source.IsValid() {
		return rest, peer, true
	}
	if !l.conf.Allow.Permits(source.Addr()) {
		l.refuse(conn, ingest.RefusedSource, "connection refused: its source is not in allow", "source", source, "proxy", peer)
		return nil, source, false
	}
	return rest, source, true
}

// secure makes the TLS handshake, where there is one to make.
func (l *streamListener) secure(ctx context.Context, conn net.Conn, source netip.AddrPort) (_ net.Conn, ok bool) {
	if l.tls == nil {
		return conn, true
	}
	secured := tls.Server(conn, l.tls)
	if err := secured.HandshakeContext(ctx); err != nil {
		if ctx.Err() == nil {
			l.tally.Add(ingest.Syslog, ingest.RefusedTLS, 1)
			l.complain("connection refused: the TLS handshake failed"+handshakeMend(err), "source", source, "error", err)
		}
		_ = conn.Close()
		return nil, false
	}
	return secured, true
}
