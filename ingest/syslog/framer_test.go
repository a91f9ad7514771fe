package syslog

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// framed returns the messages of a stream that comes in parts, a mark … behind
// those that are cut off.
func framed(parts []string, limit int) []string {
	f := feed{pool: newBuffers(), framer: framer{limit: limit}}
	defer f.release()
	got := []string{}
	take := func(p prospect) {
		for {
			m, ok := f.next(p)
			if !ok {
				return
			}
			mark := ""
			if m.truncated {
				mark = "…"
			}
			got = append(got, string(m.message)+mark)
		}
	}
	for _, part := range parts {
		for part != "" {
			n := copy(f.room(), part)
			part = part[n:]
			f.add(n)
			take(more)
		}
	}
	take(nothing)
	return got
}

func TestEachMessageIsFramedByWhatItBeginsWith(t *testing.T) {
	f := func(stream string, want ...string) {
		t.Helper()
		if diff := cmp.Diff(append([]string{}, want...), framed([]string{stream}, 500)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", stream, diff)
		}
	}
	f("")
	f("\n\r\n\x00\n")
	f("<13>a\n<13>b\n", "<13>a", "<13>b")
	f("<13>a\r\n<13>b\r\n", "<13>a\r", "<13>b\r")
	f("<13>a\x00<13>b\x00", "<13>a", "<13>b")
	f("5 <13>a5 <13>b", "<13>a", "<13>b")
	f("5 <13>a\n5 <13>b\n", "<13>a", "<13>b") // some end what they have counted
	f("<13>a\n5 <13>b<13>c\x005 <13>d\n<13>e", "<13>a", "<13>b", "<13>c", "<13>d", "<13>e")
	f("10 <13>a\nb\x00\nc6 <13>dd", "<13>a\nb\x00\nc", "<13>dd")

	// A line continues the one before it, if that one can be told for a message.
	f("<13>a\n\tat b\n  at c\n<13>d\n", "<13>a\n\tat b\n  at c", "<13>d")
	f("<13>a\n\tb", "<13>a\n\tb")
	f("<13>a\n b\x00 c\n<13>d\n", "<13>a\n b", " c", "<13>d")
	f("<13>a\n\n b\n", "<13>a", " b")
	f("<13>a\r\n b\r\n<13>c", "<13>a\r\n b\r", "<13>c")
	f("a\n b\n c\n", "a", " b", " c")
	f("5 <13>a\n b\n", "<13>a", " b")

	// What begins with a number need not begin with a length.
	f("2024 Mar  5 10:00:00 h a: b\n<13>c\n", "2024 Mar  5 10:00:00 h a: b", "<13>c")
	f("45: *Mar  1 10:00:00: %SYS-5-X: y\n", "45: *Mar  1 10:00:00: %SYS-5-X: y")
	f("12345678 <13>a\n<13>b\n", "12345678 <13>a", "<13>b")
	f("05 <13>a\n", "05 <13>a")
	f("5", "5")
	f("57 ", "57 ")
	f("57 <13>a\n", "<13>a\n…")
	f("0 <13>a\n", "0 <13>a")
}

func TestALongMessageIsCutOffAndTheNextIsWhole(t *testing.T) {
	f := func(stream string, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, framed([]string{stream}, 8)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", stream, diff)
		}
	}
	f("<13>1234\n<13>b\n", "<13>1234", "<13>b")
	f("<13>12345\n<13>b\n", "<13>1234…", "<13>b")
	f("<13>123456789\x00<13>b\n", "<13>1234…", "<13>b")
	f("<13>123456789\n more\n\tmore\n<13>b\n", "<13>1234…", "<13>b")
	f("<13>1234\n more\n<13>b\n", "<13>1234…", "<13>b")
	f("123456789\n more\n<13>b\n", "12345678…", " more", "<13>b")
	f("<13>12345", "<13>1234…")
	f("9 <13>12345<13>b\n", "<13>1234…", "<13>b")
	f("8 <13>12349 <13>12\n458 <13>1234", "<13>1234", "<13>12\n4…", "<13>1234")
	f(fmt.Sprintf("100000 <13>%s<13>b\n", strings.Repeat("x", 100_000-4)), "<13>xxxx…", "<13>b")
	f("9999999 <13>12345", "<13>1234…")
}

func TestAPauseEndsALineThatMightBeContinued(t *testing.T) {
	fr := framer{limit: 100}
	if _, used, ok := fr.next([]byte("<13>a\n"), more); ok || used != 0 || !fr.held {
		t.Fatalf("a line that may be continued: ok %v, used %d, held %v", ok, used, fr.held)
	}
	m, used, ok := fr.next([]byte("<13>a\n"), pause)
	if !ok || string(m.message) != "<13>a" || used != 6 || fr.held {
		t.Errorf("after a pause: %q, used %d, held %v", m.message, used, fr.held)
	}
	for _, unfinished := range []string{"<13>a", "57 <13>a", "57", "57 "} {
		fr := framer{limit: 100}
		if m, _, ok := fr.next([]byte(unfinished), pause); ok || fr.held {
			t.Errorf("%q is given out as %q", unfinished, m.message)
		}
	}
	if m, _, ok := fr.next([]byte("a\n"), more); !ok || string(m.message) != "a" {
		t.Error("a line that nothing can continue waits")
	}
}

