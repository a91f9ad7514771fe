package embedded

import (
	"bufio"
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startDaemon runs the daemon on dir in a process of its own.
func startDaemon(t *testing.T, dir string) (cmd *exec.Cmd, url string) {
	t.Helper()
	cmd = exec.CommandContext(context.Background(), os.Args[0]) // ends by its standard input
	cmd.Env = append(os.Environ(), "EMBEDDED_TEST_DAEMON="+dir)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	url, ok := strings.CutPrefix(strings.TrimSpace(line), "url ")
	if !ok {
		t.Fatal(line)
	}
	return cmd, url
}

func TestServerDiesWithAKilledDaemon(t *testing.T) {
	t.Parallel()
	dir := newCluster(t)
	cmd, url := startDaemon(t, dir)
	remember(t, url)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "end of postgres", func() bool { return len(postgresIn(t, dir)) == 0 })
	wantRemembered(t, startQuiet(t, dir).URL())
}

func TestKilledDaemonIsFollowedAtOnce(t *testing.T) {
	t.Parallel()
	dir := newCluster(t)
	cmd, url := startDaemon(t, dir)
	remember(t, url)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	begun := time.Now()
	s := startQuiet(t, dir)
	t.Logf("start after kill -9 took %v", time.Since(begun))
	wantRemembered(t, s.URL())
}

func TestSecondDaemonIsRefused(t *testing.T) {
	t.Parallel()
	dir := newCluster(t)
	cmd, url := startDaemon(t, dir)
	got := refused(t, Config{DataDir: dir})
	wantContains(t, got, "in use by process "+strconv.Itoa(cmd.Process.Pid), dir, "data_dir")
	if query[int](t, url, `SELECT 1`) != 1 {
		t.Error("the first daemon's server is gone")
	}
}

// TestLeftoverServerIsStopped starts a postmaster that has no parent to die
// with, as on systems without a death signal.
func TestLeftoverServerIsStopped(t *testing.T) {
	t.Parallel()
	dir := newCluster(t)
	s := startQuiet(t, dir)
	remember(t, s.URL())
	mustStop(t, s)
	cmd := s.user.command(context.Background(), s.bin.postgres(), "-D", s.dir, "-c", "unix_socket_directories="+s.dir)
	cmd.SysProcAttr.Pdeathsig = 0
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	reaped := make(chan error, 1)
	go func() { reaped <- cmd.Wait() }()
	eventually(t, "start of the leftover", func() bool { _, ready := readPostmasterPID(s.dir); return ready })
	var log journal
	wantRemembered(t, mustStart(t, quick(dir), log.logger()).URL())
	wantContains(t, log.String(), "left behind", "pid="+strconv.Itoa(cmd.Process.Pid))
	if err := <-reaped; err != nil {
		t.Errorf("leftover did not end well: %v", err)
	}
}

func TestStalePostmasterPIDIsSurvived(t *testing.T) {
	t.Parallel()
	dir := newCluster(t)
	s := startQuiet(t, dir)
	remember(t, s.URL())
	mustStop(t, s)
	// A living process that has nothing to do with the cluster but is called
	// by its number, and is of the user whom Postgres asks about.
	other := s.user.command(t.Context(), "/bin/sleep", "60")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Process.Kill(); _ = other.Wait() }()
	gone := exec.CommandContext(t.Context(), "/bin/true")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	f := func(pid string) {
		t.Helper()
		text := pid + "\n" + s.dir + "\n1700000000\n5432\n" + s.dir + "\n\n  1234567         0\nready   \n"
		if err := os.WriteFile(filepath.Join(s.dir, "postmaster.pid"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		again := startQuiet(t, dir)
		wantRemembered(t, again.URL())
		mustStop(t, again)
	}
	f(strconv.Itoa(gone.Process.Pid))
	f(strconv.Itoa(other.Process.Pid))
	f(strconv.Itoa(os.Getpid()))
	if err := other.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("the other process was ended: %v", err)
	}
}

func TestInterruptedInitdbIsMadeAgain(t *testing.T) {
	t.Parallel()
	dir := newDataDir(t)
	unfinished := filepath.Join(dir, "postgres.tmp")
	if err := os.MkdirAll(filepath.Join(unfinished, "base"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(unfinished, "PG_VERSION"), []byte("15\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	startQuiet(t, dir)
	if _, err := os.Stat(unfinished); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("unfinished cluster: %v", err)
	}
}

func TestCancelledStartLeavesNothingRunning(t *testing.T) {
	t.Parallel()
	f := func(dir, until string) {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() {
			for ctx.Err() == nil {
				if found, _ := filepath.Glob(filepath.Join(dir, until)); found != nil {
					cancel()
				}
				time.Sleep(time.Millisecond)
			}
		}()
		s, err := Start(ctx, quick(dir), slog.New(slog.DiscardHandler))
		if err == nil {
			mustStop(t, s)
		} else if !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled at %s: %v", until, err)
		}
		eventually(t, "end of all processes", func() bool { return len(postgresIn(t, dir)) == 0 })
		startQuiet(t, dir)
	}
	f(newDataDir(t), "postgres.tmp/PG_VERSION")
	f(newCluster(t), "postgres/postmaster.pid")
}
