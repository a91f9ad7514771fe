package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pdaltagent/pdaltagent/migrations/embedded"
)

// TestPostgresMayFail: for each way in which Postgres fails in the middle of a
// stream of events, all that was acknowledged arrives, each alert's events in
// their order, and nothing twice but what its sender has sent twice.
func TestPostgresMayFail(t *testing.T) {
	long(t)
	t.Parallel()
	s := newShaky(t, dataDir(t))
	c := newCell(t, "", s.server.URL())
	t.Run("stopped", func(t *testing.T) {
		s.stream(c.of(t), func() {
			s.stop(t)
			time.Sleep(700 * time.Millisecond)
			s.start(t)
		})
	})
	t.Run("restarted", func(t *testing.T) {
		s.stream(c.of(t), func() {
			s.stop(t)
			s.start(t)
		})
	})
	t.Run("killed", func(t *testing.T) {
		s.stream(c.of(t), func() { s.kill(t) })
	})
	t.Run("connections cut", func(t *testing.T) {
		s.stream(c.of(t), func() {
			for range 5 {
				s.exec(t, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()`)
				time.Sleep(150 * time.Millisecond)
			}
		})
	})
}

// TestPostgresMayHaveAFullDisk is TestPostgresMayFail for a disk without room,
// in a process that has a small one to itself.
func TestPostgresMayHaveAFullDisk(t *testing.T) {
	long(t)
	if os.Getenv("PDALTAGENT_SMALL_DISK") == "" {
		t.Parallel()
		cmd := exec.CommandContext(t.Context(), "unshare", "--mount", "--propagation", "private", os.Args[0], "-test.run=^TestPostgresMayHaveAFullDisk$", "-test.v")
		if cmd.Err != nil || exec.CommandContext(t.Context(), "unshare", "--mount", "true").Run() != nil {
			t.Skip("needs root and unshare, to mount a small disk")
		}
		cmd.Env = append(os.Environ(), "PDALTAGENT_SMALL_DISK=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	dir := dataDir(t)
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=200m,mode=0755"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	s := newShaky(t, dir)
	s.stream(newCell(t, "", s.server.URL()).of(t), func() {
		ballast := filepath.Join(dir, "ballast")
		fill(t, ballast)
		s.until(t, "No space left on device")
		time.Sleep(500 * time.Millisecond)
		if err := os.Remove(ballast); err != nil {
			t.Error(err)
		}
	})
}

// fill writes a file until its disk is full.
func fill(t *testing.T, file string) {
	t.Helper()
	f, err := os.Create(file) //nolint:gosec // in the test's folder
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // it is removed
	for _, size := range []int{1 << 20, 4096} {
		for err = nil; err == nil; _, err = f.Write(make([]byte, size)) {
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
	}
}

// shaky is a Postgres that can be made to fail.
type shaky struct {
	dir    string
	server *embedded.Server
	logs   keep // what Postgres says
}

func newShaky(t *testing.T, dir string) *shaky {
	t.Helper()
	s := &shaky{dir: dir}
	s.start(t)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := s.server.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *shaky) start(t *testing.T) {
	t.Helper()
	var err error
	if s.server, err = embedded.Start(context.WithoutCancel(t.Context()), embedded.Config{DataDir: s.dir}, slog.New(slog.NewTextHandler(&s.logs, nil))); err != nil {
		t.Fatal(err)
	}
}

func (s *shaky) stop(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	if err := s.server.Stop(ctx); err != nil {
		t.Fatal(err)
	}
}

// kill kills the postmaster, whose keeper starts it again.
func (s *shaky) kill(t *testing.T) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(s.dir, "postgres", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(data), "\n")
	pid, err := strconv.Atoi(line)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	s.until(t, "postgres died")
}

// until waits until Postgres, or its keeper, says something.
func (s *shaky) until(t *testing.T, said string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(s.logs.String(), said); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("Postgres never said %q:\n%s", said, s.logs.String())
		}
	}
}

// exec runs a statement in the server's own database.
func (s *shaky) exec(t *testing.T, statement string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.server.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context())) //nolint:errcheck // nothing is lost with it
	if _, err := conn.Exec(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

// stream sends a cell's events, has a fault come and go meanwhile, and holds
// what arrived against what was acknowledged.
func (s *shaky) stream(c *cell, fault func()) {
	c.Helper()
	c.until(`SELECT count(*) > 0 FROM nodes`) // it commits
	ctx, finish := context.WithCancel(c.Context())
	var (
		senders sync.WaitGroup
		mu      sync.Mutex
		away    atomic.Bool
		kept    atomic.Int64 // acknowledged while the fault lasted
	)
	for i := range cellAlerts {
		alert := c.alert(i)
		senders.Go(func() {
			for n := 1; ctx.Err() == nil; n++ {
				for tries := 1; !postEvent(c.Context(), c.url, alert, n); tries++ {
					mu.Lock()
					c.inFlight[fmt.Sprint(alert, "#", n)] = true // it may be there twice
					mu.Unlock()
					time.Sleep(20 * time.Millisecond)
				}
				if away.Load() {
					kept.Add(1)
				}
				mu.Lock()
				c.sent[alert] = n
				mu.Unlock()
				wait(ctx, 20*time.Millisecond)
			}
		})
	}
	time.Sleep(300 * time.Millisecond)
	away.Store(true)
	fault()
	for deadline := time.Now().Add(10 * time.Second); kept.Load() == 0 && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
	away.Store(false)
	time.Sleep(300 * time.Millisecond)
	finish()
	senders.Wait()
	c.settled()
	c.conclude("")
	if kept.Load() == 0 {
		c.Error("nothing was acknowledged while the fault lasted")
	}
	c.Logf("%d events of each alert or so, %d in all while the fault lasted, %d tried again by their senders", c.sent[c.alert(0)], kept.Load(), len(c.inFlight))
}
