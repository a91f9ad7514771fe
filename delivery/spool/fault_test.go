package spool

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/pdaltagent/pdaltagent/mapping"
)

// faults is a disk that fails as a test tells it to.
type faults struct {
	hasty
	full     bool // segments take half of a write, then there is no space
	sync     error
	syncDir  error
	truncate error
	write    error                              // of the position
	open     error                              // of a file that is made
	read     func(path string, off int64) error // of what is read
}

type faultyFile struct {
	file
	path string
	*faults
}

func (f *faults) Open(path string, flag int) (file, error) {
	if flag&os.O_EXCL != 0 && f.open != nil {
		return nil, f.open
	}
	opened, err := disk{}.Open(path, flag)
	if err != nil {
		return nil, err
	}
	return &faultyFile{opened, path, f}, nil
}

func (f *faults) SyncDir(string) error { return f.syncDir }

func (f *faultyFile) Sync() error { return f.sync }

func (f *faultyFile) Truncate(size int64) error {
	if f.truncate != nil {
		return f.truncate
	}
	return f.file.Truncate(size)
}

func (f *faultyFile) WriteAt(p []byte, off int64) (int, error) {
	if filepath.Base(f.path) == "position" && f.write != nil {
		return 0, f.write
	}
	if !f.full || !strings.HasSuffix(f.path, segmentSuffix) {
		return f.file.WriteAt(p, off)
	}
	n, err := f.file.WriteAt(p[:len(p)/2], off)
	return n, errors.Join(err, syscall.ENOSPC)
}

func (f *faultyFile) ReadAt(p []byte, off int64) (int, error) {
	for at := off; f.read != nil && at < off+int64(len(p)); at++ {
		if err := f.read(f.path, at); err != nil {
			return 0, err
		}
	}
	return f.file.ReadAt(p, off)
}

// TestAFailedAppendLeavesNothing lets each step of Append fail, before and
// after there was a segment, and goes on when it does no more.
func TestAFailedAppendLeavesNothing(t *testing.T) {
	f := func(name string, want error, breakIt func(*faults)) {
		t.Helper()
		for kept := range 2 {
			disk := new(faults)
			s, _ := openOn(t, disk, Config{Dir: t.TempDir()})
			mustAppend(t, s, theEvents(0, 3*kept)...)
			breakIt(disk)
			for range 3 {
				if err := s.Append(theEvents(100, 5)); !errors.Is(err, want) || !strings.Contains(err.Error(), s.config.Dir) {
					t.Fatalf("%s: got %v, want %v and the folder", name, err, want)
				}
			}
			if n, _ := s.Len(); n != 3*kept {
				t.Fatalf("%s: %d events are counted of %d", name, n, 3*kept)
			}
			if diff := same(theEvents(0, 3*kept), append([]*mapping.Event{}, next(t, s, 100)...)); diff != "" {
				t.Fatalf("%s, while it fails:\n%s", name, diff)
			}
			*disk = faults{}
			mustAppend(t, s, theEvents(3*kept, 4)...)
			_, size := s.Len()
			s = reopen(t, s)
			if _, again := s.Len(); size != again {
				t.Fatalf("%s: %d bytes were counted of %d", name, size, again)
			}
			if diff := same(theEvents(0, 3*kept+4), drain(t, s)); diff != "" {
				t.Fatalf("%s, afterwards:\n%s", name, diff)
			}
			if s.Damaged() != 0 {
				t.Fatalf("%s: what failed is called damaged", name)
			}
			checkEmpty(t, s)
		}
	}
	f("no space", syscall.ENOSPC, func(d *faults) { d.full = true })
	f("sync", syscall.EIO, func(d *faults) { d.sync = syscall.EIO })
	f("no space, not cut", syscall.ENOSPC, func(d *faults) { d.full, d.truncate, d.open = true, syscall.ENOSPC, syscall.ENOSPC })
	f("sync, not cut", syscall.EROFS, func(d *faults) { d.sync, d.truncate, d.open = syscall.EROFS, syscall.EROFS, syscall.EROFS })
}

