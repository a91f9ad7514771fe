package spool

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/pdaltagent/pdaltagent/mapping"
)

// aSegment returns a segment's file, the events in it, and where each record
// ends.
func aSegment(t testing.TB) (content []byte, events []*mapping.Event, ends []int64) {
	t.Helper()
	s, _ := openTest(t, Config{Dir: t.TempDir()})
	events = theEvents(0, 4)
	events[1].Message = []byte(`{"message":"` + string(appendHeader(nil, 1)) + `"}`)
	mustAppend(t, s, events[:3]...)
	mustAppend(t, s, events[3])
	next(t, s, len(events))
	ends = slices.Clone(s.handed)
	return readFile(t, filesOf(t, s.config.Dir, segmentSuffix)[0]), events, ends
}

// withSegments opens a spool that holds files, the oldest first.
func withSegments(t testing.TB, contents ...[]byte) (*Spool, *logged) {
	t.Helper()
	dir := t.TempDir()
	for i, content := range contents {
		number := uint64(1000 + i)
		if _, n, ok := parseHeader(content); ok {
			number = n
		}
		writeFile(t, filepath.Join(dir, segmentName(number)), content)
	}
	return openTest(t, Config{Dir: dir})
}

// TestATornTailIsCutOff tries every length that a crash can leave.
func TestATornTailIsCutOff(t *testing.T) {
	content, events, ends := aSegment(t)
	dir := t.TempDir()
	_, number, _ := parseHeader(content)
	path := filepath.Join(dir, segmentName(number))
	for size := range content {
		writeFile(t, path, content[:size])
		whole := 0
		for whole < len(ends) && ends[whole] <= int64(size) {
			whole++
		}
		s, l := openTest(t, Config{Dir: dir})
		if n, _ := s.Len(); n != whole {
			t.Fatalf("cut at %d: %d events are counted of %d", size, n, whole)
		}
		mustAppend(t, s, anEvent(99))
		s = reopen(t, s)
		want := append(slices.Clone(events[:whole]), anEvent(99))
		if diff := same(want, drain(t, s)); diff != "" {
			t.Fatalf("cut at %d:\n%s", size, diff)
		}
		checkEmpty(t, s)
		if s.Damaged() > 0 || len(filesOf(t, dir, damagedSuffix)) > 0 || len(l.lines(t, "ERROR")) > 0 {
			t.Fatalf("cut at %d: what nobody was promised is called damaged", size)
		}
		cut := len(l.lines(t, "WARN"))
		if atEnd := size == headerBytes || slices.Contains(ends, int64(size)); atEnd != (cut == 0) {
			t.Fatalf("cut at %d: logged %d cuts", size, cut)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestADamagedByteCostsItsRecordAlone damages each byte of a segment in turn.
func TestADamagedByteCostsItsRecordAlone(t *testing.T) {
	content, events, ends := aSegment(t)
	f := func(at int, mask byte) {
		t.Helper()
		damaged := bytes.Clone(content)
		damaged[at] ^= mask
		dir := t.TempDir()
		_, number, _ := parseHeader(content)
		path := filepath.Join(dir, segmentName(number))
		writeFile(t, path, damaged)
		s, l := openTest(t, Config{Dir: dir})
		defer func() { _ = s.Close() }()
		if at < headerBytes {
			if diff := same(events, drain(t, s)); diff != "" {
				t.Fatalf("byte %d of the header, ^%#x:\n%s", at, mask, diff)
			}
			if s.Damaged() != 0 || len(l.lines(t, "WARN")) != 1 {
				t.Fatalf("byte %d of the header, ^%#x: %d damages, %d warnings", at, mask, s.Damaged(), len(l.lines(t, "WARN")))
			}
			return
		}
		hit := slices.IndexFunc(ends, func(end int64) bool { return int64(at) < end })
		from := int64(headerBytes)
		if hit > 0 {
			from = ends[hit-1]
		}
		want := slices.Delete(slices.Clone(events), hit, hit+1)
		if n, _ := s.Len(); n != len(want) {
			t.Fatalf("byte %d ^%#x: %d events are counted of %d", at, mask, n, len(want))
		}
		if diff := same(want, drain(t, s)); diff != "" {
			t.Fatalf("byte %d ^%#x:\n%s", at, mask, diff)
		}
		aside := filepath.Join(dir, fmt.Sprintf("%019d-%d.damaged", number, from))
		if got := readFile(t, aside); !bytes.Equal(got, damaged[from:ends[hit]]) {
			t.Fatalf("byte %d ^%#x: %d bytes are set aside of %d", at, mask, len(got), ends[hit]-from)
		}
		lines := l.lines(t, "ERROR")
		if len(lines) != 1 || s.Damaged() != 1 || lines[0]["file"] != path || lines[0]["offset"] != float64(from) ||
			lines[0]["size"] != float64(ends[hit]-from) || lines[0]["set_aside"] != aside {
			t.Fatalf("byte %d ^%#x: %d damages, logged %v", at, mask, s.Damaged(), lines)
		}
		checkEmpty(t, s)
	}
	for at := range content {
		f(at, 1)
		f(at, byte(1+rand.IntN(255)))
	}
}

// TestDamageBeforeATornTail has both, with one byte of the last record there.
func TestDamageBeforeATornTail(t *testing.T) {
	content, events, ends := aSegment(t)
	content[ends[2]-1] ^= 1
	s, l := withSegments(t, content[:ends[2]+1])
	if diff := same(events[:2], drain(t, s)); diff != "" {
		t.Fatal(diff)
	}
	warnings, aside := l.lines(t, "WARN"), filesOf(t, s.config.Dir, damagedSuffix)
	if len(warnings) != 1 || warnings[0]["offset"] != float64(ends[2]) || len(aside) != 1 || int64(len(readFile(t, aside[0]))) != ends[2]-ends[1] {
		t.Fatalf("warned %v, set aside %v", warnings, aside)
	}
	checkEmpty(t, s)
}

// TestWhatHoldsNoEventIsGoneAtOnce: nobody calls Next of an empty spool.
func TestWhatHoldsNoEventIsGoneAtOnce(t *testing.T) {
	for _, content := range [][]byte{appendHeader(nil, 7), make([]byte, 500)} {
		s, _ := withSegments(t, content)
		checkEmpty(t, s)
	}
}

// TestDamageIsFoundWhileRunning damages what Open found whole.
func TestDamageIsFoundWhileRunning(t *testing.T) {
	content, events, ends := aSegment(t)
	for hit := range events {
		s, _ := withSegments(t, content)
		path := filesOf(t, s.config.Dir, segmentSuffix)[0]
		damaged := bytes.Clone(content)
		damaged[ends[hit]-1] ^= 1
		writeFile(t, path, damaged)
		next(t, s, 2)
		want := slices.Delete(slices.Clone(events), hit, hit+1)
		if diff := same(want, drain(t, s)); diff != "" {
			t.Fatalf("record %d:\n%s", hit, diff)
		}
		if s.Damaged() != 1 {
			t.Fatalf("record %d: %d damages are counted", hit, s.Damaged())
		}
		checkEmpty(t, s)
	}
}

// TestDamageIsNamedOnce restarts before the damaged segment is replayed.
func TestDamageIsNamedOnce(t *testing.T) {
	content, events, ends := aSegment(t)
	content[ends[1]-1] ^= 1
	s, l := withSegments(t, content)
	next(t, s, 10)
	next(t, s, 10)
	if n := len(l.lines(t, "ERROR")); n != 1 {
		t.Fatalf("named %d times", n)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, l = openTest(t, s.config)
	if n := len(l.lines(t, "ERROR")); n != 0 {
		t.Fatalf("named again %d times", n)
	}
	if diff := same(slices.Delete(events, 1, 2), drain(t, s)); diff != "" {
		t.Fatal(diff)
	}
}

// TestOnlyTheNewestSegmentHasATornTail takes the end of an older one, which
// senders were told is safe, for damage.
func TestOnlyTheNewestSegmentHasATornTail(t *testing.T) {
	first, events, ends := aSegment(t)
	second, _, _ := aSegment(t)
	s, _ := withSegments(t, first[:ends[3]-5], second)
	if s.Damaged() != 1 || len(filesOf(t, s.config.Dir, damagedSuffix)) != 1 {
		t.Fatalf("%d damages", s.Damaged())
	}
	if diff := same(append(events[:3:3], events...), drain(t, s)); diff != "" {
		t.Fatal(diff)
	}
	checkEmpty(t, s)
}

func TestGarbageIsSetAside(t *testing.T) {
	whole, events, _ := aSegment(t)
	f := func(name string, garbage []byte) {
		t.Helper()
		s, l := withSegments(t, garbage, whole)
		if diff := same(events, drain(t, s)); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
		aside := filesOf(t, s.config.Dir, damagedSuffix)
		if s.Damaged() != 1 || len(aside) != 1 || !bytes.Equal(readFile(t, aside[0]), garbage[headerBytes:]) {
			t.Errorf("%s: %d damages, set aside %v, logged %v", name, s.Damaged(), aside, l.lines(t, "ERROR"))
		}
		checkEmpty(t, s)
	}
	f("zeros", make([]byte, 600_000))
	f("noise", filler{rand.New(rand.NewPCG(1, 1)), 0}.bytes(600_000))
	f("a segment at another place", append(make([]byte, 100), whole...))
}

// TestAnEventThatQuotesASegmentIsNoSegment damages the record of an event that
// carries records, as one who knows the format may post them.
func TestAnEventThatQuotesASegmentIsNoSegment(t *testing.T) {
	quoted, _, _ := aSegment(t)
	s, _ := openTest(t, Config{Dir: t.TempDir()})
	e := anEvent(50)
	e.Body = bytes.Repeat(quoted[headerBytes:], 3)
	mustAppend(t, s, e, anEvent(51))
	path := filesOf(t, s.config.Dir, segmentSuffix)[0]
	content := readFile(t, path)
	content[headerBytes] ^= 1
	writeFile(t, path, content)
	s = reopen(t, s)
	if diff := same([]*mapping.Event{anEvent(51)}, drain(t, s)); diff != "" {
		t.Fatal(diff)
	}
}

// TestARecordThatCannotBeReadIsSetAside has checksums that are right and
// fields that are not.
func TestARecordThatCannotBeReadIsSetAside(t *testing.T) {
	const number = 77
	content := appendHeader(nil, number)
	unreadable := []byte("\x01\x03abc")
	for _, body := range [][]byte{appendEvent(nil, anEvent(0)), unreadable, appendEvent(nil, anEvent(1)), unreadable} {
		frame := make([]byte, frameBytes)
		frames := framesOf(number)
		frames.put(frame, int64(len(content)), body)
		content = append(append(content, frame...), body...)
	}
	content[len(content)-1] ^= 1 // and one whose checksum is wrong
	s, l := withSegments(t, content)
	if diff := same(theEvents(0, 2), drain(t, s)); diff != "" {
		t.Fatal(diff)
	}
	lines := l.lines(t, "ERROR")
	if len(lines) != 2 || s.Damaged() != 2 || len(filesOf(t, s.config.Dir, damagedSuffix)) != 2 {
		t.Fatalf("%d damages, logged %v", s.Damaged(), lines)
	}
	checkEmpty(t, s)
}

// TestASegmentOfANewerVersionIsLeftForIt downgrades with events in the spool.
func TestASegmentOfANewerVersionIsLeftForIt(t *testing.T) {
	whole, events, _ := aSegment(t)
	newer := appendHeader(nil, 5)
	newer[8] = 2
	newer = append(newer[:20], 0, 0, 0, 0)
	sum := checksum(0, newer[:20])
	newer[20], newer[21], newer[22], newer[23] = byte(sum), byte(sum>>8), byte(sum>>16), byte(sum>>24)
	newer = append(newer, "what only it can read"...)
	s, l := withSegments(t, newer, whole)
	if diff := same(events, drain(t, s)); diff != "" {
		t.Fatal(diff)
	}
	left := filesOf(t, s.config.Dir, segmentSuffix)
	if len(left) != 1 || !bytes.Equal(readFile(t, left[0]), newer) {
		t.Fatalf("left: %v", left)
	}
	if lines := l.lines(t, "ERROR"); len(lines) != 1 || lines[0]["file"] != left[0] || lines[0]["format"] != 2.0 {
		t.Fatalf("logged %v", lines)
	}
	if n, size := s.Len(); n != 0 || size != 0 {
		t.Fatalf("%d events and %d bytes are counted", n, size)
	}
}

// TestASegmentMayBePutBack renames one that was kept, as the README says.
func TestASegmentMayBePutBack(t *testing.T) {
	content, events, _ := aSegment(t)
	s, _ := openTest(t, Config{Dir: t.TempDir()})
	mustAppend(t, s, anEvent(60))
	writeFile(t, s.path("0000000000000000123.segment"), content)
	s = reopen(t, s)
	if diff := same(append(events, anEvent(60)), drain(t, s)); diff != "" {
		t.Fatal(diff)
	}
}

func TestADeletedSegmentIsSkipped(t *testing.T) {
	first, _, _ := aSegment(t)
	second, events, _ := aSegment(t)
	s, l := withSegments(t, first, second)
	if err := os.Remove(filesOf(t, s.config.Dir, segmentSuffix)[0]); err != nil {
		t.Fatal(err)
	}
	if diff := same(events, drain(t, s)); diff != "" {
		t.Fatal(diff)
	}
	if lines := l.lines(t, "ERROR"); len(lines) != 1 || lines[0]["events"] != 4.0 {
		t.Fatalf("logged %v", lines)
	}
	checkEmpty(t, s)
}

// memory is a file that the scanner reads.
type memory struct {
	file
	*bytes.Reader
}

func (m memory) ReadAt(p []byte, off int64) (int, error) { return m.Reader.ReadAt(p, off) }
func (m memory) Size() (int64, error)                    { return m.Reader.Size(), nil }

// FuzzSegment reads any bytes as a segment. Whatever they are, each of them is
// in one record or in one part that is set aside, and a good record stays one.
func FuzzSegment(f *testing.F) {
	const number = 3
	s := &Spool{}
	ends, err := s.encode(append(theEvents(0, 3), aTrap(1)))
	if err != nil {
		f.Fatal(err)
	}
	s.frame(ends, &segment{salt: number, end: headerBytes})
	content := append(appendHeader(nil, number), s.batch...)
	f.Add(content)
	for range 10 {
		damaged := bytes.Clone(content)
		damaged[rand.IntN(len(damaged))] ^= 1 << rand.IntN(8)
		f.Add(damaged[:rand.IntN(len(damaged))])
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		parseHeader(content)
		var sc scanner
		size := int64(len(content))
		sc.reset(memory{Reader: bytes.NewReader(content)}, number, min(headerBytes, size), size)
		for at := sc.off; ; at = sc.off {
			body, skipped := sc.next()
			if skipped.from != at || skipped.to < at {
				t.Fatalf("skipped %v after %d", skipped, at)
			}
			if body == nil {
				if skipped.to != size || sc.torn > size || sc.torn < skipped.from {
					t.Fatalf("ended at %v, torn at %d, of %d", skipped, sc.torn, size)
				}
				return
			}
			if sc.off != skipped.to+frameBytes+int64(len(body)) || !bytes.Equal(body, content[skipped.to+frameBytes:sc.off]) {
				t.Fatalf("a record of %d bytes between %d and %d", len(body), skipped.to, sc.off)
			}
			_, _ = parseEvent(body)
		}
	})
}
