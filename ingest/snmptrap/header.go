package snmptrap

// The versions of messages, as msgVersion has them (RFC 3584 section 1.2).
const (
	version1  = 0
	version2c = 1
	version3  = 3
)

// header is what stands before the PDU of an SNMP message. It is read before
// anything else of a datagram, so that what is refused costs little.
type header struct {
	size      int // of the whole message; what follows it in the datagram is ignored
	version   int64
	community []byte // of v1 and v2c
	pdu       int    // where the PDU begins, for v1 and v2c; where msgGlobalData begins, for v3
}

// read reads what stands before the PDU of the message that b begins with (RFC
// 3584 section 1.2, RFC 1901 section 3). fault, if not empty, says what is
// wrong with it, without quoting it.
func (h *header) read(b []byte) (fault string) {
	message, behind, ok := readElement(b)
	if !ok {
		return "no whole BER element"
	}
	if message.tag != tagSequence {
		return "no SNMP message: it does not begin with a SEQUENCE"
	}
	h.size = len(b) - len(behind)
	version, rest, ok := readElement(message.contents)
	if !ok || version.tag != tagInteger {
		return "no version"
	}
	if h.version, ok = readInteger(version.contents); !ok {
		return "no version"
	}
	h.pdu = h.size - len(rest)
	if h.version == version3 {
		return ""
	}
	community, rest, ok := readElement(rest)
	if !ok || community.tag != tagOctetString {
		return "no community"
	}
	h.community = community.contents
	h.pdu = h.size - len(rest)
	if len(rest) == 0 {
		return "no PDU"
	}
	return ""
}
