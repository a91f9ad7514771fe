package mibs

import (
	"bytes"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// tree holds OIDs, twelve octets for each arc. Its nodes lie level by level, so
// that the children of a node are next to one another, in the order of their
// arcs, and begin where those of the node before it end. Node 0 is the root.
type tree struct {
	arcs  []uint32
	first []uint32 // where the children of a node begin; one more than nodes
	defs  []uint32 // what a node is: an index of definitions, or none

	internet uint32 // node of 1.3.6.1, which hardly any OID does not begin with; else 0
}

// none is no definition.
const none = ^uint32(0)

// child returns the child of a node by its arc.
func (t *tree) child(node, arc uint32) (child uint32, ok bool) {
	low, high := t.first[node], t.first[node+1]
	if low == high {
		return 0, false
	}
	// Most children are numbered without gaps.
	if guess := uint64(low) + uint64(arc) - uint64(t.arcs[low]); guess < uint64(high) && t.arcs[guess] == arc {
		return uint32(guess), true
	}
	i, ok := slices.BinarySearch(t.arcs[low:high], arc)
	return low + uint32(i), ok
}

// start returns where the way to an OID begins, and the rest of it.
func (t *tree) start(oid string) (node uint32, rest string) {
	const internet = "1.3.6.1."
	if t.internet != 0 && len(oid) > len(internet) && oid[:len(internet)] == internet {
		return t.internet, oid[len(internet):]
	}
	return 0, oid
}

// node returns the node of an OID.
func (t *tree) node(oid string) (node uint32, ok bool) {
	node, rest := t.start(oid)
	for rest != "" {
		arc, n := cutArc(rest)
		if n == 0 {
			return 0, false
		}
		if node, ok = t.child(node, arc); !ok {
			return 0, false
		}
		rest = rest[n:]
	}
	return node, oid != ""
}

// oid writes the OID of a node.
func (t *tree) oid(node uint32) string {
	var arcs []uint32
	for ; node != 0; node = t.parent(node) {
		arcs = append(arcs, t.arcs[node])
	}
	slices.Reverse(arcs)
	return joinArcs(arcs)
}

// parent returns the node whose children include a node.
func (t *tree) parent(node uint32) uint32 {
	after := sort.Search(len(t.first), func(i int) bool { return t.first[i] > node })
	return uint32(after - 1)
}

// cutArc reads the first number of an OID. n is how many characters it takes
// with the dot after it, 0 where there is none.
func cutArc(s string) (arc uint32, n int) {
	var v uint64
	for n < len(s) && '0' <= s[n] && s[n] <= '9' {
		if v = v*10 + uint64(s[n]-'0'); v > 1<<32-1 {
			return 0, 0
		}
		n++
	}
	if n == 0 || n < len(s) && s[n] != '.' {
		return 0, 0
	}
	return uint32(v), min(n+1, len(s))
}

// packArcs writes arcs so that octets compare as the OIDs do, and an OID
// begins with what its parents are: small numbers as themselves, others after
// how many octets they take.
func packArcs(b []byte, arcs []uint32) []byte {
	for _, a := range arcs {
		switch {
		case a < longArc:
			b = append(b, byte(a))
		case a < 1<<8:
			b = append(b, longArc, byte(a))
		case a < 1<<16:
			b = append(b, longArc+1, byte(a>>8), byte(a))
		case a < 1<<24:
			b = append(b, longArc+2, byte(a>>16), byte(a>>8), byte(a))
		default:
			b = append(b, longArc+3, byte(a>>24), byte(a>>16), byte(a>>8), byte(a))
		}
	}
	return b
}

// longArc is the least arc that does not pack into one octet.
const longArc = 0xfc

// unpackArc reads the first arc of a packed OID.
func unpackArc(b []byte) (arc uint32, rest []byte) {
	c, b := b[0], b[1:]
	if c < longArc {
		return uint32(c), b
	}
	n := int(c-longArc) + 1
	for _, x := range b[:n] {
		arc = arc<<8 | uint32(x)
	}
	return arc, b[n:]
}

// plant makes a tree of packed OIDs, which are in order and without doubles.
// nodes are the nodes of the OIDs.
func plant(oids [][]byte) (t tree, nodes []uint32) {
	type span struct{ low, high, depth uint32 } // OIDs that begin with a node's
	nodes = make([]uint32, len(oids))
	t.arcs, t.first = []uint32{0}, []uint32{1}
	spans := []span{{0, uint32(len(oids)), 0}}
	for node := 0; node < len(spans); node++ {
		s := spans[node]
		if s.low < s.high && len(oids[s.low]) == int(s.depth) {
			nodes[s.low] = uint32(node)
			s.low++
		}
		for s.low < s.high {
			arc, rest := unpackArc(oids[s.low][s.depth:])
			depth := len(oids[s.low]) - len(rest)
			prefix := oids[s.low][:depth]
			n := sort.Search(int(s.high-s.low), func(i int) bool { return !bytes.HasPrefix(oids[int(s.low)+i], prefix) })
			t.arcs = append(t.arcs, arc)
			spans = append(spans, span{s.low, s.low + uint32(n), uint32(depth)})
			s.low += uint32(n)
		}
		t.first = append(t.first, uint32(len(t.arcs)))
	}
	t.arcs, t.first = slices.Clip(t.arcs), slices.Clip(t.first)
	return t, nodes
}

func joinArcs(arcs []uint32) string {
	var b []byte
	for i, arc := range arcs {
		if i > 0 {
			b = append(b, '.')
		}
		b = strconv.AppendUint(b, uint64(arc), 10)
	}
	return string(b)
}

// isOID says whether s is numbers of 32 bits joined by dots.
func isOID(s string) bool {
	for {
		arc, rest, more := strings.Cut(s, ".")
		if _, err := strconv.ParseUint(arc, 10, 32); err != nil {
			return false
		}
		if !more {
			return true
		}
		s = rest
	}
}
