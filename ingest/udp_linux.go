package ingest

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What one recvmmsg(2) may bring. A slot takes the longest datagram that UDP
// can carry; its pages are touched only by datagrams that need them.
const (
	batchSize   = 64
	slotBytes   = 64 << 10
	controlSize = 128
)

// prepareSocket asks, before the socket is bound, for a large receive buffer
// and for the time and the destination of each datagram. The kernel may refuse
// any of these: the buffer that it granted is read back, and a datagram
// without a time gets our own.
func prepareSocket(network, _ string, raw syscall.RawConn) error {
	return raw.Control(func(fd uintptr) {
		if unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer) != nil {
			_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer)
		}
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1)
		if network == "udp4" {
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
		} else {
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
		}
	})
}

func grantedBuffer(conn *net.UDPConn) (granted int) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0
	}
	_ = raw.Control(func(fd uintptr) {
		granted, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF)
	})
	return granted
}

// socket is read without Go's poller, which would wake up for every datagram,
// also while they gather.
type socket struct {
	granted int
	ipv4    bool // it is of IPv4 alone

	mu       sync.RWMutex // held for reading while the descriptors are used
	fd       int          // -1: closed
	wake     int          // an eventfd: readable when there is something to do besides reading
	stopping atomic.Bool
}

// newSocket takes conn's place, and closes it.
func newSocket(conn *net.UDPConn) (s *socket, err error) {
	defer func() { err = errors.Join(err, conn.Close()) }()
	s = &socket{fd: -1, granted: grantedBuffer(conn)}
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	controlErr := raw.Control(func(fd uintptr) {
		s.fd, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0)
		domain, _ := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_DOMAIN)
		s.ipv4 = domain == unix.AF_INET
	})
	if err := errors.Join(controlErr, err); err != nil {
		return nil, err
	}
	if s.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return nil, errors.Join(os.NewSyscallError("eventfd", err), unix.Close(s.fd))
	}
	return s, nil
}

// use calls f with the descriptor, unless it is closed.
func (s *socket) use(f func(fd int) error) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.fd < 0 {
		return net.ErrClosed
	}
	return f(s.fd)
}

// notify ends a wait for datagrams.
func (s *socket) notify() {
	_ = s.use(func(int) error {
		_, err := unix.Write(s.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0})
		return err
	})
}

// stop has receive return when it has read what was received before now.
func (s *socket) stop() {
	s.stopping.Store(true)
	s.notify()
}

// close closes the socket, and has receive return at once. Closing it twice is
// no error.
func (s *socket) close() error {
	s.notify()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fd < 0 {
		return nil
	}
	err := errors.Join(unix.Close(s.fd), unix.Close(s.wake))
	s.fd = -1
	return err
}

// drops reads SK_MEMINFO_DROPS, the last of the nine numbers that SO_MEMINFO
// gives (linux/sock_diag.h).
func (s *socket) drops() (uint64, error) {
	var info [9]uint32
	size := uint32(unsafe.Sizeof(info))
	err := s.use(func(fd int) error {
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
			uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
		if errno != 0 {
			return os.NewSyscallError("getsockopt SO_MEMINFO", errno)
		}
		return nil
	})
	return uint64(info[8]), err
}

// write sends b from an address of ours, or from that which the system chooses
// where from is not valid.
func (s *socket) write(b []byte, from netip.Addr, to netip.AddrPort) error {
	return s.use(func(fd int) error {
		return os.NewSyscallError("sendmsg", unix.Sendmsg(fd, b, s.sourceControl(from), s.name(to), unix.MSG_DONTWAIT))
	})
}

// name returns an address as the socket's family has it.
func (s *socket) name(to netip.AddrPort) unix.Sockaddr {
	addr := to.Addr()
	if s.ipv4 {
		return &unix.SockaddrInet4{Port: int(to.Port()), Addr: addr.Unmap().As4()}
	}
	name := &unix.SockaddrInet6{Port: int(to.Port()), Addr: addr.As16()}
	if zone, err := strconv.ParseUint(addr.Zone(), 10, 32); err == nil {
		name.ZoneId = uint32(zone)
	}
	return name
}

