package ingest

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"strconv"
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

// sourceControl returns the control message that makes from the source of
// what is sent on a socket of IPv4, or of both families.
func sourceControl(from netip.Addr, onlyIPv4 bool) []byte {
	if onlyIPv4 {
		return unix.PktInfo4(&unix.Inet4Pktinfo{Spec_dst: from.As4()})
	}
	return unix.PktInfo6(&unix.Inet6Pktinfo{Addr: from.As16()})
}

func grantedBuffer(_ *net.UDPConn, raw syscall.RawConn) int {
	granted := 0
	_ = raw.Control(func(fd uintptr) {
		granted, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF)
	})
	return granted
}

// kernelDrops reads SK_MEMINFO_DROPS, the last of the nine numbers that
// SO_MEMINFO gives (linux/sock_diag.h).
func kernelDrops(raw syscall.RawConn) (uint64, error) {
	var info [9]uint32
	size := uint32(unsafe.Sizeof(info))
	var errno unix.Errno
	err := raw.Control(func(fd uintptr) {
		_, _, errno = unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_MEMINFO,
			uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	})
	if err != nil {
		return 0, err
	}
	if errno != 0 {
		return 0, os.NewSyscallError("getsockopt SO_MEMINFO", errno)
	}
	return uint64(info[8]), nil
}

// receive reads into b until the socket is closed or, after its read deadline
// has passed, until all that was received before then is read.
func (u *UDP) receive(b *backlog) error {
	r := newReader()
	for {
		err := u.raw.Read(r.receive)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return u.drain(r, b)
		}
		if err != nil {
			return err
		}
		if r.errno != 0 {
			return os.NewSyscallError("recvmmsg", r.errno)
		}
		b.put(r.batch())
	}
}

// drain reads what the kernel holds, and no more than it can hold, for no
// longer than drainPatience: senders may go on for ever. Receipt times do not
// tell where to stop, for the kernel begins to stamp them only some time after
// it was asked to.
func (u *UDP) drain(r *reader, b *backlog) error {
	end := time.Now().Add(drainPatience)
	for left := u.granted; left > 0 && time.Now().Before(end); {
		err := u.raw.Control(func(fd uintptr) { r.receive(fd) })
		if err != nil || r.errno != 0 || r.n == 0 {
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
	drainPatience    = 2 * time.Second
	datagramOverhead = 512 // at least: what the kernel counts besides a datagram's own bytes
)

// mmsghdr is struct mmsghdr of recvmmsg(2).
type mmsghdr struct {
	hdr unix.Msghdr
	len uint32
}

// reader holds what recvmmsg fills. It allocates nothing while it reads.
type reader struct {
	receive func(fd uintptr) bool

	n     int
	errno unix.Errno

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
	r.receive = r.recvmmsg
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

// recvmmsg reads what is there, without waiting. It returns false, as
// syscall.RawConn.Read wants it, when nothing is.
func (r *reader) recvmmsg(fd uintptr) bool {
	for {
		n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&r.headers[0])), batchSize,
			unix.MSG_DONTWAIT, 0, 0)
		if errno == unix.EINTR {
			continue
		}
		r.n, r.errno = int(n), errno
		if errno != 0 {
			r.n = 0
		}
		return errno != unix.EAGAIN
	}
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
