package spool

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pdaltagent/pdaltagent/mapping"
)

// The child is this test binary, which appends and replays until it is killed.
const (
	childDir  = "PDALTAGENT_SPOOL_CHILD_DIR"
	childFrom = "PDALTAGENT_SPOOL_CHILD_FROM"
)

func TestMain(m *testing.M) {
	dir := os.Getenv(childDir)
	if dir == "" {
		os.Exit(m.Run())
	}
	from, err := strconv.Atoi(os.Getenv(childFrom))
	if err == nil {
		err = child(dir, from)
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// child appends events, says on stdout up to where they are safe, and replays
// them into a file at the same time, as the queue does into Postgres.
func child(dir string, from int) error {
	s, err := Open(Config{Dir: filepath.Join(dir, "spool"), SegmentBytes: minSegmentBytes}, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err != nil {
		return err
	}
	fmt.Println("open")
	record, err := os.OpenFile(filepath.Join(dir, "record"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	ended := make(chan error, 2)
	go func() { ended <- appendForever(s, from) }()
	go func() { ended <- replayForever(s, record) }()
	return <-ended
}

func appendForever(s *Spool, from int) error {
	for {
		n := 1 + rand.IntN(40)
		if err := s.Append(theEvents(from, n)); err != nil {
			return err
		}
		from += n
		fmt.Println(from)
	}
}

func replayForever(s *Spool, record io.Writer) error {
	for {
		events, err := s.Next(30, 1<<20)
		if err != nil {
			return err
		}
		if len(events) == 0 {
			time.Sleep(time.Millisecond)
			continue
		}
		var batch []byte
		for _, e := range events {
			batch = append(batch, e.ID[:]...)
		}
		if _, err := record.Write(batch); err != nil {
			return err
		}
		time.Sleep(time.Duration(rand.IntN(3)) * time.Millisecond) // so that the kill comes here too
		if err := s.Remove(len(events)); err != nil {
			return err
		}
	}
}

// TestKilledAtAnyMomentNothingIsLost kills the child again and again: what it
// said is safe was replayed or still waits, in order, and what it replayed
// twice is the one batch that it had not removed.
func TestKilledAtAnyMomentNothingIsLost(t *testing.T) {
	dir := t.TempDir()
	const rounds, roundNumbers = 8, 1_000_000
	var safe [][2]int // [from, to) of each round
	for round := range rounds {
		from := round * roundNumbers
		safe = append(safe, [2]int{from, runAndKill(t, dir, from)})
	}
	s, _ := openTest(t, Config{Dir: filepath.Join(dir, "spool")})
	replayed := readFile(t, filepath.Join(dir, "record"))
	fromFile := len(replayed) / 16
	for _, e := range drain(t, s) {
		replayed = append(replayed, e.ID[:]...)
	}
	seen := map[int]bool{}
	last, repeated := -1, 0
	for i := 0; i < len(replayed); i += 16 {
		n := int(binary.BigEndian.Uint32(replayed[i+12:]))
		switch {
		case seen[n]:
			repeated++
		case n <= last:
			t.Fatalf("event %d came after %d", n, last)
		default:
			seen[n], last = true, n
		}
	}
	total := 0
	for _, r := range safe {
		for n := r[0]; n < r[1]; n++ {
			if total++; !seen[n] {
				t.Fatalf("event %d was said to be safe, and is lost", n)
			}
		}
	}
	if total < 100*rounds || fromFile < 10*rounds {
		t.Fatalf("only %d events were appended and %d replayed", total, fromFile)
	}
	if repeated > 30*rounds {
		t.Fatalf("%d events were replayed twice by %d restarts", repeated, rounds)
	}
	if s.Damaged() > 0 || len(filesOf(t, s.config.Dir, damagedSuffix)) > 0 {
		t.Fatal("kill -9 damages nothing")
	}
	t.Logf("%d events safe, %d replayed, %d of them twice", total, len(replayed)/16, repeated)
}

// runAndKill runs the child for a moment and returns up to where it said that
// events are safe.
func runAndKill(t *testing.T, dir string, from int) (safe int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir, childFrom+"="+strconv.Itoa(from))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	if !lines.Scan() || lines.Text() != "open" {
		_ = cmd.Wait()
		t.Fatalf("the child did not open the spool: %s", stderr.String())
	}
	timer := time.AfterFunc(time.Duration(50+rand.IntN(250))*time.Millisecond, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	safe = from
	for lines.Scan() {
		if n, err := strconv.Atoi(lines.Text()); err == nil {
			safe = n
		}
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the child ended by itself: %v: %s", err, stderr.String())
	}
	return safe
}

// TestASecondProcessIsRefused has the child hold the folder, and the kernel
// give it free when that is killed.
func TestASecondProcessIsRefused(t *testing.T) {
	dir := t.TempDir()
	first := Config{Dir: filepath.Join(dir, "spool")}
	s, _ := openTest(t, first)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir, childFrom+"=0")
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "another process uses it: stop that one, or give this one another data_dir") {
		t.Fatalf("the second process: %v: %s", err, out)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	runAndKill(t, dir, 0)
	s, _ = openTest(t, first)
	mustAppend(t, s, &mapping.Event{})
}
