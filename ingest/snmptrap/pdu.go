package snmptrap

import (
	"encoding/binary"
	"math"
	"net/netip"
	"unsafe"

	"github.com/gosnmp/gosnmp"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// reader decodes PDUs of v1 and v2c. It does what the codec does, in a
// quarter of the time, and takes what the codec gives up on: a value that does
// not decode is NULL, and octets that follow the last varbind are ignored. It
// never panics.
type reader struct {
	text []byte // of the OIDs that it has read
}

// What may be wrong with a PDU. They quote nothing of it.
const (
	faultPDU      = "its PDU is cut short"
	faultV1       = "its enterprise, generic-trap or specific-trap is missing or of another type"
	faultVarbinds = "its varbinds are not a list of whole pairs of name and value"
	faultName     = "the name of a varbind is no OBJECT IDENTIFIER"
)

// pdu fills n with what the PDU that b begins with says. fault, if not empty,
// says what is wrong with it. Values alias b.
func (r *reader) pdu(n *notification, b []byte) (fault string) {
	pdu, _, ok := readElement(b)
	if !ok {
		return faultPDU
	}
	rest := pdu.contents
	if gosnmp.PDUType(pdu.tag) == gosnmp.Trap {
		if rest, fault = r.v1Head(n, rest); fault != "" {
			return fault
		}
		return r.list(n, rest)
	}
	n.trap.Inform = gosnmp.PDUType(pdu.tag) == gosnmp.InformRequest
	for range 3 { // request-id, error-status, error-index
		if _, rest, ok = readElement(rest); !ok {
			return faultPDU
		}
	}
	return r.list(n, rest)
}

// v1Head reads what stands before the varbinds of a Trap-PDU (RFC 1157 section
// 4.1.6), and returns what follows.
func (r *reader) v1Head(n *notification, b []byte) (rest []byte, fault string) {
	var fields [5]element
	for i := range fields {
		var ok bool
		if fields[i], b, ok = readElement(b); !ok {
			return nil, faultPDU
		}
	}
	var (
		v                 value
		generic, specific value
	)
	if r.value(&v, fields[0]); v.kind != ingest.ObjectIdentifier {
		return nil, faultV1
	}
	r.value(&generic, fields[2])
	r.value(&specific, fields[3])
	if generic.kind != ingest.Integer || specific.kind != ingest.Integer {
		return nil, faultV1
	}
	n.trap.Enterprise = v.oid
	n.trap.OID = trapOID(v.oid, int64(generic.bits), int64(specific.bits))
	r.value(&v, fields[1])
	n.agent = v.addr
	if r.value(&v, fields[4]); v.kind == ingest.TimeTicks {
		n.trap.Uptime = uint32(v.bits)
	}
	return b, ""
}

// list reads the varbinds (RFC 3416 section 3).
func (r *reader) list(n *notification, b []byte) (fault string) {
	list, _, ok := readElement(b)
	if !ok || list.tag != tagSequence {
		return faultVarbinds
	}
	var v value
	for rest := list.contents; len(rest) > 0; {
		var pair element
		if pair, rest, ok = readElement(rest); !ok || pair.tag != tagSequence {
			return faultVarbinds
		}
		name, behind, ok := readElement(pair.contents)
		if !ok {
			return faultVarbinds
		}
		oid, ok := r.name(name)
		if !ok {
			return faultName
		}
		of, ok := readValue(behind)
		if !ok {
			return faultVarbinds
		}
		r.value(&v, of)
		n.add(oid, &v)
	}
	return ""
}

// readValue reads the element that is a varbind's value. It may be missing;
// and there are agents that give an OCTET STRING a greater length than its
// varbind has room for.
func readValue(b []byte) (element, bool) {
	if len(b) == 0 {
		return element{tag: tagNull}, true
	}
	if of, _, ok := readElement(b); ok {
		return of, true
	}
	if b[0] != tagOctetString || b[1] >= 0x80 {
		return element{}, false
	}
	return element{tag: tagOctetString, contents: b[2:]}, true
}

// name returns the text of a varbind's name.
func (r *reader) name(e element) (string, bool) {
	if e.tag != tagOID {
		return "", false
	}
	switch string(e.contents) { // each notification has these two
	case "\x2b\x06\x01\x02\x01\x01\x03\x00":
		return sysUpTime, true
	case "\x2b\x06\x01\x06\x03\x01\x01\x04\x01\x00":
		return snmpTrapOID, true
	}
	return r.oid(e.contents)
}

// oid returns the text of an OBJECT IDENTIFIER's contents. It lies in r.text.
func (r *reader) oid(contents []byte) (string, bool) {
	from := len(r.text)
	text, ok := appendOID(r.text, contents)
	if !ok {
		return "", false
	}
	r.text = text
	return unsafe.String(&text[from], len(text)-from), true
}

// value sets v to the value of e. What does not decode is NULL.
func (r *reader) value(v *value, e element) {
	*v = value{kind: ingest.Null}
	switch e.tag {
	case tagInteger:
		if i, ok := readInteger(e.contents); ok {
			v.kind, v.bits = ingest.Integer, uint64(i)
		}
	case tagOctetString:
		v.kind, v.octets = ingest.OctetString, e.contents
	case tagOID:
		if oid, ok := r.oid(e.contents); ok {
			v.kind, v.oid = ingest.ObjectIdentifier, oid
		}
	case tagIPAddress:
		if addr, ok := netip.AddrFromSlice(e.contents); ok {
			v.kind, v.addr = ingest.IPAddress, addr.Unmap()
		}
	case tagCounter32:
		v.unsigned(ingest.Counter32, e.contents)
	case tagGauge32:
		v.unsigned(ingest.Gauge32, e.contents)
	case tagTimeTicks:
		v.unsigned(ingest.TimeTicks, e.contents)
		v.bits &= math.MaxUint32
	case tagCounter64:
		v.unsigned(ingest.Counter64, e.contents)
	case tagUinteger32:
		if i, ok := readInteger(e.contents); ok {
			v.kind, v.bits = ingest.Gauge32, uint64(uint32(i))
		}
	case tagOpaque:
		v.opaque(e.contents)
	}
}

func (v *value) unsigned(kind ingest.VarbindType, contents []byte) {
	if u, ok := readUnsigned(contents); ok {
		v.kind, v.bits = kind, u
	}
}

// opaque sets v to an Opaque: one of the floats that net-snmp wraps in it
// (draft-perkins-opaque-01), or octets.
func (v *value) opaque(contents []byte) {
	v.kind, v.octets = ingest.Opaque, contents
	if len(contents) < 2 || contents[0] != 0x9f {
		return
	}
	inner, _, ok := readElement(contents[1:])
	switch {
	case ok && inner.tag == 0x78 && len(inner.contents) == 4:
		v.bits = math.Float64bits(float64(math.Float32frombits(binary.BigEndian.Uint32(inner.contents))))
	case ok && inner.tag == 0x79 && len(inner.contents) == 8:
		v.bits = binary.BigEndian.Uint64(inner.contents)
	default:
		return
	}
	v.float, v.octets = true, nil
}
