package queue

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// bounded has the kernel give a connection up whose data nobody acknowledges
// for as long: keep-alives are sent only where none is on its way.
func bounded(network, _ string, c syscall.RawConn) error {
	if network == "unix" {
		return nil
	}
	var err error
	if e := c.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(deadAfter.Milliseconds()))
	}); e != nil {
		return e
	}
	return err
}
