package snmptrap

import (
	"encoding/binary"
	"math"
)

// level is a securityLevel (RFC 3411 section 3.4.3), as msgFlags has it.
type level byte

const (
	noAuthNoPriv level = 0
	authNoPriv   level = 1
	authPriv     level = 3
)

const (
	flagReportable = 4 // of msgFlags
	modelUSM       = 3 // msgSecurityModel
)

// secured is an SNMPv3 message before it is known who sent it (RFC 3412
// section 6, RFC 3414 section 2.4). Its slices alias the datagram.
type secured struct {
	raw        []byte // the whole message
	id         []byte // msgID, the whole element
	level      level
	reportable bool // the sender waits for an answer
	model      int64

	engine []byte // msgAuthoritativeEngineID
	boots  uint32
	time   uint32 // in seconds
	user   []byte
	mac    []byte // msgAuthenticationParameters
	macAt  int    // where mac begins in raw
	code   uint64 // the first octets of mac, by which an authentic message is known again
	data   int    // where msgData begins in raw
}

// read reads what stands before msgData of the message with the header h that
// b begins with. fault, if not empty, says what is wrong with it.
func (m *secured) read(b []byte, h *header) (fault string) {
	*m = secured{raw: b[:h.size]}
	global, rest, ok := readElement(m.raw[h.pdu:])
	if !ok || global.tag != tagSequence {
		return "no msgGlobalData"
	}
	if fault := m.readGlobal(global.contents); fault != "" {
		return fault
	}
	parameters, rest, ok := readElement(rest)
	if !ok || parameters.tag != tagOctetString {
		return "no msgSecurityParameters"
	}
	if len(rest) == 0 {
		return "no msgData"
	}
	m.data = len(m.raw) - len(rest)
	if (rest[0] == tagOctetString) != (m.level == authPriv) {
		return "its msgData is not encrypted, or its msgFlags does not say that it is"
	}
	if m.model != modelUSM {
		return ""
	}
	return m.readUSM(parameters.contents)
}

// readGlobal reads msgGlobalData (RFC 3412 section 6).
func (m *secured) readGlobal(b []byte) (fault string) {
	var f [4]element // msgID, msgMaxSize, msgFlags, msgSecurityModel
	rest, ok := readFields(f[:], b, tagInteger, tagInteger, tagOctetString, tagInteger)
	if !ok || len(rest) > 0 {
		return "its msgGlobalData is not what RFC 3412 says"
	}
	_, behind, _ := readElement(b)
	m.id = b[:len(b)-len(behind)]
	flags := f[2].contents
	if len(flags) != 1 {
		return "its msgFlags is not one octet"
	}
	m.level = level(flags[0]) & authPriv
	m.reportable = flags[0]&flagReportable != 0
	if m.model, ok = readInteger(f[3].contents); !ok {
		return "its msgSecurityModel is no number"
	}
	if m.level == authPriv&^authNoPriv {
		return "its msgFlags asks for privacy without authentication"
	}
	return ""
}

// readUSM reads UsmSecurityParameters (RFC 3414 section 2.4), which end where
// msgData begins.
func (m *secured) readUSM(b []byte) (fault string) {
	const wrong = "its msgSecurityParameters are not what RFC 3414 says"
	parameters, behind, ok := readElement(b)
	if !ok || parameters.tag != tagSequence || len(behind) > 0 {
		return wrong
	}
	var f [5]element
	rest, ok := readFields(f[:], parameters.contents, tagOctetString, tagInteger, tagInteger, tagOctetString, tagOctetString)
	if !ok {
		return wrong
	}
	salt, behind, ok := readElement(rest)
	if !ok || salt.tag != tagOctetString || len(behind) > 0 {
		return wrong
	}
	boots, bootsOK := readInteger(f[1].contents)
	time, timeOK := readInteger(f[2].contents)
	if !bootsOK || !timeOK || boots < 0 || time < 0 || boots > math.MaxInt32 || time > math.MaxInt32 {
		return wrong
	}
	if len(f[0].contents) > maxEngineID || len(f[3].contents) > maxUserName {
		return wrong
	}
	m.engine, m.user, m.mac = f[0].contents, f[3].contents, f[4].contents
	m.boots, m.time = uint32(boots), uint32(time)
	m.macAt = m.data - len(rest) - len(m.mac)
	if len(m.mac) >= 8 {
		m.code = binary.BigEndian.Uint64(m.mac)
	}
	return ""
}

// readFields reads one element for each tag from b, and returns what follows
// them.
func readFields(fields []element, b []byte, tags ...byte) (rest []byte, ok bool) {
	for i, tag := range tags {
		if fields[i], b, ok = readElement(b); !ok || fields[i].tag != tag {
			return nil, false
		}
	}
	return b, true
}

// readScoped reads the plain text of msgData, a ScopedPDU, and returns it and
// where its PDU begins (RFC 3412 section 6).
func readScoped(b []byte) (scoped []byte, pdu int, ok bool) {
	all, behind, ok := readElement(b)
	if !ok || all.tag != tagSequence {
		return nil, 0, false
	}
	var context [2]element // contextEngineID, contextName
	rest, ok := readFields(context[:], all.contents, tagOctetString, tagOctetString)
	if !ok {
		return nil, 0, false
	}
	if _, _, ok := readElement(rest); !ok {
		return nil, 0, false
	}
	scoped = b[:len(b)-len(behind)]
	return scoped, len(scoped) - len(rest), true
}
