package fetch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/pdaltagent/pdaltagent/ingest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a Fetcher of one shell script, named ups.
type rig struct {
	t        *testing.T
	f        *Fetcher
	registry *prometheus.Registry
	log      lockedBuffer

	mu       sync.Mutex
	received []ingest.Message
	batches  int
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func (g *rig) take(_ context.Context, ms []ingest.Message, done func(ingest.Receipt)) {
	g.mu.Lock()
	g.received = append(g.received, ms...)
	g.batches++
	g.mu.Unlock()
	done(ingest.Receipt{Events: len(ms)})
}

func (g *rig) texts() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return shown(g.received)
}

func (g *rig) counts() map[string]int {
	g.t.Helper()
	families, err := g.registry.Gather()
	if err != nil {
		g.t.Fatal(err)
	}
	counts := map[string]int{}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			name := ""
			for _, label := range metric.GetLabel() {
				name += label.GetValue() + " "
			}
			counts[strings.TrimSpace(name)] += int(metric.GetCounter().GetValue())
		}
	}
	return counts
}

// start makes a Fetcher of script; handler nil takes everything.
func start(t *testing.T, script string, c Config, handler ingest.HandlerFunc) *rig {
	t.Helper()
	g := &rig{t: t, registry: prometheus.NewRegistry()}
	if handler == nil {
		handler = g.take
	}
	file := filepath.Join(t.TempDir(), "check")
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"+script), 0o600); err != nil {
		t.Fatal(err)
	}
	c.Name, c.Command = "ups", append([]string{"/bin/sh", file}, c.Command...)
	if c.Every == 0 {
		c.Every = time.Minute
	}
	log := slog.New(slog.NewTextHandler(&g.log, nil))
	var err error
	if g.f, err = New(Configs{c}, handler, ingest.NewTally(g.registry), log); err != nil {
		t.Fatal(err)
	}
	return g
}

func (g *rig) run() error { return g.f.Run(g.t.Context(), "ups") }

func TestWhatACommandPrintsIsHandedOn(t *testing.T) {
	g := start(t, `echo '{"events": [{"event_action":"resolve","dedup_key":"'$1'"}, {"voltage": 231.5}]}'`, Config{Command: []string{"a b"}}, nil)
	if err := g.run(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{`v2 {"dedup_key":"a b","event_action":"resolve"}`, `{"voltage":231.5}`}, g.texts()); diff != "" {
		t.Error(diff)
	}
	g = start(t, `printf 'one\n\377two'`, Config{}, nil)
	if err := g.run(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"one", "\uFFFDtwo"}, g.texts()); diff != "" {
		t.Error(diff)
	}
	if len(g.counts()) != 0 || g.log.String() != "" {
		t.Errorf("counted %v, logged %s", g.counts(), &g.log)
	}
	entries := g.f.Entries()
	if len(entries) != 1 || entries[0].Name != "ups" || entries[0].Timeout != time.Minute || entries[0].Schedule.Next(time.Now()).IsZero() {
		t.Errorf("%+v", entries)
	}
	if err := g.f.Run(t.Context(), "pdu"); err == nil || err.Error() != "fetch pdu: ingest.fetch has no entry of that name" {
		t.Error(err)
	}
}

func TestACommandSeesItsOwnEnvironmentAlone(t *testing.T) {
	t.Setenv("PDAGENTD_API_TOKEN", "hush")
	t.Setenv("LANG", "C")
	g := start(t, `env; pwd`, Config{Env: map[string]ingest.Secret{"COMMUNITY": "secret", "LANG": "C.UTF-8"}, Dir: "/"}, nil)
	if err := g.run(); err != nil {
		t.Fatal(err)
	}
	got := "\n" + strings.Join(g.texts(), "\n") + "\n"
	for _, want := range []string{"\nCOMMUNITY=secret\n", "\nLANG=C.UTF-8\n", "\nPATH=" + os.Getenv("PATH") + "\n", "\n/\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in %s", want, got)
		}
	}
	if strings.Contains(got, "hush") {
		t.Error("the command sees the daemon's token")
	}
}

func TestAFailureNamesTheCommandAndItsLastWords(t *testing.T) {
	f := func(script, want string, wantTaken ...string) {
		t.Helper()
		g := start(t, script, Config{}, nil)
		err := g.run()
		if err == nil || !strings.HasPrefix(err.Error(), "fetch ups: /bin/sh: "+want) {
			t.Errorf("got  %v\nwant %s", err, want)
		}
		if diff := cmp.Diff(wantTaken, g.texts()); diff != "" {
			t.Error("what it printed before:", diff)
		}
		if _, ok := errors.AsType[*Uncommitted](err); ok {
			t.Error("it is to be run again at once")
		}
	}
	f(`echo one; echo first >&2; printf 'no route to host' >&2; exit 3`, "exit status 3: no route to host", "one")
	f(`exit 1`, "exit status 1")
	f(`echo; kill -9 $$`, "signal: killed")
	g := start(t, ``, Config{}, nil)
	g.f.entries[0].command.argv[0] = "/no/such/program"
	if err := g.run(); err == nil || err.Error() != "fetch ups: /no/such/program cannot be started: no such file or directory" {
		t.Error(err)
	}
}

func TestStandardErrorIsLogged(t *testing.T) {
	g := start(t, `for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23; do echo "line-$i" >&2; echo >&2; done
		head -c 5000 /dev/zero | tr '\0' x >&2`, Config{}, nil)
	if err := g.run(); err != nil {
		t.Fatal(err)
	}
	log := g.log.String()
	if strings.Count(log, `msg="the command said"`) != maxErrorLines || strings.Count(log, "fetch=ups") != maxErrorLines+1 ||
		!strings.Contains(log, "line-20") || strings.Contains(log, "line-21") || !strings.Contains(log, "lines_unlogged=4") {
		t.Error(log)
	}
}

