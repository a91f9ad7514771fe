package spool

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pdaltagent/pdaltagent/mapping"
)

func TestEventsComeBackInTheirOrder(t *testing.T) {
	s, _ := openTest(t, Config{Dir: t.TempDir(), SegmentBytes: minSegmentBytes})
	r := filler{rand.New(rand.NewPCG(7, 8)), 0.2}
	var want []*mapping.Event
	for n := range 60 {
		batch := make([]*mapping.Event, n)
		for i := range batch {
			batch[i] = r.event()
		}
		mustAppend(t, s, batch...)
		want = append(want, batch...)
	}
	if n := len(filesOf(t, s.config.Dir, segmentSuffix)); n < 10 {
		t.Fatalf("%d segments do not try what lies between segments", n)
	}
	if n, _ := s.Len(); n != len(want) {
		t.Fatalf("%d events are counted of %d", n, len(want))
	}
	if diff := same(want, drain(t, s)); diff != "" {
		t.Fatal(diff)
	}
	checkEmpty(t, s)
	mustAppend(t, s, anEvent(1))
	if got := drain(t, s); len(got) != 1 {
		t.Fatalf("an emptied spool returned %d events of 1", len(got))
	}
}

func TestNextRemovesNothing(t *testing.T) {
	s, _ := openTest(t, Config{Dir: t.TempDir()})
	if got := next(t, s, 10); got != nil {
		t.Fatalf("an empty spool returned %d events", len(got))
	}
	mustAppend(t, s, theEvents(0, 10)...)
	first := next(t, s, 4)
	if diff := same(theEvents(0, 4), first); diff != "" {
		t.Fatal(diff)
	}
	first[0].Summary = "changed by the caller"
	if diff := same(theEvents(0, 4), next(t, s, 4)); diff != "" {
		t.Fatal(diff)
	}
}

