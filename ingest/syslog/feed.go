package syslog

import "sync"

// The sizes of buffers that are shared. A connection that says little has a
// small one, one that says much a large one; a message that is longer has one
// that is made for it. All sizes are powers of two.
const (
	smallBuffer = 4 << 10
	largeBuffer = 64 << 10
)

// buffers is a pool of read buffers, for all connections.
type buffers struct{ small, large sync.Pool }

func newBuffers() *buffers {
	return &buffers{
		small: sync.Pool{New: func() any { return new([smallBuffer]byte) }},
		large: sync.Pool{New: func() any { return new([largeBuffer]byte) }},
	}
}

func (p *buffers) get(size int) []byte {
	switch size {
	case smallBuffer:
		return p.small.Get().(*[smallBuffer]byte)[:]
	case largeBuffer:
		return p.large.Get().(*[largeBuffer]byte)[:]
	}
	return make([]byte, size)
}

func (p *buffers) put(b []byte) {
	switch len(b) {
	case smallBuffer:
		p.small.Put((*[smallBuffer]byte)(b))
	case largeBuffer:
		p.large.Put((*[largeBuffer]byte)(b))
	}
}

// feed is the part of a stream that was read and not yet handed on, and what
// cuts it into messages.
type feed struct {
	framer framer
	pool   *buffers

	buf        []byte // of pool
	start, end int    // buf[start:end] is not yet handed on
	busy       bool   // the last read brought much
}

// room returns where the next bytes are to be read to. What next returned
// before is no longer valid.
func (f *feed) room() []byte {
	waiting := f.end - f.start
	size := smallBuffer
	if f.busy {
		size = largeBuffer
	}
	for size < 2*waiting {
		size *= 2
	}
	if size != len(f.buf) {
		buf := f.pool.get(size)
		copy(buf, f.buf[f.start:f.end])
		f.pool.put(f.buf)
		f.buf = buf
	} else if f.start > 0 {
		copy(f.buf, f.buf[f.start:f.end])
	}
	f.start, f.end = 0, waiting
	return f.buf[f.end:]
}

// add says that n bytes were read to room.
func (f *feed) add(n int) {
	if f.end+n == len(f.buf) {
		f.busy = true
	} else if n < smallBuffer/2 {
		f.busy = false
	}
	f.end += n
}

// next returns the next message of what was read. It is valid until room is
// called.
func (f *feed) next(p prospect) (frame, bool) {
	m, used, ok := f.framer.next(f.buf[f.start:f.end], p)
	f.start += used
	return m, ok
}

// release gives back the buffer.
func (f *feed) release() {
	f.pool.put(f.buf)
	f.buf, f.start, f.end = nil, 0, 0
}
