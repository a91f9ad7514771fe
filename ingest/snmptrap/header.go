package snmptrap

import "github.com/gosnmp/gosnmp"

// header is what stands before the PDU of an SNMP message. It is read before
// the codec sees a datagram, so that what is refused costs little, and so that
// an INFORM can be answered with a copy of itself.
type header struct {
	size      int // of the whole message; what follows it in the datagram is ignored
	version   int // msgVersion: 0 (v1), 1 (v2c), 3 (v3)
	community []byte
	pdu       int // where the PDU begins, for v1 and v2c
}

// element is one BER element: its tag, its contents, and how many octets all
// of it takes.
type element struct {
	tag      byte
	contents []byte
	size     int
}

// readElement reads the element that b begins with. Lengths may be written in
// more octets than they need.
func readElement(b []byte) (element, bool) {
	if len(b) < 2 {
		return element{}, false
	}
	start, length := 2, int(b[1])
	if length >= 0x80 {
		octets := length & 0x7f
		if octets == 0 || octets > 8 || len(b) < 2+octets {
			return element{}, false
		}
		start, length = 2+octets, 0
		for _, o := range b[2:start] {
			if length > 0xffff {
				return element{}, false
			}
			length = length<<8 | int(o)
		}
	}
	if length > len(b)-start {
		return element{}, false
	}
	return element{tag: b[0], contents: b[start : start+length], size: start + length}, true
}

// readInteger returns the value of an INTEGER's contents.
func readInteger(contents []byte) (int, bool) {
	if len(contents) == 0 || len(contents) > 8 {
		return 0, false
	}
	v := int64(int8(contents[0]))
	for _, o := range contents[1:] {
		v = v<<8 | int64(o)
	}
	return int(v), v == int64(int(v))
}

// readHeader reads what stands before the PDU of a message (RFC 3584 section
// 1.2, RFC 1901 section 3). fault, if not empty, says what is wrong with it,
// without quoting it.
func readHeader(b []byte) (h header, fault string) {
	message, ok := readElement(b)
	if !ok {
		return h, "no whole BER element"
	}
	if message.tag != byte(gosnmp.Sequence) {
		return h, "no SNMP message: it does not begin with a SEQUENCE"
	}
	h.size = message.size
	rest := message.contents
	version, ok := readElement(rest)
	if !ok || version.tag != byte(gosnmp.Integer) {
		return h, "no version"
	}
	if h.version, ok = readInteger(version.contents); !ok {
		return h, "no version"
	}
	if h.version == int(gosnmp.Version3) {
		return h, ""
	}
	rest = rest[version.size:]
	community, ok := readElement(rest)
	if !ok || community.tag != byte(gosnmp.OctetString) {
		return h, "no community"
	}
	h.community = community.contents
	h.pdu = h.size - len(rest) + community.size
	if h.pdu == h.size {
		return h, "no PDU"
	}
	return h, ""
}
