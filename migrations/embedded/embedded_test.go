package embedded

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func TestDataSurvivesARestart(t *testing.T) {
	t.Parallel()
	dir := newDataDir(t)
	s := startQuiet(t, dir)
	remember(t, s.URL())
	mustStop(t, s)
	if pids := postgresIn(t, dir); len(pids) > 0 {
		t.Errorf("processes after stop: %v", pids)
	}
	s = startQuiet(t, dir)
	wantRemembered(t, s.URL())
}

func TestServerIsOursAloneAndSafe(t *testing.T) {
	t.Parallel()
	s := mustStart(t, Config{DataDir: newCluster(t)}, slog.New(slog.DiscardHandler))
	f := func(setting, want string) {
		t.Helper()
		if got := query[string](t, s.URL(), "SELECT current_setting('"+setting+"')"); got != want {
			t.Errorf("%s = %q, want %q", setting, got, want)
		}
	}
	f("listen_addresses", "")
	f("unix_socket_permissions", "0700")
	f("fsync", "on")
	f("synchronous_commit", "on")
	f("full_page_writes", "on")
	f("data_checksums", "on")
	f("server_encoding", "UTF8")
	f("jit", "off")
	f("max_wal_size", "2GB")
	if got := query[string](t, s.URL(), `SELECT lower('Ä')`); got != "ä" {
		t.Errorf("lower('Ä') = %q", got)
	}
	if got := query[bool](t, s.URL(), `SELECT 'B' < 'a' COLLATE "default"`); !got {
		t.Error("text does not sort by bytes")
	}
	info, err := os.Stat(s.sockets)
	if err != nil {
		t.Fatal(err)
	}
	owner := info.Sys().(*syscall.Stat_t).Uid
	if info.Mode().Perm() != 0o700 || owner != s.user.uid || owner == 0 {
		t.Errorf("socket folder: mode %v, owner %d", info.Mode().Perm(), owner)
	}
	for _, pid := range postgresIn(t, filepath.Dir(s.dir)) {
		if info, err := os.Stat(fmt.Sprintf("/proc/%d", pid)); err == nil && info.Sys().(*syscall.Stat_t).Uid == 0 {
			t.Errorf("process %d runs as root", pid)
		}
	}
}

func TestOtherUsersCannotConnect(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root, to become another user")
	}
	s := startQuiet(t, newCluster(t))
	cmd := exec.CommandContext(t.Context(), filepath.Join(s.bin.dir, "psql"), "-h", s.sockets, "-U", database, "-c", "SELECT 1", database)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("root: %v: %s", err, out)
	}
	cmd = exec.CommandContext(t.Context(), cmd.Path, cmd.Args[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 54321, Gid: 54321}}
	cmd.Dir = "/"
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "Permission denied") {
		t.Errorf("another user: %v: %s", err, out)
	}
}

func TestPsqlCommandOpensTheDatabase(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(newDataDir(t), "it's a data dir")
	copyCluster(t, dir)
	s := startQuiet(t, dir)
	out, err := exec.CommandContext(t.Context(), "sh", "-c", s.PsqlCommand()+` -Atc "SELECT current_user || '@' || current_database()"`).CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "pdaltagent@pdaltagent" {
		t.Errorf("%s: %v: %s", s.PsqlCommand(), err, out)
	}
}

func TestPostmasterThatDiesIsStartedAgain(t *testing.T) {
	t.Parallel()
	dir := newCluster(t)
	var log journal
	s := mustStart(t, quick(dir), log.logger())
	remember(t, s.URL())
	pid, _ := readPostmasterPID(s.dir)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	eventually(t, "restart", func() bool {
		now, ready := readPostmasterPID(s.dir)
		return ready && now != pid
	})
	t.Logf("back after %v", time.Since(begun))
	wantRemembered(t, s.URL())
	wantContains(t, log.String(), "postgres died", "signal: killed", "restart_in=100ms", "automatic recovery in progress")
}

func TestBackendThatCrashesIsLoggedWithItsReason(t *testing.T) {
	t.Parallel()
	var log journal
	s := mustStart(t, quick(newCluster(t)), log.logger())
	conn, err := pgx.Connect(t.Context(), s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	if err := syscall.Kill(int(conn.PgConn().PID()), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "recovery", func() bool {
		_, err := tryQuery[int](s.URL(), `SELECT 1`)
		return err == nil && strings.Count(log.String(), "ready to accept connections") == 2
	})
	wantContains(t, log.String(), "was terminated by signal 9", "level=WARN")
}

// BenchmarkStart is the time from an existing cluster to a database that
// accepts connections.
func BenchmarkStart(b *testing.B) {
	dir := filepath.Join(os.Getenv("EMBEDDED_TEST_SEED"), "benchmark")
	log := slog.New(slog.DiscardHandler)
	first, err := Start(b.Context(), Config{DataDir: dir}, log)
	if err != nil {
		b.Fatal(err)
	}
	if err := first.Stop(b.Context()); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		s, err := Start(b.Context(), Config{DataDir: dir}, log)
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := s.Stop(b.Context()); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
