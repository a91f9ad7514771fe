package embedded

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

// attributes are a child's: in its own process group, so that a terminal's
// Ctrl-C ends Postgres only after those who use it, and shut down fast
// (SIGINT) when its parent dies.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGINT}
}

// isPostmaster reports whether pid is a living Postgres process in dir: every
// one of them works in its data directory. A zombie has none.
func isPostmaster(pid int, dir string) bool {
	comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil || strings.TrimSpace(string(comm)) != "postgres" {
		return false
	}
	cwd, err := os.Stat(fmt.Sprintf("/proc/%d/cwd", pid))
	if err != nil {
		return false
	}
	data, err := os.Stat(dir)
	return err == nil && os.SameFile(cwd, data)
}
