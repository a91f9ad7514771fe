package snmptrap

import (
	"bytes"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/gosnmp/gosnmp"

	"github.com/pdaltagent/pdaltagent/ingest"
)

func TestNotificationsBecomeTraps(t *testing.T) {
	l := offline(t, Config{}, quiet())
	f := func(what string, b []byte, source string, want ingest.Trap) {
		t.Helper()
		l.decode([]ingest.Datagram{datagram(b)})
		if len(l.messages) != 1 {
			t.Errorf("%s: %v", what, l.outcomes)
			return
		}
		want.Community = "public"
		if diff := cmp.Diff(&want, deepCopy(l.messages)[0].Trap, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", what, diff)
		}
		if got := l.messages[0].Source.String(); got != source {
			t.Errorf("%s: from %s, want %s", what, got, source)
		}
	}
	const peer, linkDown = "203.0.113.9", "1.3.6.1.6.3.1.1.5.3"
	text := ingest.Varbind{OID: "1.3.6.1.2.1.1.3.0", Type: ingest.OctetString, Value: []byte("ok")}

	f("v2c", sent(gosnmp.SNMPv2Trap, upTime(), linkDownOID()), peer, ingest.Trap{Version: "v2c", OID: linkDown, Uptime: 18})
	f("v2c, trap OID first", sent(gosnmp.SNMPv2Trap, linkDownOID(), upTime()), peer, ingest.Trap{Version: "v2c", OID: linkDown, Uptime: 18})
	f("v2c without sysUpTime.0", sent(gosnmp.SNMPv2Trap, linkDownOID()), peer, ingest.Trap{Version: "v2c", OID: linkDown})
	f("v2c without snmpTrapOID.0", sent(gosnmp.SNMPv2Trap, upTime()), peer, ingest.Trap{Version: "v2c", Uptime: 18})
	f("v2c without varbinds", sent(gosnmp.SNMPv2Trap), peer, ingest.Trap{Version: "v2c"})
	f("sysUpTime.0 as text", sent(gosnmp.SNMPv2Trap, upTimeAsText(), linkDownOID()), peer,
		ingest.Trap{Version: "v2c", OID: linkDown, Varbinds: []ingest.Varbind{text}})
	f("inform", sent(gosnmp.InformRequest, upTime(), linkDownOID()), peer, ingest.Trap{Version: "v2c", OID: linkDown, Uptime: 18, Inform: true})
	f("octets after the message", append(sent(gosnmp.SNMPv2Trap, upTime(), linkDownOID()), 0, 0, 0), peer, ingest.Trap{Version: "v2c", OID: linkDown, Uptime: 18})
	f("passed on by a proxy", sent(gosnmp.SNMPv2Trap, upTime(), linkDownOID(), trapAddress(), trapSecret(), trapCompany()), "192.0.2.7", ingest.Trap{
		Version: "v2c", OID: linkDown, Uptime: 18, Enterprise: "1.3.6.1.4.1.9.1",
		Varbinds: []ingest.Varbind{
			{OID: "1.3.6.1.6.3.18.1.3.0", Type: ingest.IPAddress, Value: netip.MustParseAddr("192.0.2.7")},
			{OID: "1.3.6.1.6.3.18.1.4.0", Type: ingest.OctetString, Value: []byte("[secret]")},
			{OID: "1.3.6.1.6.3.1.1.4.3.0", Type: ingest.ObjectIdentifier, Value: "1.3.6.1.4.1.9.1"},
		},
	})

	odd := []ingest.Varbind{
		{OID: "1.3.6.1.4.1.9.142606344.4294967295", Type: ingest.Gauge32, Value: uint64(517)},
		{OID: "2.999.1", Type: ingest.Null},
		{OID: "1.3.6.1.4.1.9.1", Type: ingest.Integer, Value: int64(-2)},
		{OID: "1.3.6.1.4.1.9.2", Type: ingest.Null},
		{OID: "1.3.6.1.4.1.9.3", Type: ingest.OctetString, Value: []byte("ab")},
		{OID: "1.3.6.1.4.1.9.4", Type: ingest.IPAddress, Value: netip.MustParseAddr("2001:db8::1")},
		{OID: "1.3.6.1.4.1.9.5", Type: ingest.Null},
		{OID: "1.3.6.1.4.1.9.6", Type: ingest.Counter64, Value: uint64(1<<64 - 1)},
		{OID: "1.3.6.1.4.1.9.8", Type: ingest.TimeTicks, Value: uint64(2)},
		{OID: "1.3.6.1.4.1.9.10", Type: ingest.Null},
		{OID: "1.3.6.1.4.1.9.9", Type: ingest.IPAddress, Value: netip.MustParseAddr("192.0.2.7")},
		{OID: "1.3.6.1.4.1.9.7", Type: ingest.Opaque, Value: []byte{0x9f, 0x78, 3, 1, 2, 3}},
	}
	f("unusual varbinds", sent(gosnmp.SNMPv2Trap, linkDownOID(),
		varbind(odd[0].OID, []byte{0x42, 2, 2, 5}),
		tlv(0x30, oid(odd[1].OID)), // no value
		varbind(odd[2].OID, []byte{2, 8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe}),
		varbind(odd[3].OID, []byte{2, 9, 0, 0, 0, 0, 0, 0, 0, 0, 1}),
		tlv(0x30, oid(odd[4].OID), []byte{4, 3, 'a', 'b'}), // longer than its varbind
		varbind(odd[5].OID, tlv(0x40, netip.MustParseAddr("2001:db8::1").AsSlice())),
		varbind(odd[6].OID, []byte{0x06, 2, 0x2b, 0x81}), // a sub-identifier that does not end
		varbind(odd[7].OID, []byte{0x46, 9, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}),
		varbind(odd[8].OID, []byte{0x43, 5, 1, 0, 0, 0, 2}),
		varbind(odd[9].OID, []byte{0x46, 9, 1, 0, 0, 0, 0, 0, 0, 0, 0}),
		varbind(odd[10].OID, tlv(0x40, netip.MustParseAddr("::ffff:192.0.2.7").AsSlice())),
		varbind(odd[11].OID, tlv(0x44, odd[11].Value.([]byte))),
	), peer, ingest.Trap{Version: "v2c", OID: linkDown, Varbinds: odd})

	v1 := ingest.Trap{Version: "v1", Enterprise: "1.3.6.1.4.1.9.1", Uptime: 9}
	with := func(t ingest.Trap, version, oid string) ingest.Trap {
		t.Version, t.OID = version, oid
		return t
	}
	f("v1 coldStart", sentV1("0.0.0.0", 0, 0), peer, with(v1, "v1", "1.3.6.1.6.3.1.1.5.1"))
	f("v1 egpNeighborLoss", sentV1("192.0.2.7", 5, 0), "192.0.2.7", with(v1, "v1", "1.3.6.1.6.3.1.1.5.6"))
	f("v1 enterpriseSpecific", sentV1("127.0.0.1", 6, 17), peer, with(v1, "v1", "1.3.6.1.4.1.9.1.0.17"))
	f("v1, negative specific-trap", sentV1("0.0.0.0", 6, 0xff), peer, with(v1, "v1", "1.3.6.1.4.1.9.1.0.-1"))
	f("v1, coldStart with a specific-trap", sentV1("0.0.0.0", 0, 17), peer, with(v1, "v1", "1.3.6.1.6.3.1.1.5.1"))
	f("v1, no such generic-trap", sentV1("0.0.0.0", 7, 17), peer, with(v1, "v1", "1.3.6.1.4.1.9.1.0.17"))
	mixed := sentV1("0.0.0.0", 3, 0)
	mixed[6] = 1 // the version
	f("v1 PDU in a v2c message", mixed, peer, with(v1, "v2c", "1.3.6.1.6.3.1.1.5.4"))
	four := tlv(0x30, []byte{2, 4, 0, 0, 0, 1}, sent(gosnmp.SNMPv2Trap, upTime(), linkDownOID())[7:])
	f("version in four octets", four, peer, ingest.Trap{Version: "v2c", OID: linkDown, Uptime: 18})
}

