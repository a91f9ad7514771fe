package snmptrap

import (
	"cmp"
	"math"
	"net/netip"
	"strings"

	"github.com/gosnmp/gosnmp"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// packet fills n with what the codec made of a message.
func (n *notification) packet(p *gosnmp.SnmpPacket) {
	t := n.trap
	t.Inform = p.PDUType == gosnmp.InformRequest
	if p.PDUType == gosnmp.Trap {
		t.Enterprise = cmp.Or(undotted(p.Enterprise), "0.0") // the codec reads another type as none
		t.OID = trapOID(t.Enterprise, int64(p.GenericTrap), int64(p.SpecificTrap))
		t.Uptime = uint32(p.Timestamp)
		n.agent = address(p.AgentAddress)
	}
	for i := range p.Variables {
		v := translate(&p.Variables[i])
		n.add(undotted(p.Variables[i].Name), &v)
	}
}

// translate returns the value of v, as the codec made it.
func translate(v *gosnmp.SnmpPDU) value {
	switch of := v.Value.(type) {
	case int:
		return value{kind: ingest.Integer, bits: uint64(of)}
	case uint:
		if v.Type == gosnmp.Counter32 {
			return value{kind: ingest.Counter32, bits: uint64(of)}
		}
		return value{kind: ingest.Gauge32, bits: uint64(of)}
	case uint32:
		if v.Type == gosnmp.TimeTicks {
			return value{kind: ingest.TimeTicks, bits: uint64(of)}
		}
		return value{kind: ingest.Gauge32, bits: uint64(of)} // Uinteger32, which Gauge32 replaced
	case uint64:
		return value{kind: ingest.Counter64, bits: of}
	case []byte:
		if v.Type == gosnmp.Opaque {
			return value{kind: ingest.Opaque, octets: of}
		}
		return value{kind: ingest.OctetString, octets: of}
	case string:
		if v.Type == gosnmp.ObjectIdentifier {
			return value{kind: ingest.ObjectIdentifier, oid: undotted(of)}
		}
		if addr := address(of); addr.IsValid() {
			return value{kind: ingest.IPAddress, addr: addr}
		}
	case float32:
		return value{kind: ingest.Opaque, float: true, bits: math.Float64bits(float64(of))}
	case float64:
		return value{kind: ingest.Opaque, float: true, bits: math.Float64bits(of)}
	}
	return value{kind: ingest.Null}
}

// address returns the address that text is, if it is one.
func address(text string) netip.Addr {
	addr, _ := netip.ParseAddr(text)
	return addr.Unmap()
}

func undotted(oid string) string { return strings.TrimPrefix(oid, ".") }
