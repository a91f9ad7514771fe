package mibs

import (
	"encoding/binary"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// syntax is what a SYNTAX clause and the textual conventions behind it say of
// the values of an object. Objects of one syntax share it.
type syntax struct {
	base    base
	enums   map[int64]any // labels, as strings
	bits    []string      // names by position, empty where a bit has none
	integer *integerHint
	octets  *octetHint
	size    int // of octets that are always as many, else 0
}

// base is the kind of values that a syntax is of.
type base uint8

const (
	number base = iota
	octetString
	address     // InetAddress and its kin: octets whose number says what they are
	addressType // InetAddressType
	ipAddress
	objectID
	bitSet
	other
)

// signed returns what an INTEGER means.
func (s *syntax) signed(v int64) any {
	if label, ok := s.enums[v]; ok {
		return label
	}
	if s.integer != nil {
		return s.integer.signed(v)
	}
	return v
}

// unsigned returns what a Gauge32, Counter or TimeTicks means. Agents send
// Gauge32 for enumerations, too.
func (s *syntax) unsigned(v uint64) any {
	if v <= math.MaxInt64 {
		if label, ok := s.enums[int64(v)]; ok {
			return label
		}
	}
	if s.integer != nil {
		return s.integer.unsigned(v)
	}
	return v
}

// text returns what octets mean as text; ok is false where there is nothing to
// say.
func (s *syntax) text(b []byte) (text string, ok bool) {
	switch {
	case s.bits != nil:
		return s.setBits(b), true
	case s.base == address:
		return addressText(b)
	case s.octets != nil:
		return s.octets.format(b)
	}
	return "", false
}

// setBits names the set bits of b, of which the first is the highest of the
// first octet (RFC 2578 section 7.1.4).
func (s *syntax) setBits(b []byte) string {
	var names []string
	for i := range len(b) * 8 {
		if b[i/8]&(0x80>>(i%8)) == 0 {
			continue
		}
		if i < len(s.bits) && s.bits[i] != "" {
			names = append(names, s.bits[i])
		} else {
			names = append(names, strconv.Itoa(i))
		}
	}
	return strings.Join(names, ",")
}

// addressText writes an InetAddress, whose length says its type (RFC 4001
// section 3): IPv4, IPv6, either with a zone, or a domain name.
func addressText(b []byte) (text string, ok bool) {
	switch len(b) {
	case 4, 16:
		a, _ := netip.AddrFromSlice(b)
		return a.String(), true
	case 8, 20:
		n := len(b) - 4
		a, _ := netip.AddrFromSlice(b[:n])
		return a.String() + "%" + strconv.FormatUint(uint64(binary.BigEndian.Uint32(b[n:])), 10), true
	}
	return printable(b)
}

// printable returns octets as text where they are: UTF-8, or else Latin-1
// (what devices send that know no UTF-8), without control characters but
// line ends and tabs. NULs that pad it at its end are left out.
func printable(b []byte) (text string, ok bool) {
	for len(b) > 0 && b[len(b)-1] == 0 {
		b = b[:len(b)-1]
	}
	for _, c := range b {
		if c < ' ' && c != '\n' && c != '\r' && c != '\t' || c == 0x7f {
			return "", false
		}
	}
	if utf8.Valid(b) {
		return string(b), true
	}
	var t strings.Builder
	for _, c := range b {
		if unicode.IsControl(rune(c)) && c >= 0x80 {
			t.WriteRune(utf8.RuneError)
		} else {
			t.WriteRune(rune(c))
		}
	}
	return t.String(), true
}
