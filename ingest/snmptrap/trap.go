package snmptrap

import (
	"math"
	"net/netip"
	"strconv"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// Objects that say something about the notification itself (RFC 3418, RFC
// 3584).
const (
	sysUpTime          = "1.3.6.1.2.1.1.3.0"
	snmpTrapOID        = "1.3.6.1.6.3.1.1.4.1.0"
	snmpTrapEnterprise = "1.3.6.1.6.3.1.1.4.3.0"
	snmpTrapAddress    = "1.3.6.1.6.3.18.1.3.0"
	snmpTrapCommunity  = "1.3.6.1.6.3.18.1.4.0"

	snmpTraps = "1.3.6.1.6.3.1.1.5." // the standard traps
)

// notification is a Trap that is being filled, from a datagram or from what
// the codec made of one.
type notification struct {
	trap     *ingest.Trap
	agent    netip.Addr // the device that it is about, where another one has passed it on
	first    int        // where its varbinds begin
	varbinds []ingest.Varbind
}

// value is the value of a varbind, not yet boxed.
type value struct {
	kind   ingest.VarbindType
	bits   uint64     // of a number: INTEGER in two's complement, Opaque floats as IEEE 754
	float  bool       // of an Opaque
	octets []byte     // of an OCTET STRING, or an Opaque that is no float
	oid    string     // of an OBJECT IDENTIFIER
	addr   netip.Addr // of an IpAddress
}

// box returns v as ingest.Varbind has it.
func (v *value) box() any {
	switch v.kind {
	case ingest.Integer:
		return int64(v.bits)
	case ingest.Counter32, ingest.Gauge32, ingest.TimeTicks, ingest.Counter64:
		return v.bits
	case ingest.OctetString:
		return v.octets
	case ingest.Opaque:
		if v.float {
			return math.Float64frombits(v.bits)
		}
		return v.octets
	case ingest.ObjectIdentifier:
		return v.oid
	case ingest.IPAddress:
		return v.addr
	case ingest.Null:
	}
	return nil
}

// add takes the next varbind. sysUpTime.0 and snmpTrapOID.0 are the head of
// the notification, wherever they stand; one of another type, or a second that
// differs, is a varbind like others.
func (n *notification) add(oid string, v *value) {
	t := n.trap
	switch oid {
	case sysUpTime:
		if ticks := uint32(v.bits); v.kind == ingest.TimeTicks && (t.Uptime == 0 || t.Uptime == ticks) {
			t.Uptime = ticks
			return
		}
	case snmpTrapOID:
		if v.kind == ingest.ObjectIdentifier && (t.OID == "" || t.OID == v.oid) {
			t.OID = v.oid
			return
		}
	case snmpTrapEnterprise:
		if t.Enterprise == "" {
			t.Enterprise = v.oid
		}
	case snmpTrapAddress:
		if v.addr.IsValid() {
			n.agent = v.addr
		}
	case snmpTrapCommunity: // a secret like any other
		if t.Community == "" {
			t.Community = ingest.Secret(v.octets)
		}
		*v = value{kind: v.kind, octets: []byte(ingest.Secret("x").String())}
	}
	n.varbinds = append(n.varbinds, ingest.Varbind{OID: oid, Type: v.kind, Value: v.box()})
}

// end gives the Trap its varbinds.
func (n *notification) end() {
	n.trap.Varbinds = n.varbinds[n.first:len(n.varbinds):len(n.varbinds)]
}

// trapOID translates a v1 trap's generic-trap and specific-trap to a
// snmpTrapOID.0 (RFC 3584 section 3.1). Agents send a negative specific-trap,
// and a specific-trap beside a generic-trap that has none: it is then ignored,
// as the RFC says. A generic-trap that does not exist counts as
// enterpriseSpecific.
func trapOID(enterprise string, generic, specific int64) string {
	if generic >= 0 && generic <= 5 {
		return snmpTraps + strconv.FormatInt(generic+1, 10)
	}
	return enterprise + ".0." + strconv.FormatInt(specific, 10)
}

// versionName names the version of the message, which in the wild need not be
// the one that its PDU belongs to.
func versionName(version int64) string {
	switch version {
	case version1:
		return "v1"
	case version3:
		return "v3"
	}
	return "v2c"
}

// usable reports whether agent names a device better than peer, the address
// that its datagram came from. Agents that do not know their address send
// 0.0.0.0 or 127.0.0.1.
func usable(agent, peer netip.Addr) bool {
	return agent.IsValid() && !agent.IsUnspecified() && (!agent.IsLoopback() || peer.IsLoopback())
}
