package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// readPostmasterPID returns what postmaster.pid says: the postmaster's
// process and whether it accepts connections. Its lines are those of
// Postgres' utils/pidfile.h: the first is the pid, the eighth the status.
// The pid is 0 where there is no such file, or only a part of one.
func readPostmasterPID(dir string) (pid int, ready bool) {
	text, err := os.ReadFile(filepath.Join(dir, "postmaster.pid"))
	if err != nil {
		return 0, false
	}
	lines := strings.Split(string(text), "\n")
	pid, err = strconv.Atoi(strings.TrimSpace(lines[0]))
	if err != nil || pid <= 0 {
		return 0, false
	}
	return pid, len(lines) > 7 && strings.TrimSpace(lines[7]) == "ready"
}

// stopLeftover stops the postmaster that a killed daemon left running in the
// cluster. We hold the lock, so no living daemon owns it. Postgres survives a
// postmaster.pid whose process is dead, but not one whose number another
// program of the same user has now: that file is removed. Backends that
// outlived their postmaster are still found, by their shared memory.
func (s *Server) stopLeftover(ctx context.Context) error {
	pid, _ := readPostmasterPID(s.dir)
	if pid == 0 || errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return nil
	}
	if !isPostmaster(pid, s.dir) {
		s.log.Warn("postmaster.pid names a process that is not the cluster's; removed", "pid", pid, "data", s.dir)
		if err := os.Remove(filepath.Join(s.dir, "postmaster.pid")); err != nil && !os.IsNotExist(err) {
			return fmt.Errorf("stale postmaster.pid: %w", err)
		}
		return nil
	}
	s.log.Warn("stopping the postgres that an earlier run left behind", "pid", pid, "data", s.dir)
	for _, try := range []struct {
		signal   syscall.Signal
		patience time.Duration
	}{{syscall.SIGINT, stopPatience}, {syscall.SIGQUIT, quitPatience}} {
		if err := syscall.Kill(pid, try.signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("leftover postgres process %d: %w", pid, err)
		}
		if gone, err := awaitGone(ctx, pid, s.dir, try.patience); gone || err != nil {
			return err
		}
	}
	return fmt.Errorf("postgres process %d still holds %s and does not stop: end it with kill -QUIT %d", pid, s.dir, pid)
}

// awaitGone waits until pid is no longer the postmaster of dir. It is not our
// child, so it may stay a zombie where nobody reaps.
func awaitGone(ctx context.Context, pid int, dir string, patience time.Duration) (bool, error) {
	tick := time.NewTicker(readyInterval)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if !isPostmaster(pid, dir) {
			return true, nil
		}
		select {
		case <-ctx.Done():
			return false, fmt.Errorf("leftover postgres process %d: %w", pid, context.Cause(ctx))
		case <-tick.C:
		}
	}
	return false, nil
}
