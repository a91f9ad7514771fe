package spool

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// syncData leaves the file's times out, which would cost a second write.
func syncData(f *os.File) error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if !errors.Is(err, unix.EINTR) {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}
