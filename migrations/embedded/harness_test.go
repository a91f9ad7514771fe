package embedded

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"
)

// TestMain is the daemon, too, in a process of its own that tests can kill.
func TestMain(m *testing.M) {
	if dir := os.Getenv("EMBEDDED_TEST_DAEMON"); dir != "" {
		daemon(dir)
	}
	goleak.VerifyTestMain(seeded{m})
}

// seeded runs tests beside a cluster that was made once and never started,
// whose folder EMBEDDED_TEST_SEED names.
type seeded struct{ m *testing.M }

func (s seeded) Run() int {
	dir, err := os.MkdirTemp("/tmp", "pdaltagent-embedded-seed-")
	if err == nil {
		err = os.Chmod(dir, 0o711)
	}
	if err == nil {
		err = os.Setenv("EMBEDDED_TEST_SEED", dir)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	server := Server{cfg: quick(dir), log: slog.New(slog.DiscardHandler)}
	if err == nil {
		err = server.settle(context.Background())
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer func() { _ = server.lock.Close() }()
	return s.m.Run()
}

func daemon(dir string) {
	s, err := Start(context.Background(), quick(dir), slog.New(slog.DiscardHandler))
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	fmt.Println("url", s.URL())
	_, _ = io.Copy(io.Discard, os.Stdin)
	if err := s.Stop(context.Background()); err != nil {
		os.Exit(1)
	}
	os.Exit(0)
}

// newDataDir returns a folder that the user that Postgres runs as can reach,
// and checks in the end that nothing runs in it.
func newDataDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "pdaltagent-embedded-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if pids := postgresIn(t, dir); len(pids) > 0 {
			t.Errorf("processes left in %s: %v", dir, pids)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// newCluster is newDataDir with a cluster in it, which saves a test the second
// that making one takes.
func newCluster(t *testing.T) string {
	t.Helper()
	dir := newDataDir(t)
	copyCluster(t, dir)
	return dir
}

// copyCluster puts a cluster into dir, which it makes.
func copyCluster(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	seed := filepath.Join(os.Getenv("EMBEDDED_TEST_SEED"), "postgres")
	if out, err := exec.CommandContext(t.Context(), "cp", "-a", seed, dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// postgresIn lists the processes that work in the cluster of dataDir, or in
// one that is being made.
func postgresIn(t *testing.T, dataDir string) []int {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/cwd")
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil && strings.HasPrefix(target, dataDir+"/") {
			pid, _ := strconv.Atoi(strings.Split(link, "/")[2])
			pids = append(pids, pid)
		}
	}
	return pids
}

// journal is a logger's output that tests can read.
type journal struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.String()
}

func (j *journal) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(j, nil))
}

func mustStart(t *testing.T, cfg Config, log *slog.Logger) *Server {
	t.Helper()
	s, err := Start(t.Context(), cfg, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mustStop(t, s) })
	return s
}

func mustStop(t *testing.T, s *Server) {
	t.Helper()
	if err := s.Stop(context.Background()); err != nil {
		t.Error(err)
	}
}

func startQuiet(t *testing.T, dir string) *Server {
	t.Helper()
	return mustStart(t, quick(dir), slog.New(slog.DiscardHandler))
}

// quick is for tests that no power failure happens in.
func quick(dir string) Config {
	return Config{DataDir: dir, Settings: map[string]string{"fsync": "off"}}
}

// refused starts on dir and returns the error that must come of it.
func refused(t *testing.T, cfg Config) string {
	t.Helper()
	s, err := Start(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err == nil {
		mustStop(t, s)
		t.Fatal("start succeeded")
	}
	return err.Error()
}

func wantContains(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("no %q in %q", part, text)
		}
	}
}

func query[T any](t *testing.T, url, sql string) T {
	t.Helper()
	value, err := tryQuery[T](url, sql)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func tryQuery[T any](url, sql string) (value T, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return value, err
	}
	defer func() { _ = conn.Close(ctx) }()
	err = conn.QueryRow(ctx, sql).Scan(&value)
	return value, err
}

// remember writes a row that later starts must find.
func remember(t *testing.T, url string) {
	t.Helper()
	ctx := t.Context()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, `CREATE TABLE kept AS SELECT 42 AS answer`); err != nil {
		t.Fatal(err)
	}
}

func wantRemembered(t *testing.T, url string) {
	t.Helper()
	if got := query[int](t, url, `SELECT answer FROM kept`); got != 42 {
		t.Errorf("kept row = %d, want 42", got)
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(25 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 20 s", what)
		}
	}
}
