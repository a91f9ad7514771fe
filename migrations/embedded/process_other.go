//go:build !linux

package embedded

import (
	"context"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// attributes are a child's: in its own process group, so that a terminal's
// Ctrl-C ends Postgres only after those who use it. These systems have no
// death signal: a killed daemon's server runs on until the next start.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}

// isPostmaster reports whether pid is a Postgres process that was started for
// dir.
func isPostmaster(pid int, dir string) bool {
	line, err := exec.CommandContext(context.Background(), "ps", "-ww", "-o", "command=", "-p", strconv.Itoa(pid)).Output()
	return err == nil && strings.Contains(string(line), "postgres -D "+dir+" ")
}
