package ingest

// Trap is an SNMP notification, translated to the form of SNMPv2 (RFC 3584
// section 3.1 for v1). OIDs are dotted decimal without a leading dot.
type Trap struct {
	Version    string // "v1", "v2c" or "v3"
	OID        string // snmpTrapOID.0; empty where a notification came without one
	Enterprise string // v1's enterprise, or snmpTrapEnterprise.0; empty: none
	Community  Secret // v1 and v2c
	Uptime     uint32 // sysUpTime.0, in hundredths of a second
	Inform     bool   // the sender waits for an answer

	// Varbinds are in the order in which they were sent, without sysUpTime.0
	// and snmpTrapOID.0.
	Varbinds []Varbind
}

// Varbind is one variable binding of a Trap.
type Varbind struct {
	OID  string
	Type VarbindType

	// Value is int64 (INTEGER), uint64 (Counter32, Gauge32, TimeTicks,
	// Counter64), []byte (OCTET STRING, Opaque, BITS), string (OBJECT
	// IDENTIFIER, dotted), netip.Addr (IpAddress), float64 (Opaque floats),
	// or nil (NULL, noSuchObject and what could not be decoded).
	Value any
}

// VarbindType is the ASN.1 or SMI type of a varbind's value.
type VarbindType string

// The types of RFC 2578 section 7.1, as they are written there.
const (
	Integer          VarbindType = "INTEGER"
	OctetString      VarbindType = "OCTET STRING"
	ObjectIdentifier VarbindType = "OBJECT IDENTIFIER"
	IPAddress        VarbindType = "IpAddress"
	Counter32        VarbindType = "Counter32"
	Gauge32          VarbindType = "Gauge32"
	TimeTicks        VarbindType = "TimeTicks"
	Opaque           VarbindType = "Opaque"
	Counter64        VarbindType = "Counter64"
	Null             VarbindType = "NULL"
)