func TestEveryDatagramHasOneOutcome(t *testing.T) {
	inside, outside := netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("::/0")
	f := func(what string, conf Config, b []byte, want ingest.Outcome) {
		t.Helper()
		l := offline(t, conf, quiet())
		l.decode([]ingest.Datagram{datagram(b)})
		got := map[ingest.Outcome]int{accepted: len(l.messages)}
		for o, n := range l.outcomes {
			got[o] += n
		}
		wanted := map[ingest.Outcome]int{accepted: 0}
		wanted[want] = 1
		if diff := cmp.Diff(wanted, got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", what, diff)
		}
	}
	trap := sent(gosnmp.SNMPv2Trap, upTime(), linkDownOID())
	version2 := bytes.Clone(trap)
	version2[6] = 2
	public := Config{Communities: []ingest.Secret{"private", "public"}}
	f("any community", Config{}, trap, accepted)
	f("a known community", public, trap, accepted)
	f("the first of several communities", Config{Communities: []ingest.Secret{"public", "private"}}, trap, accepted)
	f("another community", Config{Communities: []ingest.Secret{"publi", "public1"}}, trap, ingest.RefusedCommunity)
	f("another network", Config{Allow: ingest.AllowList{outside}}, trap, ingest.RefusedSource)
	f("its network", Config{Allow: ingest.AllowList{outside, inside}}, trap, accepted)
	f("nothing", public, nil, ingest.Empty)
	f("GetRequest", public, unhex(t, getRequest), ingest.Unsupported)
	f("v3", public, unhex(t, onlyAVersion), ingest.Unsupported)
	f("text", public, []byte("<13>hello"), ingest.Malformed)
	f("one octet", public, []byte{0x30}, ingest.Malformed)
	f("cut", public, trap[:len(trap)-1], ingest.Malformed)
	f("version 2", public, version2, ingest.Malformed)
	f("no PDU", public, unhex(t, "300b02010104067075626c6963"), ingest.Malformed)
	f("no such PDU", public, unhex(t, "300d02010104067075626c6963af00"), ingest.Malformed)
	f("a sub-identifier of 33 bits in a name", public, sent(gosnmp.SNMPv2Trap, tlv(0x30, []byte{6, 6, 0x2b, 0x90, 0x80, 0x80, 0x80, 0}, []byte{5, 0})), ingest.Malformed)
	f("a text that is longer than the datagram", public, sent(gosnmp.SNMPv2Trap, tlv(0x30, oid("1.3"), []byte{4, 0x82, 0xff, 0xff, 'a'})), ingest.Malformed)
	f("a text of indefinite length", public, sent(gosnmp.SNMPv2Trap, tlv(0x30, oid("1.3"), []byte{4, 0x80, 'a', 0, 0})), ingest.Malformed)
	f("a varbind without a name", public, sent(gosnmp.SNMPv2Trap, tlv(0x30, []byte{5, 0})), ingest.Malformed)
	f("a varbind that is longer than the list", public, sent(gosnmp.SNMPv2Trap, []byte{0x30, 9, 6, 1, 0x2b}), ingest.Malformed)
	f("a v1 trap whose generic-trap is text", public, bytes.Replace(sentV1("0.0.0.0", 6, 17), []byte{2, 1, 6}, []byte{4, 1, 6}, 1), ingest.Malformed)
	f("no varbinds in the PDU", public, unhex(t, "300d02010104067075626c6963a700"), ingest.Malformed)
	contents := trap[4:]
	f("a length that wraps around", public, append([]byte{0x30, 0x89, 1, 0, 0, 0, 0, 0, 0, byte(len(contents) >> 8), byte(len(contents))}, contents...), ingest.Malformed)
	f("an indefinite length", public, append([]byte{0x30, 0x80}, contents...), ingest.Malformed)
	f("a length that overflows", public, unhex(t, oversizedFloat), ingest.Malformed)
	f("a datagram that makes the codec panic", withUsers(guest()), panicking(), ingest.Panicked)
	f("v3, a version and nothing else", withUsers(guest()), unhex(t, onlyAVersion), ingest.Malformed)
}

