package mibs

import (
	"encoding/hex"
	"net/netip"
	"strconv"
	"strings"
)

// part is an object of an INDEX clause.
type part struct {
	*syntax
	implied bool // IMPLIED: takes all that is left, without its length
	typed   bool // an InetAddress with its InetAddressType before it, which goes unsaid
}

// decode reads an instance by the parts of an INDEX clause (RFC 2578 section
// 7.7) and writes each as its syntax says. ok is false where it does not fit.
func decode(parts []part, instance string) (text string, ok bool) {
	if len(parts) == 0 {
		return "", false
	}
	if len(parts) == 1 && parts[0].base == number && parts[0].enums.values == nil && parts[0].integer == nil {
		return instance, !strings.Contains(instance, ".")
	}
	var buf [32]uint32
	arcs, ok := appendArcs(buf[:0], instance)
	if !ok {
		return "", false
	}
	out := make([]byte, 0, len(instance))
	kind := -1
	for i := range parts {
		p := &parts[i]
		var s string
		if s, arcs, ok = p.read(arcs, &kind); !ok {
			return "", false
		}
		if p.base == addressType && governs(parts[i+1:]) {
			continue
		}
		if len(out) > 0 {
			out = append(out, '.')
		}
		out = append(out, s...)
	}
	return string(out), len(arcs) == 0
}

// governs says whether an InetAddressType is that of an address among the
// parts after it.
func governs(after []part) bool {
	for i := range after {
		if after[i].typed || after[i].base == addressType {
			return after[i].typed
		}
	}
	return false
}

func appendArcs(arcs []uint32, oid string) (_ []uint32, ok bool) {
	for {
		arc, rest, more := strings.Cut(oid, ".")
		n, err := strconv.ParseUint(arc, 10, 32)
		if err != nil {
			return nil, false
		}
		arcs = append(arcs, uint32(n))
		if !more {
			return arcs, true
		}
		oid = rest
	}
}

// read takes one part off arcs. kind is the last InetAddressType that was
// read, which says what an address after it is.
func (p *part) read(arcs []uint32, kind *int) (text string, rest []uint32, ok bool) {
	n, arcs, ok := p.take(arcs)
	if !ok {
		return "", nil, false
	}
	taken, rest := arcs[:n], arcs[n:]
	switch p.base {
	case addressType:
		*kind = int(taken[0])
		return p.numberText(taken[0]), rest, true
	case number:
		return p.numberText(taken[0]), rest, true
	case objectID:
		return joinArcs(taken), rest, true
	case ipAddress, octetString, address, bitSet, other:
	}
	b := make([]byte, 0, 32)
	for _, arc := range taken {
		if arc > 0xff {
			return "", nil, false
		}
		b = append(b, byte(arc))
	}
	if p.typed && *kind == addressDNS {
		if s, ok := printable(b); ok {
			return s, rest, true
		}
	}
	return p.octetsText(b), rest, true
}

// addressDNS is the InetAddressType of a domain name (RFC 4001 section 3).
const addressDNS = 16

// take returns how many of arcs are the part's, after the length that comes
// before them where it is not known otherwise.
func (p *part) take(arcs []uint32) (n int, rest []uint32, ok bool) {
	switch {
	case p.base == number || p.base == addressType:
		n = 1
	case p.base == ipAddress:
		n = 4
	case p.implied:
		n = len(arcs)
	case p.size > 0:
		n = int(p.size)
	case len(arcs) == 0 || uint64(arcs[0]) > uint64(len(arcs)-1):
		return 0, nil, false
	default:
		n, arcs = int(arcs[0]), arcs[1:]
	}
	return n, arcs, n <= len(arcs)
}

func (p *part) numberText(arc uint32) string {
	if label, ok := p.enums.label(int64(arc)).(string); ok {
		return label
	}
	return strconv.FormatUint(uint64(arc), 10)
}

// octetsText writes octets as their syntax says, else as text where they are,
// else in hexadecimal.
func (p *part) octetsText(b []byte) string {
	if p.base == ipAddress {
		a, _ := netip.AddrFromSlice(b)
		return a.String()
	}
	if s, ok := p.text(b); ok {
		return s
	}
	if s, ok := printable(b); ok && len(s) == len(b) {
		return s
	}
	return "0x" + hex.EncodeToString(b)
}