// alive reports whether a process is there that has not ended.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, state, _ := strings.Cut(string(stat), ") ")
	return err == nil && !strings.HasPrefix(state, "Z")
}

// pids returns the numbers that a script has printed.
func (g *rig) pids() (pids []int) {
	g.t.Helper()
	for _, text := range g.texts() {
		pid, err := strconv.Atoi(text)
		if err != nil {
			g.t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	return pids
}

func ended(t *testing.T, pids ...int) {
	t.Helper()
	for _, pid := range pids {
		for i := 0; alive(pid); i++ {
			if i == 100 {
				t.Errorf("process %d is still there", pid)
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}

func TestTheTimeoutEndsTheWholeGroup(t *testing.T) {
	f := func(script string, most time.Duration) {
		t.Helper()
		g := start(t, script, Config{Every: time.Second}, nil)
		began := time.Now()
		err := g.run()
		want := "fetch ups: /bin/sh: ran longer than 1s and was ended: find out what it waits for, or raise its timeout"
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v", script, err)
		}
		if took := time.Since(began); took < time.Second || took > most {
			t.Errorf("%s: took %v", script, took)
		}
		pids := g.pids()
		if len(pids) != 2 {
			t.Errorf("%s: it printed %v", script, pids)
		}
		ended(t, pids...)
	}
	f(`sleep 60 & echo $!; echo $$; wait`, 3*time.Second)
	f(`trap '' TERM; sleep 60 & echo $!; echo $$; while :; do wait; done`, time.Second+grace+3*time.Second) // hard of hearing
}

func TestWhatACommandLeavesBehindIsEnded(t *testing.T) {
	g := start(t, `sleep 60 & echo $!`, Config{}, nil)
	began := time.Now()
	if err := g.run(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > grace+5*time.Second {
		t.Errorf("took %v", took)
	}
	ended(t, g.pids()...)
	if !strings.Contains(g.log.String(), "left processes behind") {
		t.Error(&g.log)
	}
}

func TestOutputIsBounded(t *testing.T) {
	g := start(t, `echo $$; exec yes 0123456789012345678901234567890123456789012345678901234567890123456789`, Config{}, nil)
	err := g.run()
	if err == nil || err.Error() != "fetch ups: /bin/sh: printed more than 16 MiB: it was ended, and the rest is lost" {
		t.Error(err)
	}
	pid, err := strconv.Atoi(g.texts()[0])
	if err != nil {
		t.Fatal(err)
	}
	ended(t, pid)
	if got := len(g.texts()); got != maxMessages {
		t.Errorf("%d messages", got)
	}
	if g.batches != maxMessages/batchSize {
		t.Errorf("in %d batches", g.batches)
	}
	if n := g.counts()["oversize fetch"]; n < 200_000 {
		t.Errorf("counted %v", g.counts())
	}
}

func TestBinaryOutputHarmsNobody(t *testing.T) {
	g := start(t, `head -c 1000000 /dev/urandom`, Config{}, nil)
	if err := g.run(); err != nil {
		t.Error(err)
	}
	for _, text := range g.texts() {
		if strings.ToValidUTF8(text, "") != text || strings.Contains(text, "\x00") {
			t.Fatalf("text %q", text)
		}
	}
}

func TestMalformedEventsAreCountedAndLogged(t *testing.T) {
	g := start(t, `echo '[{"event_action":"trigger"},{"ok":1}]'`, Config{}, nil)
	if err := g.run(); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(map[string]int{"malformed fetch": 1}, g.counts()); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(g.log.String(), "event 0: 'payload' is missing or blank") || !strings.Contains(g.log.String(), "fetch=ups") {
		t.Error(&g.log)
	}
}

type invalidEvent struct{ error }

func (invalidEvent) InvalidEvent() []string { return nil }

func TestARunEndsWellOnlyAfterCommit(t *testing.T) {
	commit := make(chan func(ingest.Receipt), 1)
	g := start(t, `echo one; exit 2`, Config{}, func(_ context.Context, _ []ingest.Message, done func(ingest.Receipt)) { commit <- done })
	run := func(receipt ingest.Receipt) error {
		result := make(chan error, 1)
		go func() { result <- g.run() }()
		done := <-commit
		select {
		case err := <-result:
			t.Fatal("it ended before the commit:", err)
		case <-time.After(50 * time.Millisecond):
		}
		done(receipt)
		return <-result
	}
	away := errors.New("postgres is away")
	err := run(ingest.Receipt{Err: away})
	lost, ok := errors.AsType[*Uncommitted](err)
	if !ok || lost.Messages != 1 || !errors.Is(err, away) || !strings.Contains(err.Error(), "exit status 2") {
		t.Error(err)
	}
	for _, receipt := range []ingest.Receipt{{}, {Err: fmt.Errorf("commit: %w", invalidEvent{away})}} {
		if err := run(receipt); err == nil || errors.As(err, &lost) {
			t.Errorf("%+v: %v", receipt, err)
		}
	}
}

func TestTheEndOfTheContextEndsTheCommand(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pid")
	g := start(t, `echo $$ > `+file+`; echo one; exec sleep 60`, Config{}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() { result <- g.f.Run(ctx, "ups") }()
	pid := 0
	for i := 0; pid == 0 && i < 500; i++ {
		time.Sleep(10 * time.Millisecond)
		written, _ := os.ReadFile(file)
		pid, _ = strconv.Atoi(strings.TrimSpace(string(written)))
	}
	if pid == 0 {
		t.Fatal("the command did not start")
	}
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	ended(t, pid)
	if len(g.texts()) != 0 {
		t.Error("handed on:", g.texts())
	}
}
