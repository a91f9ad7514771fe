package mibs

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Parse returns the value of the object at oid that text means: the inverse of
// Value, for who writes varbinds by hand. It has the types of
// ingest.Varbind.Value. What is not known is an integer where it looks like
// one, else the octets of the text. The error names the mend.
func (m *Modules) Parse(oid, text string) (any, error) {
	s := m.syntax(m.object(oid))
	if s == nil {
		if v, err := strconv.ParseInt(text, 10, 64); err == nil {
			return v, nil
		}
		return []byte(text), nil
	}
	switch s.base {
	case number, addressType:
		return s.parseNumber(text)
	case objectID:
		return m.OID(text)
	case ipAddress:
		a, err := netip.ParseAddr(text)
		if err != nil || !a.Is4() {
			return nil, fmt.Errorf("%q is no IPv4 address", text)
		}
		return a, nil
	case bitSet:
		return s.parseBits(text)
	case octetString, address, other:
	}
	return s.parseOctets(text), nil
}

func (s *syntax) parseNumber(text string) (any, error) {
	if i := slices.Index(s.enums.labels, any(text)); i >= 0 {
		return int64(s.enums.values[i]), nil
	}
	v, err := strconv.ParseInt(text, 10, 64)
	if err == nil && (s.integer == nil || s.integer.scale <= 1) {
		return v, nil
	}
	if len(s.enums.labels) > 0 {
		return nil, fmt.Errorf("%q is none of its labels: %s", text, strings.Trim(fmt.Sprint(s.enums.labels), "[]"))
	}
	if u, err := strconv.ParseUint(text, 10, 64); err == nil {
		return u, nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || s.integer == nil {
		return nil, fmt.Errorf("%q is no number", text)
	}
	return int64(math.Round(f * max(s.integer.scale, 1))), nil
}

func (s *syntax) parseBits(text string) (any, error) {
	var octets []byte
	for name := range strings.SplitSeq(text, ",") {
		name = strings.TrimSpace(name)
		if name == "" {
			continue
		}
		i := slices.Index(s.bits, name)
		if i < 0 {
			var err error
			if i, err = strconv.Atoi(name); err != nil || i < 0 || i > 1<<10 {
				return nil, fmt.Errorf("%q is none of its bits: %s", name, strings.Join(s.bits, " "))
			}
		}
		for len(octets) <= i/8 {
			octets = append(octets, 0)
		}
		octets[i/8] |= 0x80 >> (i % 8)
	}
	return octets, nil
}

// parseOctets returns those octets that read as text, else text itself: which
// of the ways to write octets was meant, the object's own hint tells.
func (s *syntax) parseOctets(text string) []byte {
	for _, parse := range []func(string) []byte{asItIs, addressOctets, momentOctets, hexOctets} {
		octets := parse(text)
		if read, ok := s.text(octets); ok && len(octets) > 0 && bytes.Equal(parse(read), octets) {
			return octets
		}
	}
	return []byte(text)
}

func asItIs(text string) []byte { return []byte(text) }

func addressOctets(text string) []byte {
	a, err := netip.ParseAddr(text)
	if err != nil {
		return nil
	}
	return a.AsSlice()
}

// momentOctets is a DateAndTime (RFC 2579 section 2).
func momentOctets(text string) []byte {
	t, err := time.Parse("2006-01-02T15:04:05.9", text)
	zone := err != nil
	if zone {
		if t, err = time.Parse("2006-01-02T15:04:05.9-07:00", text); err != nil {
			return nil
		}
	}
	b := binary.BigEndian.AppendUint16(nil, uint16(t.Year()))
	b = append(b, byte(t.Month()), byte(t.Day()), byte(t.Hour()), byte(t.Minute()), byte(t.Second()), byte(t.Nanosecond()/1e8))
	if !zone {
		return b
	}
	_, offset := t.Zone()
	sign := byte('+')
	if offset < 0 {
		sign, offset = '-', -offset
	}
	return append(b, sign, byte(offset/3600), byte(offset/60%60))
}

// hexOctets reads "00:1b:2c", "0:1b:2c" and "001b2c".
func hexOctets(text string) []byte {
	var all []byte
	for group := range strings.FieldsFuncSeq(text, func(c rune) bool { return strings.ContainsRune(":-. ", c) }) {
		if len(group)%2 == 1 {
			group = "0" + group
		}
		b, err := hex.DecodeString(group)
		if err != nil {
			return nil
		}
		all = append(all, b...)
	}
	return all
}
