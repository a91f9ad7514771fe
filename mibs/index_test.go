package mibs

import (
	"testing"
)

func TestIndexReadsTheInstance(t *testing.T) {
	m := builtIn(t)
	f := func(name, instance, want string) {
		t.Helper()
		oid, err := m.OID(name)
		if err != nil {
			t.Fatal(err)
		}
		if instance != "" {
			oid += "." + instance
		}
		if got := m.Index(oid); got != want {
			t.Errorf("%s.%s: %q, want %q", name, instance, got, want)
		}
	}
	f("ifDescr", "517", "517")
	f("ifHCInOctets", "517", "517") // by AUGMENTS
	f("bgpPeerLastError", "192.0.2.1", "192.0.2.1")
	f("bgpPeerLastError", "192.0.2.256", "192.0.2.256") // no address: as it came
	f("bgpPeerLastError", "192.0.2", "192.0.2")
	f("bgpPeerLastError", "192.0.2.1.9", "192.0.2.1.9")
	f("dot1dTpFdbPort", "0.26.43.60.77.94", "00:1a:2b:3c:4d:5e")
	f("ospfNbrState", "192.0.2.1.0", "192.0.2.1.0")
	f("ospfLsdbAge", "0.0.0.0.1.192.0.2.9.192.0.2.1", "0.0.0.0.routerLink.192.0.2.9.192.0.2.1")
	f("vrrpv3OperationsStatus", "5.10.1", "5.10.ipv4")
	f("ifStackStatus", "7.3", "7.3")
	f("ifDescr", "5.6", "5.6")
	f("ifDescr", "", "")
	f("sysUpTime", "0", "")
	f("sysUpTime", "", "")
	f("linkDown", "", "")
	f("ifTable", "", "")
	f("enterprises", "9.1", "")
}

func TestIndexReadsEveryKindOfPart(t *testing.T) {
	plainText, mac := &syntax{base: octetString}, &syntax{base: octetString, size: 6, octets: newOctetHint("1x:")}
	f := func(instance, want string, parts ...part) {
		t.Helper()
		got, ok := decode(parts, instance)
		if ok != (want != "") || ok && got != want {
			t.Errorf("%s: %q %t, want %q", instance, got, ok, want)
		}
	}
	integer := part{syntax: &syntax{base: number}}
	text, implied := part{syntax: plainText}, part{syntax: plainText, implied: true}
	oid := part{syntax: &syntax{base: objectID}}
	kind := part{syntax: &syntax{base: addressType, enums: enumeration{[]int32{1, 2}, []any{"ipv4", "ipv6"}}}}
	untyped := part{syntax: &syntax{base: address}}
	typed := part{syntax: &syntax{base: address}, typed: true}

	f("4.101.116.104.48", "eth0", text)
	f("4.101.116.104", "", text)
	f("4294967295.1", "", text)
	f("101.116.104.48", "eth0", implied)
	f("2.9.4.101.116.104.48.7", "2.9.eth0.7", integer, integer, text, integer)
	f("3.0.1.2", "0x000102", text)
	f("3.1.2.256", "", text)
	f("0.26.43.60.77.94.7", "00:1a:2b:3c:4d:5e.7", part{syntax: mac}, integer)
	f("3.1.3.6.5", "1.3.6.5", oid, integer)
	f("1.3.6", "1.3.6", part{syntax: oid.syntax, implied: true})
	f("1.4.192.0.2.1", "192.0.2.1", kind, typed)
	f("1.4.192.0.2.1", "ipv4.192.0.2.1", kind, untyped)
	f("2.16.32.1.13.184.0.0.0.0.0.0.0.0.0.0.0.1.65001", "2001:db8::1.65001", kind, typed, integer)
	f("16.3.97.46.98", "a.b", kind, typed)
	f("1.4.192.0.2", "", kind, typed)
	f("16.4.104.111.115.116", "host", kind, typed) // a name of four letters, not 104.111.115.116
	f("1.4.192.0.2.1.4.192.0.2.2", "192.0.2.1.192.0.2.2", kind, typed, typed)
	f("1.7.4.192.0.2.1", "7.192.0.2.1", kind, integer, typed)
	f("1.2.4.192.0.2.1", "ipv4.192.0.2.1", kind, kind, typed)
	f("1.2.3", "", integer)
	f("", "", integer, integer)
	f("x", "", integer, integer)
	f("1.", "", integer, integer)
	f("4294967296.1", "", integer, integer)
	f("1.2", "", integer)
	f("1", "")
}
