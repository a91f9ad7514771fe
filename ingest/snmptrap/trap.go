package snmptrap

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/gosnmp/gosnmp"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// Objects that say something about the notification itself (RFC 3418, RFC
// 3584), with the leading dot that the codec writes.
const (
	sysUpTime          = ".1.3.6.1.2.1.1.3.0"
	snmpTrapOID        = ".1.3.6.1.6.3.1.1.4.1.0"
	snmpTrapEnterprise = ".1.3.6.1.6.3.1.1.4.3.0"
	snmpTrapAddress    = ".1.3.6.1.6.3.18.1.3.0"
	snmpTrapCommunity  = ".1.3.6.1.6.3.18.1.4.0"

	snmpTraps = "1.3.6.1.6.3.1.1.5." // the standard traps
)

// fillTrap sets t to what p says, translated to SNMPv2. It appends the
// varbinds of t to varbinds, and returns that.
func fillTrap(t *ingest.Trap, p *gosnmp.SnmpPacket, varbinds []ingest.Varbind) []ingest.Varbind {
	t.Version = versionName(p.Version)
	t.Community = ingest.Secret(p.Community)
	t.Inform = p.PDUType == gosnmp.InformRequest
	if p.PDUType == gosnmp.Trap {
		t.Enterprise = undotted(p.Enterprise)
		t.OID = trapOID(t.Enterprise, p.GenericTrap, p.SpecificTrap)
		t.Uptime = uint32(p.Timestamp)
	}
	first := len(varbinds)
	for i := range p.Variables {
		if v := &p.Variables[i]; !fillHead(t, v) {
			varbinds = append(varbinds, newVarbind(v))
		}
	}
	t.Varbinds = varbinds[first:len(varbinds):len(varbinds)]
	return varbinds
}

// versionName names the version of the message, which in the wild need not be
// the one that its PDU belongs to.
func versionName(v gosnmp.SnmpVersion) string {
	if v == gosnmp.Version1 {
		return "v1"
	}
	return "v2c"
}

// trapOID translates a v1 trap's generic-trap and specific-trap to a
// snmpTrapOID.0 (RFC 3584 section 3.1). Agents send a negative specific-trap,
// and a specific-trap beside a generic-trap that has none: it is then ignored,
// as the RFC says. A generic-trap that does not exist counts as
// enterpriseSpecific.
func trapOID(enterprise string, generic, specific int) string {
	if generic >= 0 && generic <= 5 {
		return snmpTraps + strconv.Itoa(generic+1)
	}
	return enterprise + ".0." + strconv.Itoa(specific)
}

// fillHead takes the head of a notification from v: sysUpTime.0 and
// snmpTrapOID.0, wherever they stand. It reports whether v says no more than
// that; one of another type, or a second that differs, is a varbind like
// others.
func fillHead(t *ingest.Trap, v *gosnmp.SnmpPDU) bool {
	switch v.Name {
	case sysUpTime:
		if ticks, ok := v.Value.(uint32); ok && (t.Uptime == 0 || t.Uptime == ticks) {
			t.Uptime = ticks
			return true
		}
	case snmpTrapOID:
		if oid := oidValue(v); oid != "" && (t.OID == "" || t.OID == oid) {
			t.OID = oid
			return true
		}
	case snmpTrapEnterprise:
		if t.Enterprise == "" {
			t.Enterprise = oidValue(v)
		}
	}
	return false
}

// oidValue returns the value of v if that is an OBJECT IDENTIFIER.
func oidValue(v *gosnmp.SnmpPDU) string {
	if oid, ok := v.Value.(string); ok && v.Type == gosnmp.ObjectIdentifier {
		return undotted(oid)
	}
	return ""
}

// newVarbind translates v. A community that a proxy passes on is a secret like
// any other.
func newVarbind(v *gosnmp.SnmpPDU) ingest.Varbind {
	kind, value := translate(v)
	if v.Name == snmpTrapCommunity {
		value = []byte(ingest.Secret("x").String())
	}
	return ingest.Varbind{OID: undotted(v.Name), Type: kind, Value: value}
}

// translate returns the type and value of v as ingest.Varbind has them.
func translate(v *gosnmp.SnmpPDU) (ingest.VarbindType, any) {
	switch value := v.Value.(type) {
	case int:
		return ingest.Integer, int64(value)
	case uint:
		if v.Type == gosnmp.Counter32 {
			return ingest.Counter32, uint64(value)
		}
		return ingest.Gauge32, uint64(value)
	case uint32:
		if v.Type == gosnmp.TimeTicks {
			return ingest.TimeTicks, uint64(value)
		}
		return ingest.Gauge32, uint64(value) // Uinteger32, which Gauge32 replaced
	case uint64:
		return ingest.Counter64, value
	case []byte:
		if v.Type == gosnmp.Opaque {
			return ingest.Opaque, v.Value
		}
		return ingest.OctetString, v.Value
	case string:
		if v.Type == gosnmp.ObjectIdentifier {
			return ingest.ObjectIdentifier, undotted(value)
		}
		if addr, err := netip.ParseAddr(value); err == nil {
			return ingest.IPAddress, addr
		}
	case float32:
		return ingest.Opaque, float64(value)
	case float64:
		return ingest.Opaque, value
	}
	return ingest.Null, nil
}

// agentAddress returns the device that a notification is about, where another
// one has passed it on: a v1 trap's agent-addr, or snmpTrapAddress.0.
func agentAddress(p *gosnmp.SnmpPacket) netip.Addr {
	text := p.AgentAddress
	for i := range p.Variables {
		if v := &p.Variables[i]; v.Name == snmpTrapAddress && v.Type == gosnmp.IPAddress {
			text, _ = v.Value.(string)
		}
	}
	addr, _ := netip.ParseAddr(text)
	return addr.Unmap()
}

// usable reports whether agent names a device better than peer, the address
// that its datagram came from. Agents that do not know their address send
// 0.0.0.0 or 127.0.0.1.
func usable(agent, peer netip.Addr) bool {
	return agent.IsValid() && !agent.IsUnspecified() && (!agent.IsLoopback() || peer.IsLoopback())
}

func undotted(oid string) string { return strings.TrimPrefix(oid, ".") }
