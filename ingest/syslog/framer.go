package syslog

import "bytes"

// framer cuts a stream of bytes into messages (RFC 6587 section 3.4), each by
// what it begins with. The same stream gives the same messages, however it is
// split into reads. It holds no bytes itself: they are its caller's.
//
// A message that begins with its length, as in "57 <34>Oct 11 …", is so many
// bytes long, whatever they are. Another ends at a line feed or a NUL. A line
// that begins with a blank or a tab belongs to the line before it, if that one
// began with a PRI: it is a stack trace or the like. Line ends and NULs
// between messages are passed over.
type framer struct {
	limit int // the longest message in bytes; the rest of a longer one is passed over

	searched int  // bytes of an unfinished line that are known to hold no end of it
	left     int  // bytes of a counted message that are still to be passed over
	passing  bool // the rest of a line is passed over
	folds    bool // lines that continue that line are passed over too
	held     bool // the last line has ended, unless the next one continues it
}

// prospect says what may follow the bytes that are there.
type prospect int

const (
	more    prospect = iota // more may be on its way
	pause                   // nothing has come for a while: a line that has ended is not continued
	nothing                 // the stream has ended
)

// frame is a message in its caller's bytes.
type frame struct {
	message   []byte
	truncated bool // not all of it: it is longer than the limit, or the stream ended
}

// next returns the first message of b, and how many bytes of b are done with,
// which are not to be shown again. ok is false if b holds no whole message.
func (f *framer) next(b []byte, p prospect) (m frame, used int, ok bool) {
	f.held = false
	used, done := f.passOver(b, p)
	if !done {
		return m, used, false
	}
	used += separators(b[used:])
	b = b[used:]
	if len(b) == 0 {
		return m, used, false
	}
	head, n, known := octets(b)
	var size int
	switch {
	case !known && p != nothing:
		return m, used, false
	case n > 0:
		m, size, ok = f.counted(b, head, n, p)
	default:
		m, size, ok = f.line(b, p)
	}
	return m, used + size, ok
}

// passOver passes over what is left of a message that was too long, and
// reports whether that is done.
func (f *framer) passOver(b []byte, p prospect) (used int, done bool) {
	if f.left > 0 {
		used = min(f.left, len(b))
		f.left -= used
		return used, f.left == 0
	}
	if !f.passing {
		return 0, true
	}
	end, known := f.lineEnd(b, 0, f.folds, p)
	if end < 0 {
		return len(b), false
	}
	if !known {
		return end, false
	}
	f.passing = false
	return end + 1, true
}

// separators returns how many line ends and NULs b begins with.
func separators(b []byte) int {
	n := 0
	for n < len(b) && (b[n] == '\n' || b[n] == '\r' || b[n] == 0) {
		n++
	}
	return n
}

// maxDigits is how many digits the length of a message may have. Ten million
// bytes are more than anyone means.
const maxDigits = 7

// octets reads MSG-LEN SP, which a PRI must follow: a line that has none may
// begin with a number too. n is 0 if there is no length. known is false while
// b breaks off where there may be one.
func octets(b []byte) (head, n int, known bool) {
	if b[0] < '1' || b[0] > '9' {
		return 0, 0, true
	}
	i := 0
	for i < len(b) && isDigit(b[i]) {
		if i == maxDigits {
			return 0, 0, true
		}
		n = n*10 + int(b[i]-'0')
		i++
	}
	switch {
	case i < len(b) && b[i] != ' ', i+1 < len(b) && b[i+1] != '<':
		return 0, 0, true
	case i+1 >= len(b):
		return 0, 0, false
	}
	return i + 1, n, true
}

// counted takes a message of n bytes behind a head.
func (f *framer) counted(b []byte, head, n int, p prospect) (m frame, used int, ok bool) {
	wanted := head + min(n, f.limit)
	if len(b) < wanted {
		if p != nothing {
			return m, 0, false
		}
		return frame{message: b[head:], truncated: true}, len(b), true
	}
	f.left = head + n - wanted
	return frame{message: b[head:wanted], truncated: f.left > 0}, wanted, true
}

// line takes a message that ends at a line feed or a NUL.
func (f *framer) line(b []byte, p prospect) (m frame, used int, ok bool) {
	folds := b[0] == '<'
	within := b[:min(len(b), f.limit+2)] // one byte for the end, one that tells whether it is one
	end, known := f.lineEnd(within, f.searched, folds, p)
	switch {
	case end >= 0 && end <= f.limit && known:
		f.searched = 0
		return frame{message: b[:end]}, end + 1, true
	case end >= 0 && end <= f.limit:
		f.searched, f.held = end, true
		return m, 0, false
	case len(b) > f.limit:
		f.searched, f.passing, f.folds = 0, true, folds
		return frame{message: b[:f.limit], truncated: true}, f.limit, true
	case p == nothing:
		f.searched = 0
		return frame{message: b, truncated: false}, len(b), true
	}
	f.searched = len(b)
	return m, 0, false
}

// lineEnd returns where the line that b begins with ends, looking from a
// place on; -1 if it does not. known is false while a line may follow that
// continues it.
func (f *framer) lineEnd(b []byte, from int, folds bool, p prospect) (end int, known bool) {
	for {
		i := indexEnd(b[from:])
		if i < 0 {
			return -1, false
		}
		end = from + i
		switch {
		case !folds || b[end] == 0:
			return end, true
		case end+1 == len(b):
			return end, p != more
		case b[end+1] != ' ' && b[end+1] != '\t':
			return end, true
		}
		from = end + 1
	}
}

// indexEnd returns where the first line feed or NUL of b is; -1 if there is
// none. It looks at one stretch after the other, so that a stream without line
// feeds is not searched for them once for each message.
func indexEnd(b []byte) int {
	const stretch = 512
	for from := 0; from < len(b); from += stretch {
		part := b[from:min(from+stretch, len(b))]
		if i := bytes.IndexByte(part, '\n'); i >= 0 {
			part = part[:i+1]
		}
		if i := bytes.IndexByte(part, 0); i >= 0 {
			return from + i
		}
		if part[len(part)-1] == '\n' {
			return from + len(part) - 1
		}
	}
	return -1
}
