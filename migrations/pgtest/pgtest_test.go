package pgtest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(Main{M: m})
}

func TestEachDatabaseIsMigratedAndAlone(t *testing.T) {
	ctx := t.Context()
	a, b := New(t), New(t)
	if _, err := a.Exec(ctx, `CREATE TABLE only_here ()`); err != nil {
		t.Fatal(err)
	}
	f := func(relation string, pool interface {
		QueryRow(context.Context, string, ...any) pgx.Row
	}, want bool,
	) {
		t.Helper()
		var got bool
		if err := pool.QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL`, relation).Scan(&got); err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("%s exists: %v, want %v", relation, got, want)
		}
	}
	f("events", a, true)
	f("river.river_job", b, true)
	f("only_here", a, true)
	f("only_here", b, false)

	empty, err := pgx.Connect(ctx, Empty(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = empty.Close(context.Background()) })
	f("events", empty, false)
}

func TestDatabaseEndsWithItsTest(t *testing.T) {
	var address string
	t.Run("test", func(t *testing.T) {
		pool := New(t)
		if err := pool.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
		address = pool.Config().ConnString()
	})
	conn, err := pgx.Connect(t.Context(), address)
	if err == nil {
		_ = conn.Close(t.Context())
		t.Error("the database is still there")
	} else if !strings.Contains(err.Error(), "does not exist") {
		t.Error(err)
	}
}

func TestParallelTestsShareTheServer(t *testing.T) {
	for i := range 8 {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			if err := New(t).Ping(t.Context()); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestChild is a test process that others end in bad ways.
func TestChild(t *testing.T) {
	how := os.Getenv("PGTEST_CHILD")
	if how == "" {
		t.Skip("runs in a process of its own")
	}
	fmt.Println("url", URL(t), "dir", shared.dir)
	if how == "panic" {
		panic("a test's")
	}
	time.Sleep(time.Minute)
}

func TestNoServerOutlivesItsTestProcess(t *testing.T) {
	if os.Getenv("PDALTAGENT_TEST_DATABASE_URL") != "" {
		t.Skip("needs a server of its own")
	}
	f := func(how string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChild$", "-test.v")
		cmd.Env = append(os.Environ(), "PGTEST_CHILD="+how)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		dir := ""
		for line := make([]byte, 4096); dir == ""; {
			n, err := out.Read(line)
			if err != nil {
				t.Fatalf("%s: %v", how, err)
			}
			if _, after, ok := strings.Cut(string(line[:n]), " dir "); ok {
				dir, _, _ = strings.Cut(after, "\n")
			}
		}
		t.Cleanup(func() { _ = os.RemoveAll(dir) })
		if how == "kill" {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
		_ = cmd.Wait()
		for deadline := time.Now().Add(20 * time.Second); len(workingIn(t, dir)) > 0; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: %v still run in %s", how, workingIn(t, dir), dir)
			}
		}
	}
	f("panic")
	f("kill")
}

// workingIn lists the processes whose working directory is under dir.
func workingIn(t *testing.T, dir string) (found []string) {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/cwd")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil && strings.HasPrefix(target, dir+"/") {
			found = append(found, link)
		}
	}
	return found
}

func TestFoldersOfKilledProcessesAreSwept(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	gone := exec.CommandContext(t.Context(), "/bin/true")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	f := func(pid int, age time.Duration, want bool) {
		t.Helper()
		dir := filepath.Join(os.TempDir(), dirPrefix+strconv.Itoa(pid)+"-1")
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		then := time.Now().Add(-age)
		if err := os.Chtimes(dir, then, then); err != nil {
			t.Fatal(err)
		}
		sweep()
		if _, err := os.Stat(dir); (err == nil) != want {
			t.Errorf("folder of process %d, %v old: %v", pid, age, err)
		}
	}
	f(gone.Process.Pid, time.Hour, false)
	f(gone.Process.Pid, time.Second, true)
	f(os.Getpid(), time.Hour, true)
}

// BenchmarkNew is the price of a database for a test.
func BenchmarkNew(b *testing.B) {
	URL(b)
	for b.Loop() {
		name, err := shared.create(true)
		if err != nil {
			b.Fatal(err)
		}
		if err := shared.drop(name); err != nil {
			b.Fatal(err)
		}
	}
}
