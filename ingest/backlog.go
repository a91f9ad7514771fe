package ingest

import "sync"

// The sizes of a backlog: at most 32 arenas of 256 KiB for bytes and 1,024
// datagrams (88 KiB), thus 11 MiB. They are made as they are needed, and what is
// beyond spareArenas is let go when the backlog is empty.
const (
	arenaBytes     = 256 << 10
	arenaDatagrams = 1024
	maxArenas      = 32
	spareArenas    = 2
)

// arena holds datagrams and their bytes, which lie one after the other.
type arena struct {
	bytes     []byte
	datagrams []Datagram
}

func newArena() *arena {
	return &arena{bytes: make([]byte, 0, arenaBytes), datagrams: make([]Datagram, 0, arenaDatagrams)}
}

func (a *arena) fits(n int) bool {
	return n <= cap(a.bytes)-len(a.bytes) && len(a.datagrams) < cap(a.datagrams)
}

func (a *arena) add(d Datagram) {
	from := len(a.bytes)
	a.bytes = append(a.bytes, d.Data...)
	d.Data = a.bytes[from:len(a.bytes):len(a.bytes)]
	a.datagrams = append(a.datagrams, d)
}

func (a *arena) reset() {
	a.bytes, a.datagrams = a.bytes[:0], a.datagrams[:0]
}

// backlog is the queue between the goroutine that reads a socket and the one
// that handles what it read.
type backlog struct {
	mu      sync.Mutex
	changed sync.Cond
	waiting []*arena // oldest first; the last may have room for more
	spare   []*arena
	inUse   int // waiting, or taken and not yet released
	closed  bool
}

func newBacklog() *backlog {
	b := &backlog{
		waiting: make([]*arena, 0, maxArenas),
		spare:   make([]*arena, 0, maxArenas),
	}
	b.changed.L = &b.mu
	return b
}

// put copies datagrams into the backlog. It waits while there is no room.
func (b *backlog) put(datagrams []Datagram) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, d := range datagrams {
		b.room(len(d.Data)).add(d)
	}
	b.changed.Signal()
}

// room returns the arena that the next n bytes go to.
func (b *backlog) room(n int) *arena {
	for {
		if last := len(b.waiting) - 1; last >= 0 && b.waiting[last].fits(n) {
			return b.waiting[last]
		}
		if b.inUse < maxArenas {
			break
		}
		b.changed.Signal()
		b.changed.Wait()
	}
	a := b.unused()
	b.inUse++
	b.waiting = append(b.waiting, a)
	return a
}

func (b *backlog) unused() *arena {
	last := len(b.spare) - 1
	if last < 0 {
		return newArena()
	}
	a := b.spare[last]
	b.spare[last] = nil
	b.spare = b.spare[:last]
	return a
}

// take waits for datagrams and returns the oldest. It returns nil when the
// backlog is closed and empty.
func (b *backlog) take() *arena {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.waiting) == 0 {
		if b.closed {
			return nil
		}
		b.changed.Wait()
	}
	a := b.waiting[0]
	copy(b.waiting, b.waiting[1:])
	b.waiting[len(b.waiting)-1] = nil
	b.waiting = b.waiting[:len(b.waiting)-1]
	return a
}

// release gives back what take returned.
func (b *backlog) release(a *arena) {
	b.mu.Lock()
	defer b.mu.Unlock()
	a.reset()
	b.inUse--
	b.spare = append(b.spare, a)
	if len(b.waiting) == 0 && len(b.spare) > spareArenas {
		clear(b.spare[spareArenas:])
		b.spare = b.spare[:spareArenas]
	}
	b.changed.Signal()
}

// close says that nothing more will be put.
func (b *backlog) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.changed.Signal()
}