// sourceControl returns the control message that makes from the source of
// what is sent.
func (s *socket) sourceControl(from netip.Addr) []byte {
	switch {
	case !from.IsValid():
		return nil
	case s.ipv4:
		return unix.PktInfo4(&unix.Inet4Pktinfo{Spec_dst: from.As4()})
	}
	return unix.PktInfo6(&unix.Inet6Pktinfo{Addr: from.As16()})
}

// Datagrams gather in the kernel's buffer while they come without a break: to
// wake up for each costs several times what reading it does. One that comes
// after a break is read at once.
const (
	gatherAtMost = 2 * time.Millisecond
	gatherRate   = 500_000 // datagrams a second that must find room meanwhile
)

// gather is for how long the buffer has room for datagrams.
func (s *socket) gather() time.Duration {
	return min(time.Duration(s.granted/datagramOverhead)*time.Second/gatherRate, gatherAtMost)
}

// receive reads into b until the socket is closed or, after stop, until all
// that was received before then is read.
func (s *socket) receive(b *backlog) error {
	r, gather := newReader(), s.gather()
	for last := time.Now(); ; {
		if s.stopping.Load() {
			return s.drain(r, b)
		}
		if err := s.use(func(fd int) error { return s.read(r, fd) }); err != nil {
			return err
		}
		b.put(r.batch())
		if r.n == batchSize {
			continue
		}
		if time.Since(last) < 2*gather {
			time.Sleep(gather)
		}
		last = time.Now()
	}
}

// read waits for datagrams and reads them: none where it was woken up.
func (s *socket) read(r *reader, fd int) error {
	if r.recvmmsg(fd); r.n > 0 || r.errno != unix.EAGAIN {
		return r.err()
	}
	r.poll = [2]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}, {Fd: int32(s.wake), Events: unix.POLLIN}} //nolint:gosec // small
	if _, err := unix.Poll(r.poll[:], -1); err != nil && !errors.Is(err, unix.EINTR) {
		return os.NewSyscallError("poll", err)
	}
	if r.poll[1].Revents != 0 && !s.stopping.Load() {
		return net.ErrClosed
	}
	r.recvmmsg(fd)
	return r.err()
}

// drain reads what the kernel holds, and no more than it can hold, for no
// longer than drainPatience: senders may go on for ever. Receipt times do not
// tell where to stop, for the kernel begins to stamp them only some time after
// it was asked to.
func (s *socket) drain(r *reader, b *backlog) error {
	end := time.Now().Add(drainPatience)
	for left := s.granted; left > 0 && time.Now().Before(end); {
		err := s.use(func(fd int) error { r.recvmmsg(fd); return r.err() })
		if err != nil || r.n == 0 {
			return err
		}
		batch := r.batch()
		for i := range batch {
			left -= len(batch[i].Data) + datagramOverhead
		}
		b.put(batch)
	}
	return nil
}

const (
	drainPatience    = 5 * time.Second
	datagramOverhead = 512 // at least: what the kernel counts besides a datagram's own bytes
)

// mmsghdr is struct mmsghdr of recvmmsg(2).
type mmsghdr struct {
	hdr unix.Msghdr
	len uint32
}

// reader holds what recvmmsg fills. It allocates nothing while it reads.
type reader struct {
	n     int
	errno unix.Errno
	poll  [2]unix.PollFd

	slots     []byte
	headers   [batchSize]mmsghdr
	iovecs    [batchSize]unix.Iovec
	controls  [batchSize]control
	names     [batchSize]unix.RawSockaddrInet6
	datagrams [batchSize]Datagram
}

// control is a buffer for control messages, aligned as they must be.
type control [controlSize / 8]uint64

func (c *control) bytes(n int) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(c)), n)
}

