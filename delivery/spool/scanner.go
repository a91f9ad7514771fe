package spool

// The scanner reads through a window of windowBytes, which grows for a record
// that is longer.
const (
	windowBytes = 256 << 10
	pageBytes   = 4 << 10
)

// scanner finds the records of a segment between off and end, whatever else
// is there.
type scanner struct {
	file   file
	frames frames
	off    int64
	end    int64
	torn   int64 // where a record begins that ends beyond end; end: nowhere
	fault  error // why the disk did not give some of the bytes

	window []byte
	base   int64 // the window's offset in the file
}

// span is a part of a segment.
type span struct{ from, to int64 }

func (s span) empty() bool { return s.from >= s.to }

// reset makes s read another part of a segment, or the same once more.
func (s *scanner) reset(f file, salt uint64, off, end int64) {
	window := s.window[:0]
	if cap(window) > windowBytes {
		window = nil
	}
	*s = scanner{file: f, frames: framesOf(salt), off: off, end: end, torn: end, window: window}
}

// next returns the body of the next whole record, which is valid until the
// next call, and what was skipped before it because it is none. At the end the
// body is nil.
func (s *scanner) next() (body []byte, skipped span) {
	skipped.from = s.off
	aligned := true // off is where a record must begin
	for at := s.off; at < s.end; {
		frame, ok := s.view(at, frameBytes)
		if !ok {
			if aligned {
				s.torn = at
			}
			break
		}
		length, sum, ok := s.frames.get(frame, at)
		if !ok {
			at, aligned = at+1, false
			continue
		}
		if body, ok = s.view(at+frameBytes, length); !ok {
			s.torn = at
			break
		}
		if checksum(0, body) == sum {
			skipped.to = at
			s.off = at + frameBytes + length
			return body, skipped
		}
		at, aligned = at+frameBytes+length, true
	}
	skipped.to, s.off = s.end, s.end
	return nil, skipped
}

// view returns n bytes from an offset on, valid until it is called again, and
// whether they end before the end.
func (s *scanner) view(off, n int64) ([]byte, bool) {
	if n > s.end-off {
		return nil, false
	}
	if off < s.base || off+n > s.base+int64(len(s.window)) {
		s.fill(off, min(max(n, windowBytes), s.end-off))
	}
	return s.window[off-s.base:][:n:n], true
}

// fill moves the window. What the disk does not give is zero, so that the
// records which it belongs to are damaged and those around them are not.
func (s *scanner) fill(off, n int64) {
	if int64(cap(s.window)) < n {
		s.window = make([]byte, n)
	}
	s.window, s.base = s.window[:n], off
	if _, err := s.file.ReadAt(s.window, off); err == nil {
		return
	}
	for at := off; at < off+n; at += pageBytes - at%pageBytes {
		page := s.window[at-off : min(at-off+pageBytes-at%pageBytes, n)]
		if _, err := s.file.ReadAt(page, at); err != nil {
			clear(page)
			s.fault = err
		}
	}
}
