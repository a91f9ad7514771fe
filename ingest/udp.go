package ingest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
)

// Datagram is one datagram as it was received. Data is valid until the
// function that it was handed to returns.
type Datagram struct {
	Data      []byte
	From      netip.AddrPort // an IPv4 peer of a dual-stack socket is IPv4
	To        netip.Addr     // the address of ours that it was sent to; not valid where the system does not say
	At        time.Time      // when the kernel received it, else when we read it
	Truncated bool           // longer than what was read of it
}

// receiveBuffer is what we ask of the kernel, in bytes. A small datagram costs
// 832 of them.
const receiveBuffer = 32 << 20

// UDP is a socket that receives datagrams in batches. Datagrams wait in user
// space while they are handled, in a bounded queue; only when that is full are
// they left in the kernel's receive buffer, and only when that is full too are
// they lost, which the kernel counts.
type UDP struct {
	socket  *socket
	addr    netip.AddrPort
	granted int
}

// ListenUDP binds address: ":9162" (IPv4 and IPv6), "127.0.0.1:0", "[::1]:162".
// An IPv4 address is bound for IPv4 alone; "[::]" takes IPv4 too.
func ListenUDP(ctx context.Context, address string) (*UDP, error) {
	conf := net.ListenConfig{Control: prepareSocket}
	pc, err := conf.ListenPacket(ctx, udpNetwork(address), address)
	if err != nil {
		return nil, fmt.Errorf("listen on udp %s: %w%s", address, plain(err), mend(err))
	}
	conn := pc.(*net.UDPConn)
	addr := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	u := &UDP{addr: netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port()), granted: grantedBuffer(conn)}
	if u.socket, err = newSocket(conn); err != nil {
		return nil, fmt.Errorf("listen on udp %s: %w", address, err)
	}
	return u, nil
}

func udpNetwork(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return "udp"
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.Is4() {
		return "udp4"
	}
	return "udp"
}

// plain takes away what package net repeats of the address.
func plain(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err
	}
	return err
}

func mend(err error) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return ": another program (snmptrapd, rsyslogd, a second pdagentd?) holds it: stop that one, or listen on another port"
	case errors.Is(err, os.ErrPermission):
		return ": ports below 1024 need CAP_NET_BIND_SERVICE: grant it, or listen on a higher port"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return ": this machine has no such address"
	}
	return ""
}

// Addr is the address that is bound.
func (u *UDP) Addr() netip.AddrPort { return u.addr }

// ReceiveBuffer is the size of the kernel's receive buffer in bytes, as the
// kernel accounts for it.
func (u *UDP) ReceiveBuffer() int { return u.granted }

// AskedBuffer is the size of the receive buffer that the kernel was asked for,
// in bytes; Linux accounts for twice as much where it grants that.
func (u *UDP) AskedBuffer() int { return receiveBuffer }

// Drops is how many datagrams the kernel has dropped for want of room in the
// receive buffer since the socket was bound.
func (u *UDP) Drops() (uint64, error) { return u.socket.drops() }

// WriteTo sends b. It may be called from any goroutine.
func (u *UDP) WriteTo(b []byte, to netip.AddrPort) error {
	return u.socket.write(b, netip.Addr{}, to)
}

// Reply sends b from the address that a datagram was sent to (its To), which
// on a machine with several addresses need not be the one that the system
// would choose: senders and firewalls ignore an answer from another one. It
// may be called from any goroutine.
func (u *UDP) Reply(b []byte, from netip.Addr, to netip.AddrPort) error {
	if !u.addr.Addr().IsUnspecified() || !from.IsValid() || from.IsMulticast() {
		return u.WriteTo(b, to)
	}
	if u.socket.write(b, from, to) != nil { // from may be a broadcast address
		return u.WriteTo(b, to)
	}
	return nil
}

// Close closes the socket and ends Run. Closing it twice is no error.
func (u *UDP) Close() error { return u.socket.close() }

// Run hands what is received to handle, in batches and in the order of
// receipt, from its own goroutine; handle may wait. It returns nil when ctx
// has ended and all that was received before then has been handled, or when
// the socket was closed. It may be called once.
func (u *UDP) Run(ctx context.Context, handle func([]Datagram)) error {
	unblock := context.AfterFunc(ctx, u.socket.stop)
	defer unblock()
	b := newBacklog()
	failed := make(chan error, 1)
	go func() {
		failed <- u.socket.receive(b)
		b.close()
	}()
	for a := b.take(); a != nil; a = b.take() {
		handle(a.datagrams)
		b.release(a)
	}
	if err := <-failed; err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("receive on udp %s: %w", u.addr, plain(err))
	}
	return nil
}