func TestEventsAreRemovedInParts(t *testing.T) {
	s, _ := openTest(t, Config{Dir: t.TempDir()})
	mustAppend(t, s, theEvents(0, 10)...)
	next(t, s, 8)
	for _, n := range []int{0, 1, 3} {
		if err := s.Remove(n); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Remove(5); err == nil {
		t.Fatal("more was removed than was handed out")
	}
	mustAppend(t, s, anEvent(10))
	if n, _ := s.Len(); n != 7 {
		t.Fatalf("%d events are counted of 7", n)
	}
	if diff := same(theEvents(4, 7), drain(t, s)); diff != "" {
		t.Fatal(diff)
	}
	checkEmpty(t, s)
}

func TestNextIsBounded(t *testing.T) {
	s, _ := openTest(t, Config{Dir: t.TempDir()})
	for i := range 10 {
		e := anEvent(i)
		e.Payload = make([]byte, 1000)
		mustAppend(t, s, e)
	}
	f := func(events int, size int64, want int) {
		t.Helper()
		got, err := s.Next(events, size)
		if err != nil || len(got) != want {
			t.Errorf("Next(%d, %d) returned %d events of %d, error %v", events, size, len(got), want, err)
		}
	}
	f(3, 1<<20, 3)
	f(100, 3000, 3)
	f(100, 1, 1)
	f(0, 0, 1)
	f(100, 1<<20, 10)
}

func TestARestartGoesOnWhereItStopped(t *testing.T) {
	s, _ := openTest(t, Config{Dir: t.TempDir(), SegmentBytes: minSegmentBytes})
	const all = 3000
	for i := 0; i < all; i += 50 {
		mustAppend(t, s, theEvents(i, 50)...)
	}
	for at := 0; at < all; {
		if n, _ := s.Len(); n != all-at {
			t.Fatalf("%d events are counted of %d", n, all-at)
		}
		events := next(t, s, 70)
		if diff := same(theEvents(at, len(events)), events); diff != "" {
			t.Fatal(diff)
		}
		n := min(61, len(events))
		if err := s.Remove(n); err != nil {
			t.Fatal(err)
		}
		at += n
		s = reopen(t, s)
	}
	checkEmpty(t, s)
}

func TestOrderIsKeptOverRestarts(t *testing.T) {
	s, _ := openTest(t, Config{Dir: t.TempDir()})
	for i := range 20 {
		mustAppend(t, s, theEvents(i*3, 3)...)
		s = reopen(t, s)
	}
	if diff := same(theEvents(0, 60), drain(t, s)); diff != "" {
		t.Fatal(diff)
	}
	checkEmpty(t, s)
}

// TestOrderIsKeptWhenTheClockIsSetBack has a segment of next century.
func TestOrderIsKeptWhenTheClockIsSetBack(t *testing.T) {
	content, events, _ := aSegment(t)
	s, _ := withSegments(t)
	writeFile(t, s.path(segmentName(4_000_000_000_000_000_000)), content)
	s = reopen(t, s)
	mustAppend(t, s, anEvent(90))
	s = reopen(t, s)
	mustAppend(t, s, anEvent(91))
	if diff := same(append(events, anEvent(90), anEvent(91)), drain(t, s)); diff != "" {
		t.Fatal(diff)
	}
}

// TestAnOldPositionOnlyRepeats keeps what is handed out twice after the
// machine has crashed below one segment, and lost events at none.
func TestAnOldPositionOnlyRepeats(t *testing.T) {
	f := func(name string, change func(position []byte) []byte, wantFrom int) {
		t.Helper()
		s, _ := openTest(t, Config{Dir: t.TempDir()})
		mustAppend(t, s, theEvents(0, 10)...)
		next(t, s, 10)
		if err := s.Remove(2); err != nil {
			t.Fatal(err)
		}
		path := s.path("position")
		old := readFile(t, path)
		if err := s.Remove(2); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		writeFile(t, path, change(old))
		s, _ = openTest(t, s.config)
		if diff := same(theEvents(wantFrom, 10-wantFrom), drain(t, s)); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
		checkEmpty(t, s)
	}
	f("old", func(b []byte) []byte { return b }, 2)
	f("lost", func([]byte) []byte { return nil }, 0)
	f("cut off", func(b []byte) []byte { return b[:20] }, 0)
	f("damaged", func(b []byte) []byte { b[16] ^= 1; return b }, 0)
	f("of another segment", func([]byte) []byte {
		path := filepath.Join(t.TempDir(), "position")
		file, err := disk{}.Open(path, os.O_RDWR|os.O_CREATE)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(position{file}.write(12345, 200), file.Close()); err != nil {
			t.Fatal(err)
		}
		return readFile(t, path)
	}, 0)
}

func TestAFullSpoolRefusesAndGoesOn(t *testing.T) {
	s, _ := openTest(t, Config{Dir: t.TempDir(), MaxBytes: 4 * minSegmentBytes, SegmentBytes: minSegmentBytes})
	n := 0
	var err error
	for ; err == nil; n += 100 {
		err = s.Append(theEvents(n, 100))
	}
	n -= 100
	if !errors.Is(err, ErrFull) || !strings.Contains(err.Error(), "262144") {
		t.Fatalf("got %v, want ErrFull with the bound", err)
	}
	var onDisk int64
	for _, path := range filesOf(t, s.config.Dir, segmentSuffix) {
		onDisk += int64(len(readFile(t, path)))
	}
	if _, size := s.Len(); size != onDisk || size > s.config.MaxBytes {
		t.Fatalf("%d bytes are counted, %d are on disk, %d are allowed", size, onDisk, s.config.MaxBytes)
	}
	at := 0
	for range 20 {
		at += len(next(t, s, 100))
		if err := s.Remove(len(s.handed)); err != nil {
			t.Fatal(err)
		}
	}
	mustAppend(t, s, theEvents(n, 100)...)
	if diff := same(theEvents(at, n+100-at), drain(t, s)); diff != "" {
		t.Fatal(diff)
	}
	checkEmpty(t, s)
}

func TestAnEventBeyondARecordIsRefusedAlone(t *testing.T) {
	s, _ := openTest(t, Config{Dir: t.TempDir(), SegmentBytes: minSegmentBytes})
	large := anEvent(0)
	large.Payload = make([]byte, maxBody)
	if err := s.Append([]*mapping.Event{large}); err == nil || !strings.Contains(err.Error(), large.ID.String()) {
		t.Fatalf("got %v, want an error that names the event", err)
	}
	large.Payload = make([]byte, 2<<20) // more than a segment
	mustAppend(t, s, large)
	mustAppend(t, s, anEvent(1))
	if diff := same([]*mapping.Event{large, anEvent(1)}, drain(t, s)); diff != "" {
		t.Fatal(diff)
	}
	checkEmpty(t, s)
}

func TestFilesAreForTheDaemonAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data", "spool")
	s, _ := openTest(t, Config{Dir: dir})
	mustAppend(t, s, anEvent(1))
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%s: %v, error %v", dir, info.Mode(), err)
	}
	files := filesOf(t, dir, "")
	if len(files) != 3 {
		t.Errorf("files: %v", files)
	}
	for _, path := range files {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, error %v", path, info.Mode(), err)
		}
	}
}