func streams() []string {
	return []string{
		"", "<13>a\n<13>b\n", "5 <13>a5 <13>b", "<13>a\x00<13>b\x00", "<13>a\n\tat b\n  at c\n<13>d\n",
		"<13>a\n5 <13>b<13>c\x005 <13>d\n<13>e", "2024 Mar  5 10:00:00 h a: b\n<13>c\n", "57 <13>a\n", "10 <13>a\nb\x00\nc6 <13>dd",
		"<13>" + strings.Repeat("x", 90) + "\n y\n<13>b\n", "90 <13>" + strings.Repeat("x", 86) + "5 <13>b", "\r\n\x00\n1 <", "<13>a\n\n\n b\n\x00",
		"12345678 <13>a\n", strings.Repeat("3 <1>", 30) + strings.Repeat("<1>\n ", 30),
	}
}

// FuzzFraming checks that a stream gives the same messages however it is split
// into reads, and that no byte that belongs to one is lost.
func FuzzFraming(f *testing.F) {
	for i, s := range streams() {
		f.Add([]byte(s), []byte{1}, uint16(8+i))
		f.Add([]byte(s), []byte{3, 0, 2, 9}, uint16(60))
	}
	f.Fuzz(func(t *testing.T, stream, cuts []byte, limit uint16) {
		max := int(limit)%200 + 1
		whole := framed([]string{string(stream)}, max)
		if diff := cmp.Diff(whole, framed(split(stream, cuts), max)); diff != "" {
			t.Errorf("%q in parts of %v (-whole +parts):\n%s", stream, cuts, diff)
		}
		if diff := cmp.Diff(whole, framed(split(stream, []byte{1}), max)); diff != "" {
			t.Errorf("%q byte by byte (-whole +parts):\n%s", stream, diff)
		}
		rest := stream
		for _, m := range whole {
			if m == "" || len(m) > max+len("…") {
				t.Errorf("%q: a message of %d bytes", stream, len(m))
			}
			m, _ = strings.CutSuffix(m, "…")
			_, after, found := bytes.Cut(rest, []byte(m))
			if !found {
				t.Fatalf("%q: message %q is not in the stream behind the one before", stream, m)
			}
			rest = after
		}
	})
}

// split cuts a stream into parts of the sizes in cuts, over and over.
func split(stream, cuts []byte) (parts []string) {
	for i := 0; len(stream) > 0; i++ {
		n := len(stream)
		if len(cuts) > 0 {
			n = min(n, int(cuts[i%len(cuts)])+1)
		}
		parts = append(parts, string(stream[:n]))
		stream = stream[n:]
	}
	return parts
}

func TestALargeStreamIsFramedInPlace(t *testing.T) {
	var stream strings.Builder
	var want []string
	for i := range 20_000 {
		m := fmt.Sprintf("<13>Mar  5 10:00:00 host app[%d]: %s", i, strings.Repeat("x", i%300))
		want = append(want, m)
		if i%2 == 0 {
			fmt.Fprintf(&stream, "%d %s", len(m), m)
		} else {
			stream.WriteString(m + "\n")
		}
	}
	for _, size := range []int{1 << 20, 1460, 777} {
		var parts []string
		for s := stream.String(); s != ""; {
			n := min(size, len(s))
			parts = append(parts, s[:n])
			s = s[n:]
		}
		if diff := cmp.Diff(want, framed(parts, 1000)); diff != "" {
			t.Fatalf("parts of %d (-want +got):\n%.2000s", size, diff)
		}
	}
}

func TestBuffersGrowWithNeedAndShrinkAfterIt(t *testing.T) {
	f := feed{pool: newBuffers(), framer: framer{limit: 200_000}}
	defer f.release()
	bring := func(s string) {
		for s != "" {
			n := copy(f.room(), s)
			s = s[n:]
			f.add(n)
			for {
				if _, ok := f.next(more); !ok {
					break
				}
			}
		}
	}
	f.room()
	if len(f.buf) != smallBuffer {
		t.Errorf("a new connection has %d bytes", len(f.buf))
	}
	bring(strings.Repeat("<13>x\n", 100_000))
	f.room()
	if len(f.buf) != largeBuffer {
		t.Errorf("a busy connection has %d bytes", len(f.buf))
	}
	bring("150000 <13>" + strings.Repeat("x", 140_000))
	if len(f.buf) < 150_000 {
		t.Errorf("%d bytes for a message of 150,000", len(f.buf))
	}
	bring(strings.Repeat("x", 10_000) + "<13>y\n")
	bring("<13>z\n")
	f.room()
	if len(f.buf) != smallBuffer {
		t.Errorf("a connection that has calmed down has %d bytes", len(f.buf))
	}
}

func BenchmarkFraming(b *testing.B) {
	line := benchLines()["3164"]
	for name, message := range map[string]string{"lf": line + "\n", "nul": line + "\x00", "counted": fmt.Sprintf("%d %s", len(line), line)} {
		b.Run(name, func(b *testing.B) {
			stream := strings.Repeat(message, largeBuffer/len(message))
			f := feed{pool: newBuffers(), framer: framer{limit: defaultMaxMessageBytes}, busy: true}
			defer f.release()
			lines := 0
			b.ReportAllocs()
			for lines < b.N {
				f.add(copy(f.room(), stream))
				for {
					if _, ok := f.next(more); !ok {
						break
					}
					lines++
				}
			}
		})
	}
}
