package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/pdaltagent/pdaltagent/mapping"
)

// reloading is a reloader that runs, and what it does.
type reloading struct {
	*reloader
	dir   string
	swaps chan *mapping.Rules

	mu  sync.Mutex
	log bytes.Buffer
}

func (r *reloading) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.Write(p)
}

func (r *reloading) logged() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.String()
}

// aRule is a rule file with one rule.
func aRule(id string) string {
	return "rules:\n  - id: " + id + "\n    match: { trap: IF-MIB::linkDown }\n    event: { summary: '${source} is down', severity: error }\n"
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// replace puts a file in the place of another at once, so that nobody reads a
// half of it.
func replace(t *testing.T, file, text string) {
	t.Helper()
	next := filepath.Join(filepath.Dir(file), ".next")
	write(t, next, text)
	if err := os.Rename(next, file); err != nil {
		t.Fatal(err)
	}
}

// startReloading runs a reloader for the folder rules.d of dir, in which there
// are files already, or for a file in it.
func startReloading(t *testing.T, dir string, poll time.Duration, file ...string) *reloading {
	t.Helper()
	r := &reloading{dir: dir, swaps: make(chan *mapping.Rules, 100)}
	c, err := load(t, "rules: ["+filepath.Join(append([]string{dir, "rules.d"}, file...)...)+"]\nmibs: ["+filepath.Join(dir, "mibs")+"]", noEnv)
	if err != nil {
		t.Fatal(err)
	}
	r.reloader = newReloader(c, prometheus.NewRegistry(), slog.New(slog.NewTextHandler(io.MultiWriter(r, t.Output()), nil)))
	r.poll = poll
	rules, err := loadRules(t.Context(), c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	r.follow(rules)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx, func(_ context.Context, rules *mapping.Rules) { r.swaps <- rules }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	time.Sleep(100 * time.Millisecond) // for the watch to be set up
	return r
}

func folders(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	write(t, filepath.Join(dir, "rules.d", "10.yaml"), aRule("one"))
	write(t, filepath.Join(dir, "mibs", ".keep"), "")
	return dir
}

// want waits for rules of that number.
func (r *reloading) want(t *testing.T, rules int) {
	t.Helper()
	select {
	case got := <-r.swaps:
		if got.Len() != rules {
			t.Fatalf("%d rules, want %d", got.Len(), rules)
		}
	case <-time.After(10 * time.Second):
		t.Fatalf("nothing was reloaded; the log:\n%s", r.logged())
	}
}

// wantNone waits, and fails when something is reloaded.
func (r *reloading) wantNone(t *testing.T) {
	t.Helper()
	select {
	case <-r.swaps:
		t.Fatal("reloaded, although nothing has changed, or with a fault")
	case <-time.After(2 * quietFor):
	}
}

func (r *reloading) results(t *testing.T, ok, fault float64) {
	t.Helper()
	for result, want := range map[string]float64{"ok": ok, "fault": fault} {
		if got := testutil.ToFloat64(r.reloader.results.WithLabelValues(result)); got != want {
			t.Errorf("%v reloads are counted as %s, want %v", got, result, want)
		}
	}
}

// TestChangedFilesAreReadAnew, in a folder and in those below, once a burst.
func TestChangedFilesAreReadAnew(t *testing.T) {
	r := startReloading(t, folders(t), time.Hour)
	for range 10 { // as an editor writes
		write(t, filepath.Join(r.dir, "rules.d", "20.yaml"), aRule("two"))
	}
	r.want(t, 2)
	write(t, filepath.Join(r.dir, "rules.d", "site", "30.yaml"), aRule("three"))
	r.want(t, 3)
	write(t, filepath.Join(r.dir, "rules.d", "site", "30.yaml"), aRule("three")+strings.TrimPrefix(aRule("four"), "rules:\n"))
	r.want(t, 4)
	if err := os.Rename(filepath.Join(r.dir, "rules.d", "20.yaml"), filepath.Join(r.dir, "rules.d", "20.off")); err != nil {
		t.Fatal(err)
	}
	r.want(t, 3)
	write(t, filepath.Join(r.dir, "mibs", "ACME-MIB.txt"), "ACME-MIB DEFINITIONS ::= BEGIN END\n")
	r.want(t, 3)
	r.results(t, 5, 0)
}

// TestWhatDidNotChangeIsLeftAlone: a touched file has the same content.
func TestWhatDidNotChangeIsLeftAlone(t *testing.T) {
	r := startReloading(t, folders(t), 100*time.Millisecond)
	now := time.Now()
	if err := os.Chtimes(filepath.Join(r.dir, "rules.d", "10.yaml"), now, now); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(r.dir, "other.yaml"), aRule("other"))
	r.wantNone(t)
	r.results(t, 0, 0)
}

// TestFaultyRulesLeaveTheOldOnes, are told once, and are forgotten when they
// are mended.
func TestFaultyRulesLeaveTheOldOnes(t *testing.T) {
	r := startReloading(t, folders(t), 100*time.Millisecond)
	file := filepath.Join(r.dir, "rules.d", "10.yaml")
	replace(t, file, strings.Replace(aRule("one"), "linkDown", "linkDwon", 1))
	deadline := time.Now().Add(10 * time.Second)
	for r.Stale() == "" && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
	if !strings.Contains(r.Stale(), "1 fault") || !strings.Contains(r.Stale(), file+":3:20") {
		t.Errorf("it says %q", r.Stale())
	}
	r.wantNone(t)
	if log := r.logged(); strings.Count(log, "linkDwon") != 1 || !strings.Contains(log, "at="+file+":3:20") || !strings.Contains(log, "pdagentd check") {
		t.Errorf("the log:\n%s", log)
	}
	r.results(t, 0, 1)
	replace(t, file, aRule("mended"))
	r.want(t, 1)
	if r.Stale() != "" {
		t.Errorf("after the mend it says %q", r.Stale())
	}
	r.results(t, 1, 1)
}

// TestRulesWhoseTestsFailLeaveTheOldOnes.
func TestRulesWhoseTestsFailLeaveTheOldOnes(t *testing.T) {
	r := startReloading(t, folders(t), time.Hour)
	tested := func(severity string) string {
		return aRule("tested") + "    tests: [ { name: n, steps: [ { trap: IF-MIB::linkDown, expect: { severity: " + severity + " } } ] } ]\n"
	}
	file := filepath.Join(r.dir, "rules.d", "10.yaml")
	replace(t, file, tested("info"))
	r.wantNone(t)
	if log := r.logged(); !strings.Contains(log, `severity: expected \"info\", got \"error\"`) {
		t.Errorf("the log:\n%s", log)
	}
	replace(t, file, tested("error"))
	r.want(t, 1)
	r.results(t, 1, 1)
}

// TestRulesThatAreGoneStay: an unmounted folder is no wish to have no rules.
func TestRulesThatAreGoneStay(t *testing.T) {
	r := startReloading(t, folders(t), time.Hour)
	if err := os.Remove(filepath.Join(r.dir, "rules.d", "10.yaml")); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(10 * time.Second)
	for r.Stale() == "" && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
	if !strings.Contains(r.logged(), "not mounted") {
		t.Errorf("the log:\n%s", r.logged())
	}
	r.wantNone(t)
}

// TestSwappedConfigMapIsSeen: Kubernetes points ..data at a new folder, and no
// file that is watched changes. The configuration may name the folder or the
// file.
func TestSwappedConfigMapIsSeen(t *testing.T) {
	f := func(after int, file ...string) {
		t.Helper()
		dir := folders(t)
		rules := filepath.Join(dir, "rules.d")
		write(t, filepath.Join(rules, "..1", "k8s.yaml"), aRule("two"))
		link := func(to, name string) {
			t.Helper()
			if err := os.Symlink(to, filepath.Join(rules, name)); err != nil {
				t.Fatal(err)
			}
		}
		link("..1", "..data")
		link("..data/k8s.yaml", "k8s.yaml")
		r := startReloading(t, dir, time.Hour, file...)
		write(t, filepath.Join(rules, "..2", "k8s.yaml"), aRule("two")+strings.TrimPrefix(aRule("three"), "rules:\n"))
		link("..2", "..data_tmp")
		if err := os.Rename(filepath.Join(rules, "..data_tmp"), filepath.Join(rules, "..data")); err != nil {
			t.Fatal(err)
		}
		r.want(t, after)
	}
	f(3)
	f(2, "k8s.yaml")
}

// TestWhatNobodyTellsIsFound, as on a network file system: the folder behind
// the link is not watched.
func TestWhatNobodyTellsIsFound(t *testing.T) {
	dir, far := folders(t), t.TempDir()
	write(t, filepath.Join(far, "far.yaml"), aRule("far"))
	if err := os.Symlink(filepath.Join(far, "far.yaml"), filepath.Join(dir, "rules.d", "20.yaml")); err != nil {
		t.Fatal(err)
	}
	r := startReloading(t, dir, 200*time.Millisecond)
	write(t, filepath.Join(far, "far.yaml"), aRule("far")+strings.TrimPrefix(aRule("farther"), "rules:\n"))
	r.want(t, 3)
}

// TestHangupReadsAnew, whether something has changed or not.
func TestHangupReadsAnew(t *testing.T) {
	r := startReloading(t, folders(t), time.Hour)
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	r.want(t, 1)
	for deadline := time.Now().Add(5 * time.Second); !strings.Contains(r.logged(), "why=SIGHUP"); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the log:\n%s", r.logged())
		}
	}
}

// TestTablesOfRulesAreFollowed, wherever they are.
func TestTablesOfRulesAreFollowed(t *testing.T) {
	dir, far := folders(t), t.TempDir()
	table := filepath.Join(far, "cmdb.csv")
	write(t, table, "host,owner\nsw1,net\n")
	write(t, filepath.Join(dir, "rules.d", "00.yaml"), "tables:\n  cmdb: { file: "+table+", key: host }\n")
	r := startReloading(t, dir, time.Hour)
	write(t, table, "host,owner\nsw1,noc\n")
	r.want(t, 1)
}
