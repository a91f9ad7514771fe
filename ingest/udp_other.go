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
func grantedBuffer(conn *net.UDPConn) int {
	for size := receiveBuffer; size >= 64<<10; size /= 2 {
		if conn.SetReadBuffer(size) == nil {
			return size
		}
	}
	return 0
}

type socket struct{ conn *net.UDPConn }

func newSocket(conn *net.UDPConn) (*socket, error) { return &socket{conn}, nil }

func (s *socket) drops() (uint64, error) {
	return 0, errors.New("the kernel's drops are known on Linux only")
}

// write sends b from the address that the system chooses.
func (s *socket) write(b []byte, _ netip.Addr, to netip.AddrPort) error {
	_, err := s.conn.WriteToUDPAddrPort(b, to)
	return err
}

// stop has receive return.
func (s *socket) stop() { _ = s.conn.SetReadDeadline(time.Unix(1, 0)) }

// close closes the socket. Closing it twice is no error.
func (s *socket) close() error {
	if err := s.conn.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// receive reads into b until the socket is closed or, after stop, what it
// waits for has come.
func (s *socket) receive(b *backlog) error {
	buf := make([]byte, 64<<10)
	for {
		n, from, err := s.conn.ReadFromUDPAddrPort(buf)
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
