package syslog

import (
	"syscall"
	"testing"
)

// connectionsWithin raises the limit of open files for so many connections, of
// which both ends are ours, or returns how many it allows for.
func connectionsWithin(t *testing.T, wanted int) int {
	t.Helper()
	const others = 200
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	limit.Cur = min(limit.Max, max(limit.Cur, uint64(2*wanted+others)))
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if allowed := (int(limit.Cur) - others) / 2; allowed < wanted {
		t.Logf("%d connections instead of %d: ulimit -Hn is %d", allowed, wanted, limit.Max)
		return allowed
	}
	return wanted
}
