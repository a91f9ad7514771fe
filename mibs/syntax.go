package mibs

import (
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// syntax is what a SYNTAX clause and the textual conventions behind it say of
// the values of an object. Objects of one syntax share it.
type syntax struct {
	base    base
	moment  bool   // DateAndTime
	size    uint16 // of octets that are always as many, else 0
	enums   enumeration
	bits    []string // names by position, empty where a bit has none; nil: no BITS
	integer *integerHint
	octets  *octetHint
}

// enumeration is the labels of numbers.
type enumeration struct {
	values []int32 // sorted
	labels []any   // strings, so that returning one takes no memory
}

// label returns the label of v, or nil.
func (e *enumeration) label(v int64) any {
	if len(e.values) == 0 || v < int64(e.values[0]) || v > int64(e.values[len(e.values)-1]) {
		return nil
	}
	// Most are numbered without gaps.
	if i := v - int64(e.values[0]); i < int64(len(e.values)) && int64(e.values[i]) == v {
		return e.labels[i]
	}
	if i, ok := slices.BinarySearch(e.values, int32(v)); ok {
		return e.labels[i]
	}
	return nil
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
	if label := s.enums.label(v); label != nil {
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
		if label := s.enums.label(int64(v)); label != nil {
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
	case s.moment:
		if text, ok := momentText(b); ok {
			return text, true
		}
		return s.octets.format(b)
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
// section 3): IPv4, IPv6, either with a zone, or a domain name. What is as
// long as an address, but longer than four octets, and has the characters of
// a name alone, is a name.
func addressText(b []byte) (text string, ok bool) {
	switch len(b) {
	case 4:
		return netip.AddrFrom4([4]byte(b)).String(), true
	case 8, 16, 20:
		if isHostName(b) {
			return string(b), true
		}
	default:
		return printable(b)
	}
	if len(b) == 16 {
		return netip.AddrFrom16([16]byte(b)).String(), true
	}
	n := len(b) - 4
	a, _ := netip.AddrFromSlice(b[:n])
	return a.String() + "%" + strconv.FormatUint(uint64(binary.BigEndian.Uint32(b[n:])), 10), true
}

func isHostName(b []byte) bool {
	for _, c := range b {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '.' {
			return false
		}
	}
	return true
}

// momentText writes a DateAndTime (RFC 2579 section 2) as RFC 3339 has it,
// with tenths of a second where there are any, and without a zone where none
// is said. ok is false for what is no time, such as all zeros.
func momentText(b []byte) (text string, ok bool) {
	if len(b) != 8 && len(b) != 11 {
		return "", false
	}
	year, month, day := int(b[0])<<8|int(b[1]), time.Month(b[2]), int(b[3])
	t := time.Date(year, month, day, int(b[4]), int(b[5]), int(b[6]), int(b[7])*1e8, time.UTC)
	if t.Month() != month || b[4] > 23 || b[5] > 59 || b[6] > 59 || b[7] > 9 || year == 0 || year > 9999 {
		return "", false
	}
	out := t.AppendFormat(make([]byte, 0, 32), "2006-01-02T15:04:05.9")
	if len(b) == 8 {
		return string(out), true
	}
	if b[8] != '+' && b[8] != '-' || b[9] > 14 || b[10] > 59 {
		return "", false
	}
	return string(fmt.Appendf(out, "%c%02d:%02d", b[8], b[9], b[10])), true
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
