package snmptrap

import (
	"container/list"
	"time"
)

// timeWindow is how many seconds late a message may be (RFC 3414 section
// 2.2.3).
const timeWindow = 150

// maxPeers is how many engines are remembered. One takes about 2 KiB.
const maxPeers = 16384

// peer is an engine that an authentic message came from, and that is
// authoritative for what it sends (RFC 3414 section 2.3).
type peer struct {
	engine string
	keys   map[*user]*keys

	boots  uint32
	latest uint32    // the greatest time that it gave for boots
	at     time.Time // when it gave that
}

// timely reports whether boots and t, as an authentic message of p has them,
// are within its time window, and learns from them (RFC 3414 section 3.2 step
// 7b). late is by how many seconds they are not.
func (p *peer) timely(boots, t uint32, now time.Time) (late int64, ok bool) {
	if boots > p.boots || boots == p.boots && t > p.latest {
		p.boots, p.latest, p.at = boots, t, now
	}
	if boots < p.boots {
		return 0, false
	}
	late = int64(p.latest) + int64(now.Sub(p.at)/time.Second) - timeWindow - int64(t)
	return late, late <= 0 && boots < 1<<31-1
}

// peers remembers those that were heard last.
type peers struct {
	limit    int
	byEngine map[string]*list.Element
	order    list.List // of *peer, the one heard last in front
}

func newPeers(limit int) *peers {
	return &peers{limit: limit, byEngine: map[string]*list.Element{}}
}

// get returns the peer with an engine id; nil where none is remembered.
func (ps *peers) get(engine []byte) *peer {
	e, ok := ps.byEngine[string(engine)]
	if !ok {
		return nil
	}
	ps.order.MoveToFront(e)
	return e.Value.(*peer)
}

// add remembers a peer that get did not return, and forgets the one that was
// not heard for longest where there are too many.
func (ps *peers) add(engine string, now time.Time) *peer {
	if ps.order.Len() >= ps.limit {
		last := ps.order.Back()
		delete(ps.byEngine, ps.order.Remove(last).(*peer).engine)
	}
	p := &peer{engine: engine, keys: map[*user]*keys{}, at: now}
	ps.byEngine[engine] = ps.order.PushFront(p)
	return p
}