func TestASegmentThatCannotBeMadeIsAnError(t *testing.T) {
	f := func(breakIt func(*faults)) {
		t.Helper()
		disk := new(faults)
		s, _ := openOn(t, disk, Config{Dir: t.TempDir()})
		breakIt(disk)
		for range 2 {
			if err := s.Append(theEvents(0, 1)); !errors.Is(err, syscall.EDQUOT) {
				t.Fatalf("got %v", err)
			}
		}
		checkEmpty(t, s)
		*disk = faults{}
		mustAppend(t, s, anEvent(0))
	}
	f(func(d *faults) { d.open = syscall.EDQUOT })
	f(func(d *faults) { d.syncDir = syscall.EDQUOT })
}

// TestASegmentThatFailedGetsNoMore: after a failed sync nobody knows what of
// it the kernel still has.
func TestASegmentThatFailedGetsNoMore(t *testing.T) {
	disk := new(faults)
	s, _ := openOn(t, disk, Config{Dir: t.TempDir()})
	mustAppend(t, s, anEvent(0))
	before := filesOf(t, s.config.Dir, segmentSuffix)
	disk.sync = syscall.EIO
	if err := s.Append(theEvents(1, 1)); err == nil {
		t.Fatal("appended without a sync")
	}
	disk.sync = nil
	content := readFile(t, before[0])
	mustAppend(t, s, anEvent(1))
	if after := filesOf(t, s.config.Dir, segmentSuffix); len(after) != 2 || !slices.Equal(content, readFile(t, before[0])) {
		t.Fatalf("segments: %v", after)
	}
}

// TestAPositionThatCannotBeWrittenOnlyRepeats also after the restart.
func TestAPositionThatCannotBeWrittenOnlyRepeats(t *testing.T) {
	disk := new(faults)
	s, _ := openOn(t, disk, Config{Dir: t.TempDir()})
	mustAppend(t, s, theEvents(0, 5)...)
	next(t, s, 5)
	disk.write = syscall.EIO
	if err := s.Remove(2); !errors.Is(err, syscall.EIO) {
		t.Fatalf("got %v", err)
	}
	if diff := same(theEvents(2, 3), next(t, s, 5)); diff != "" {
		t.Fatal(diff)
	}
	s = reopen(t, s)
	if diff := same(theEvents(0, 5), drain(t, s)); diff != "" {
		t.Fatal(diff)
	}
}

// TestAFullDiskIsOpened has no room even for the position.
func TestAFullDiskIsOpened(t *testing.T) {
	content, events, _ := aSegment(t)
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "0000000000000001000.segment"), content)
	s, _ := openOn(t, &faults{write: syscall.ENOSPC}, Config{Dir: dir})
	if diff := same(events, next(t, s, 10)); diff != "" {
		t.Fatal(diff)
	}
	_, err := open(Config{Dir: t.TempDir()}, s.log, &faults{write: syscall.EIO})
	if !errors.Is(err, syscall.EIO) {
		t.Fatalf("got %v", err)
	}
}

// TestDamageThatCannotBeCopiedIsKept has no space for what is set aside.
func TestDamageThatCannotBeCopiedIsKept(t *testing.T) {
	content, events, ends := aSegment(t)
	content[ends[1]-1] ^= 1
	content[ends[3]-1] ^= 1
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "0000000000000001000.segment"), content)
	s, l := openOn(t, &faults{open: syscall.ENOSPC}, Config{Dir: dir})
	for range 5 {
		next(t, s, 100)
	}
	if diff := same([]*mapping.Event{events[0], events[2]}, drain(t, s)); diff != "" {
		t.Fatal(diff)
	}
	checkEmpty(t, s)
	if n := len(l.lines(t, "ERROR")); n > 5 {
		t.Fatalf("%d lines are logged about 2 damages", n)
	}
	if got := readFile(t, filepath.Join(dir, "0000000000000001000.damaged")); !slices.Equal(got, content) {
		t.Fatal("the segment was not kept")
	}
	for _, offset := range []int64{ends[0], ends[2]} {
		if !slices.ContainsFunc(l.lines(t, "ERROR"), func(e map[string]any) bool { return e["offset"] == float64(offset) }) {
			t.Errorf("the damage at %d is not named", offset)
		}
	}
}

