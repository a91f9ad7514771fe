package snmptrap

// The tags of BER (X.690) and of the SMI (RFC 2578 section 7.1) that messages
// are made of.
const (
	tagInteger     = 0x02
	tagOctetString = 0x04
	tagNull        = 0x05
	tagOID         = 0x06
	tagSequence    = 0x30
	tagIPAddress   = 0x40
	tagCounter32   = 0x41
	tagGauge32     = 0x42
	tagTimeTicks   = 0x43
	tagOpaque      = 0x44
	tagCounter64   = 0x46
	tagUinteger32  = 0x47 // RFC 1442, replaced by Gauge32
)

// element is one BER element. It has four words, so that it is passed in
// registers.
type element struct {
	tag      byte
	contents []byte
}

// readElement reads the element that b begins with, and returns what follows
// it. Lengths may be written in more octets than they need, and agents end a
// message with a tag that has no length: it is empty.
func readElement(b []byte) (e element, rest []byte, ok bool) {
	if len(b) < 2 {
		if len(b) == 0 {
			return element{}, nil, false
		}
		return element{tag: b[0]}, nil, true
	}
	start, length := 2, int(b[1])
	if length >= 0x80 {
		if start, length, ok = readLongLength(b); !ok {
			return element{}, nil, false
		}
	}
	if length > len(b)-start {
		return element{}, nil, false
	}
	end := start + length
	return element{tag: b[0], contents: b[start:end]}, b[end:], true
}

// readLongLength reads the length of an element whose second octet says how
// many octets it takes, and returns where the contents begin. The indefinite
// form is not allowed in SNMP (RFC 3417 section 8).
func readLongLength(b []byte) (start, length int, ok bool) {
	start = 2 + int(b[1]&0x7f)
	if start == 2 || len(b) < start {
		return 0, 0, false
	}
	for _, o := range b[2:start] {
		if length > 0xffff {
			return 0, 0, false
		}
		length = length<<8 | int(o)
	}
	return start, length, true
}

// readInteger returns the value of an INTEGER's contents.
func readInteger(contents []byte) (int64, bool) {
	if len(contents) == 0 || len(contents) > 8 {
		return 0, false
	}
	v := int64(int8(contents[0]))
	for _, o := range contents[1:] {
		v = v<<8 | int64(o)
	}
	return v, true
}

// readUnsigned returns the value of a Counter32, Gauge32, TimeTicks or
// Counter64. Agents leave out the zero octet that marks a large one as
// positive.
func readUnsigned(contents []byte) (uint64, bool) {
	if len(contents) > 9 || len(contents) == 9 && contents[0] != 0 {
		return 0, false
	}
	var v uint64
	for _, o := range contents {
		v = v<<8 | uint64(o)
	}
	return v, true
}

// appendOID appends the dotted text of an OBJECT IDENTIFIER's contents. The
// empty one is 0.0, as net-snmp has it.
func appendOID(text, contents []byte) ([]byte, bool) {
	if len(contents) == 0 {
		return append(text, "0.0"...), true
	}
	arc, rest, ok := readArc(contents)
	if !ok {
		return text, false
	}
	first := min(arc/40, 2)
	text = appendArc(append(text, '0'+byte(first), '.'), arc-40*first)
	for len(rest) > 0 {
		if arc, rest, ok = readArc(rest); !ok {
			return text, false
		}
		text = appendArc(append(text, '.'), arc)
	}
	return text, true
}

// readArc reads the sub-identifier that b, which is not empty, begins with; it
// has at most 32 bits (RFC 2578 section 3.5).
func readArc(b []byte) (arc uint64, rest []byte, ok bool) {
	if b[0] < 0x80 {
		return uint64(b[0]), b[1:], true
	}
	for i, o := range b {
		if arc = arc<<7 | uint64(o&0x7f); arc > 0xffff_ffff {
			return 0, nil, false
		}
		if o < 0x80 {
			return arc, b[i+1:], true
		}
	}
	return 0, nil, false
}

// appendArc appends the decimal digits of arc.
func appendArc(text []byte, arc uint64) []byte {
	if arc < 10 {
		return append(text, '0'+byte(arc))
	}
	var digits [20]byte
	i := len(digits)
	for ; arc > 0; arc /= 10 {
		i--
		digits[i] = '0' + byte(arc%10)
	}
	return append(text, digits[i:]...)
}

// encode returns an element of the contents, one after the other. Its length
// takes as few octets as it can.
func encode(tag byte, contents ...[]byte) []byte {
	length := 0
	for _, c := range contents {
		length += len(c)
	}
	b := make([]byte, 0, length+4)
	switch {
	case length < 0x80:
		b = append(b, tag, byte(length))
	case length < 0x100:
		b = append(b, tag, 0x81, byte(length))
	default: // no datagram is longer than 65,535 octets
		b = append(b, tag, 0x82, byte(length>>8), byte(length))
	}
	for _, c := range contents {
		b = append(b, c...)
	}
	return b
}

// encodeInteger returns an element of the type of tag, whose value is not
// negative.
func encodeInteger(tag byte, v uint32) []byte {
	b := []byte{0, byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}
	for len(b) > 1 && b[0] == 0 && b[1] < 0x80 {
		b = b[1:]
	}
	return encode(tag, b)
}
