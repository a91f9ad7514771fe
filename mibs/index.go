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
	typed   bool // an InetAddress after its InetAddressType, which goes unsaid
}

// decode reads an instance by the parts of an INDEX clause (RFC 2578 section
// 7.7) and writes each as its syntax says. ok is false where it does not fit.
func decode(parts []part, instance string) (text string, ok bool) {
	if len(parts) == 0 {
		return "", false
	}
	if len(parts) == 1 && parts[0].base == number && parts[0].enums == nil && parts[0].integer == nil {
		return instance, !strings.Contains(instance, ".")
	}
	var buf [32]uint32
	arcs, ok := appendArcs(buf[:0], instance)
	if !ok {
		return "", false
	}
	out := make([]byte, 0, len(instance))
	for i, p := range parts {
		var s string
		if s, arcs, ok = p.read(arcs); !ok {
			return "", false
		}
		if p.base == addressType && i+1 < len(parts) && parts[i+1].typed {
			continue
		}
		if len(out) > 0 {
			out = append(out, '.')
		}
		out = append(out, s...)
	}
	return string(out), len(arcs) == 0
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

// read takes one part off arcs.
func (p *part) read(arcs []uint32) (text string, rest []uint32, ok bool) {
	n, arcs, ok := p.take(arcs)
	if !ok {
		return "", nil, false
	}
	taken, rest := arcs[:n], arcs[n:]
	switch p.base {
	case number, addressType:
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
	return p.octetsText(b), rest, true
}

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
		n = p.size
	case len(arcs) == 0 || uint64(arcs[0]) > uint64(len(arcs)-1):
		return 0, nil, false
	default:
		n, arcs = int(arcs[0]), arcs[1:]
	}
	return n, arcs, n <= len(arcs)
}

func (p *part) numberText(arc uint32) string {
	if label, ok := p.enums[int64(arc)].(string); ok {
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