// TestABadSectorCostsItsRecordsAlone has a page that cannot be read.
func TestABadSectorCostsItsRecordsAlone(t *testing.T) {
	disk := new(faults)
	s, _ := openOn(t, disk, Config{Dir: t.TempDir()})
	var want []*mapping.Event
	for i := range 500 {
		mustAppend(t, s, anEvent(i))
	}
	next(t, s, 500)
	const bad = 3 * pageBytes
	for i, end := range s.handed {
		if start := int64(headerBytes); end <= bad || i > 0 && max(start, s.handed[i-1]) >= bad+pageBytes {
			want = append(want, anEvent(i))
		}
	}
	if lost := 500 - len(want); lost < 20 || lost > 80 {
		t.Fatalf("%d records are on the page", lost)
	}
	disk.read = func(path string, off int64) error {
		if strings.HasSuffix(path, segmentSuffix) && off >= bad && off < bad+pageBytes {
			return syscall.EIO
		}
		return nil
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, _ = openOn(t, disk, s.config)
	if diff := same(want, drain(t, s)); diff != "" {
		t.Fatal(diff)
	}
	checkEmpty(t, s)
	if kept := filesOf(t, s.config.Dir, damagedSuffix); len(kept) != 1 || len(readFile(t, kept[0])) < 500*50 {
		t.Fatalf("the segment was not kept, but %v", kept)
	}
}

// TestADiskThatFailsOnceLosesNothing gives at the second try what it did not
// give at the first.
func TestADiskThatFailsOnceLosesNothing(t *testing.T) {
	f := func(failsAtOpen bool, batch int) {
		t.Helper()
		disk := new(faults)
		s, _ := openOn(t, disk, Config{Dir: t.TempDir()})
		mustAppend(t, s, theEvents(0, 500)...)
		failures := 2 // of the window, then of the page
		fail := func(path string, off int64) error {
			if strings.HasSuffix(path, segmentSuffix) && off > pageBytes && failures > 0 {
				failures--
				return syscall.EIO
			}
			return nil
		}
		if failsAtOpen {
			disk.read = fail
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s, _ = openOn(t, disk, s.config)
		disk.read = fail
		var got []*mapping.Event
		for n, _ := s.Len(); n > 0; n, _ = s.Len() {
			got = append(got, next(t, s, batch)...)
			if err := s.Remove(len(s.handed)); err != nil {
				t.Fatal(err)
			}
		}
		checkEmpty(t, s)
		if failsAtOpen {
			if diff := same(theEvents(0, 500), got); diff != "" {
				t.Fatal(diff)
			}
		} else if len(got) > 480 || len(got) < 400 {
			t.Fatalf("%d events of 500 are on other pages", len(got))
		}
		kept := slices.DeleteFunc(filesOf(t, s.config.Dir, damagedSuffix), func(path string) bool { return strings.Contains(filepath.Base(path), "-") })
		if failures > 0 || len(kept) != 1 {
			t.Fatalf("with %d failures left the segment was not kept, but %v", failures, kept)
		}
	}
	f(true, 50)
	f(false, 500)
}

// TestARealDiskThatIsFull fills a file system of 1 MiB, once with the spool and
// once with something else.
func TestARealDiskThatIsFull(t *testing.T) {
	dir := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("only root may mount a small file system: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	s, _ := openOn(t, disk{}, Config{Dir: filepath.Join(dir, "spool"), SegmentBytes: minSegmentBytes})
	defer func() { _ = s.Close() }()
	n := 0
	for err := error(nil); err == nil; {
		if err = s.Append(theEvents(n, 50)); err == nil {
			n += 50
		} else if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
	}
	if n < 5000 {
		t.Fatalf("%d events fill 1 MiB", n)
	}
	for range 50 {
		if err := s.Append(theEvents(n, 50)); !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("got %v", err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, l := openOn(t, disk{}, s.config)
	defer func() { _ = s.Close() }()
	at := 0
	for at < 2000 {
		events := next(t, s, 100)
		if diff := same(theEvents(at, len(events)), events); diff != "" {
			t.Fatal(diff)
		}
		if err := s.Remove(len(events)); err != nil {
			t.Fatal(err)
		}
		at += len(events)
	}
	mustAppend(t, s, theEvents(n, 50)...)
	if diff := same(theEvents(at, n+50-at), drain(t, s)); diff != "" {
		t.Fatal(diff)
	}
	if faults := append(l.lines(t, "ERROR"), l.lines(t, "WARN")...); len(faults) > 0 {
		t.Fatal(fmt.Sprint(faults))
	}
	checkEmpty(t, s)
}