func TestASecondProcessIsKeptAway(t *testing.T) {
	dir := t.TempDir()
	s, _ := openTest(t, Config{Dir: dir})
	_, err := Open(Config{Dir: dir}, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "data_dir") {
		t.Fatalf("got %v, want an error that names the folder and the mend", err)
	}
	reopen(t, s)
}

func TestClosedMeansClosed(t *testing.T) {
	s, _ := openTest(t, Config{Dir: t.TempDir()})
	mustAppend(t, s, anEvent(1))
	next(t, s, 1)
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	_, err := s.Next(1, 1)
	for _, err := range []error{err, s.Append(theEvents(2, 1)), s.Remove(1)} {
		if !errors.Is(err, os.ErrClosed) {
			t.Errorf("got %v", err)
		}
	}
}

func TestConfigNamesEachFault(t *testing.T) {
	f := func(c Config, want ...string) {
		t.Helper()
		err := c.Validate()
		if err == nil && len(want) == 0 {
			return
		}
		for _, key := range want {
			if err == nil || !strings.Contains(err.Error(), key) {
				t.Errorf("%+v: got %v, want %s", c, err, key)
			}
		}
	}
	f(Config{})
	f(Config{MaxBytes: 1 << 20})
	f(Config{MaxBytes: -1}, "max_bytes: -1")
	f(Config{SegmentBytes: 5, MaxBytes: 3}, "segment_bytes: 5", "max_bytes: 3")
	if _, err := Open(Config{}, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "data_dir") {
		t.Errorf("without a folder: %v", err)
	}
}

// TestOneAppendsWhileOneReplays is for the race detector, and for order and
// gauges where segments end, are emptied and begin at once.
func TestOneAppendsWhileOneReplays(t *testing.T) {
	s, _ := openTest(t, Config{Dir: t.TempDir(), SegmentBytes: minSegmentBytes})
	const all = 20_000
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; i < all; i += 20 {
			if err := s.Append(theEvents(i, 20)); err != nil {
				t.Error(err)
				return
			}
		}
	})
	at := 0
	for deadline := time.Now().Add(20 * time.Second); at < all && time.Now().Before(deadline); {
		if n, _ := s.Len(); n > all-at {
			t.Fatalf("%d events are counted when %d can be left", n, all-at)
		}
		events := next(t, s, 33)
		for i, e := range events {
			if e.ID != anEvent(at+i).ID {
				t.Fatalf("event %d is %s", at+i, e.Summary)
			}
		}
		if err := s.Remove(len(events)); err != nil {
			t.Fatal(err)
		}
		at += len(events)
	}
	wg.Wait()
	if at != all {
		t.Fatalf("%d events of %d", at, all)
	}
	checkEmpty(t, s)
}

// TestMemoryDoesNotGrowWithTheSpool fills, opens and empties 12 MB.
func TestMemoryDoesNotGrowWithTheSpool(t *testing.T) {
	s, _ := openTest(t, Config{Dir: t.TempDir()})
	payload := bytes.Repeat([]byte("payload "), 500)
	batch := theEvents(0, 500)
	for _, e := range batch {
		e.Payload = payload
	}
	for range 6 {
		mustAppend(t, s, batch...)
	}
	check := func(when string) {
		t.Helper()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		if m.HeapAlloc > 6<<20 {
			t.Errorf("%d bytes of heap are held %s", m.HeapAlloc, when)
		}
	}
	check("after Append")
	s = reopen(t, s)
	check("after Open")
	events := next(t, s, 1000)
	check(fmt.Sprintf("with %d events", len(events)))
	drain(t, s)
	checkEmpty(t, s)
}