func TestADatagramIsDecodedWithoutAReceiver(t *testing.T) {
	conf := withUsers(ops())
	conf.Communities = []ingest.Secret{"public"}
	conf.StateDir = filepath.Join(t.TempDir(), "snmp")
	secured := trapOf(ops()).bytes(t)
	for _, b := range [][]byte{sent(gosnmp.SNMPv2Trap, upTime(), linkDownOID()), secured, secured} {
		before := bytes.Clone(b)
		m, err := Decode(conf, datagram(b))
		if err != nil || m.Trap.OID != "1.3.6.1.6.3.1.1.5.3" || m.Source.String() != "203.0.113.9" || !bytes.Equal(b, before) {
			t.Errorf("%+v, %v", m.Trap, err)
		}
	}
	if _, err := Decode(conf, datagram([]byte("text"))); err == nil || err.Error() != "malformed: no whole BER element" {
		t.Errorf("error %v", err)
	}
	if _, err := os.Stat(conf.StateDir); err == nil {
		t.Error("an engine was started")
	}
}

func TestABatchSurvivesItsWorstDatagram(t *testing.T) {
	l := offline(t, withUsers(guest()), quiet())
	trap := sent(gosnmp.SNMPv2Trap, upTime(), linkDownOID(), trapAddress())
	bad := panicking()
	l.decode([]ingest.Datagram{datagram(trap), datagram(bad), datagram(unhex(t, inform)), datagram(bad), datagram(trap)})
	if len(l.messages) != 3 || len(l.answers) != 1 || l.outcomes[ingest.Panicked] != 2 {
		t.Fatalf("%d messages, %d answers, %v", len(l.messages), len(l.answers), l.outcomes)
	}
	for i, want := range []int{1, 0, 1} {
		if got := len(l.messages[i].Trap.Varbinds); got != want {
			t.Errorf("message %d has %d varbinds, want %d", i, got, want)
		}
	}
}

