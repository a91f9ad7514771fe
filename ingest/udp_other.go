//go:build !linux

package ingest

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
)

func prepareSocket(_, _ string, _ syscall.RawConn) error { return nil }

// grantedBuffer asks for a large receive buffer; systems other than Linux do
// not all say what they granted.
func grantedBuffer(conn *net.UDPConn, _ syscall.RawConn) int {
	for size := receiveBuffer; size >= 64<<10; size /= 2 {
		if conn.SetReadBuffer(size) == nil {
			return size
		}
	}
	return 0
}

func kernelDrops(syscall.RawConn) (uint64, error) {
	return 0, errors.New("the kernel's drops are known on Linux only")
}

func sourceControl(netip.Addr, bool) []byte { return nil }

// receive reads into b until the socket is closed or its read deadline has
// passed.
func (u *UDP) receive(b *backlog) error {
	buf := make([]byte, 64<<10)
	for {
		n, from, err := u.conn.ReadFromUDPAddrPort(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		}
		if err != nil {
			return err
		}
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		b.put([]Datagram{{Data: buf[:n], From: from, At: time.Now()}})
	}
}
