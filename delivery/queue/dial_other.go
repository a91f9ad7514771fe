//go:build !linux

package queue

import "syscall"

// bounded does nothing: such a connection lasts as long as the system's
// retransmissions.
func bounded(string, string, syscall.RawConn) error { return nil }