func newReader() *reader {
	r := &reader{slots: make([]byte, batchSize*slotBytes)}
	for i := range r.headers {
		r.iovecs[i].Base = &r.slots[i*slotBytes]
		r.iovecs[i].SetLen(slotBytes)
		h := &r.headers[i].hdr
		h.Name = (*byte)(unsafe.Pointer(&r.names[i]))
		h.Iov = &r.iovecs[i]
		h.SetIovlen(1)
		h.Control = (*byte)(unsafe.Pointer(&r.controls[i]))
		r.rearm(h)
	}
	return r
}

// rearm sets what the kernel has overwritten.
func (r *reader) rearm(h *unix.Msghdr) {
	h.Namelen = unix.SizeofSockaddrInet6
	h.SetControllen(controlSize)
}

// recvmmsg reads what is there, without waiting.
func (r *reader) recvmmsg(fd int) {
	for {
		n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&r.headers[0])), batchSize,
			unix.MSG_DONTWAIT, 0, 0)
		if errno == unix.EINTR {
			continue
		}
		r.n, r.errno = int(n), errno
		if errno != 0 {
			r.n = 0
		}
		return
	}
}

// err is what went wrong; that nothing was there is no error.
func (r *reader) err() error {
	if r.errno == 0 || r.errno == unix.EAGAIN {
		return nil
	}
	return os.NewSyscallError("recvmmsg", r.errno)
}

// batch returns what was read. It is valid until the next read.
func (r *reader) batch() []Datagram {
	var now time.Time
	for i := range r.n {
		m := &r.headers[i]
		start := i * slotBytes
		d := Datagram{
			Data:      r.slots[start : start+int(m.len)],
			From:      addrPort(&r.names[i]),
			Truncated: m.hdr.Flags&unix.MSG_TRUNC != 0,
		}
		readControl(&d, r.controls[i].bytes(int(m.hdr.Controllen)))
		if d.At.IsZero() {
			if now.IsZero() {
				now = time.Now()
			}
			d.At = now
		}
		r.datagrams[i] = d
		r.rearm(&m.hdr)
	}
	return r.datagrams[:r.n]
}

func addrPort(name *unix.RawSockaddrInet6) netip.AddrPort {
	// Ports are in network byte order, whatever the machine's is.
	port := (*[2]byte)(unsafe.Pointer(&name.Port))
	var addr netip.Addr
	switch name.Family {
	case unix.AF_INET:
		addr = netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(name)).Addr)
	case unix.AF_INET6:
		addr = netip.AddrFrom16(name.Addr).Unmap()
		if name.Scope_id != 0 && addr.Is6() {
			addr = addr.WithZone(strconv.Itoa(int(name.Scope_id)))
		}
	}
	return netip.AddrPortFrom(addr, uint16(port[0])<<8|uint16(port[1]))
}

// readControl sets what the control messages of d say about it.
func readControl(d *Datagram, b []byte) {
	for len(b) >= unix.SizeofCmsghdr {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
		size := int(h.Len)
		if size < unix.CmsgLen(0) || size > len(b) {
			return
		}
		data := b[unix.CmsgLen(0):size]
		switch {
		case h.Level == unix.SOL_SOCKET && h.Type == unix.SCM_TIMESTAMPNS && len(data) >= int(unsafe.Sizeof(unix.Timespec{})):
			d.At = time.Unix((*unix.Timespec)(unsafe.Pointer(&data[0])).Unix())
		case h.Level == unix.IPPROTO_IP && h.Type == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
			d.To = netip.AddrFrom4((*unix.Inet4Pktinfo)(unsafe.Pointer(&data[0])).Spec_dst)
		case h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
			d.To = netip.AddrFrom16((*unix.Inet6Pktinfo)(unsafe.Pointer(&data[0])).Addr).Unmap()
		}
		b = b[min(unix.CmsgSpace(len(data)), len(b)):]
	}
}