// FuzzDecode looks for datagrams that break what is promised of each.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{oversizedFloat, onlyAVersion, getRequest, inform} {
		f.Add(unhex(f, s))
	}
	f.Add(sent(gosnmp.SNMPv2Trap, upTime(), linkDownOID(), trapAddress(), trapSecret(), trapCompany()))
	f.Add(sentV1("192.0.2.7", 6, 17, upTime(), trapSecret()))
	l := offline(f, Config{}, quiet())
	f.Fuzz(func(t *testing.T, b []byte) {
		l.decode([]ingest.Datagram{datagram(bytes.Clone(b))})
		n := len(l.messages)
		for _, refused := range l.outcomes {
			n += refused
		}
		if n != 1 {
			t.Fatalf("%d outcomes", n)
		}
		for _, m := range l.messages {
			checkMessage(t, m)
			if m.Trap.Inform != (len(l.answers) == 1) {
				t.Errorf("%d answers", len(l.answers))
			}
		}
		for _, a := range l.answers {
			checkAnswer(t, b, a.packet)
		}
	})
}

// FuzzSecured looks for v3 messages that break what is promised of each.
func FuzzSecured(f *testing.F) {
	only := User{Name: "only-auth", Auth: "MD5", AuthPassphrase: "authenticate"}
	des := ops()
	des.Name, des.Priv, des.Auth, des.Level = "des", "DES", "SHA", "noAuthNoPriv"
	for _, u := range []User{ops(), guest(), only, des} {
		f.Add(trapOf(u).bytes(f))
		f.Add(informOf(u).bytes(f))
	}
	f.Add(panicking())
	f.Add(unhex(f, onlyAVersion))
	f.Add(unhex(f, "303a020103300f02024a69020300ffe30401040201030410300e0400020100020100040004000400"+"301204000400a00c020237f00201000201003000"))
	l := offline(f, withUsers(ops(), guest(), only, des), quiet())
	f.Fuzz(func(t *testing.T, b []byte) {
		d := datagram(bytes.Clone(b))
		l.decode([]ingest.Datagram{d})
		n := len(l.messages)
		for _, refused := range l.outcomes {
			n += refused
		}
		if n != 1 {
			t.Fatalf("%d outcomes", n)
		}
		if len(l.messages) == 0 && !bytes.Equal(d.Data, b) {
			t.Error("refused, and not as it came")
		}
		for _, m := range l.messages {
			checkMessage(t, m)
		}
		for _, a := range append(l.answers, l.reports...) {
			if h, fault := readHeader(a.packet); h.version == version3 {
				if _, wrong := readSecured(a.packet, &h); fault+wrong != "" || h.size != len(a.packet) {
					t.Errorf("answer %x to %x: %s %s", a.packet, b, fault, wrong)
				}
			}
		}
	})
}

func checkMessage(t *testing.T, m ingest.Message) {
	t.Helper()
	if !m.Source.IsValid() || m.Source.IsUnspecified() || strings.HasPrefix(m.Trap.OID, ".") {
		t.Errorf("from %v, OID %q", m.Source, m.Trap.OID)
	}
	for _, v := range m.Trap.Varbinds {
		if v.OID == "" || v.OID[0] == '.' || v.Type == "" {
			t.Errorf("varbind %+v", v)
		}
	}
}

func checkAnswer(t *testing.T, request, packet []byte) {
	t.Helper()
	asked, _ := readHeader(request)
	h, fault := readHeader(packet)
	if fault != "" || h.size != len(packet) || packet[h.pdu] != byte(gosnmp.GetResponse) ||
		h.version != asked.version || !bytes.Equal(h.community, asked.community) {
		t.Errorf("answer %x to %x", packet, request)
	}
}
