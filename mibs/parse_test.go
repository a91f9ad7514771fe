package mibs

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestParseIsTheInverseOfValue for what people write in the tests of rules.
func TestParseIsTheInverseOfValue(t *testing.T) {
	m := builtIn(t)
	f := func(object, text string, want any) {
		t.Helper()
		oid, err := m.OID(object)
		if err != nil {
			t.Fatal(err)
		}
		got, err := m.Parse(oid, text)
		if err != nil {
			t.Errorf("%s %s: %v", object, text, err)
			return
		}
		if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", object, text, diff)
		}
		back := fmt.Sprint(m.Value(oid, got))
		if octets, ok := m.Value(oid, got).([]byte); ok {
			back = string(octets)
		}
		if back != text {
			t.Errorf("%s %s comes back as %s", object, text, back)
		}
	}
	f("IF-MIB::ifAdminStatus.517", "up", int64(1))
	f("IF-MIB::ifAdminStatus.517", "7", int64(7))
	f("IF-MIB::ifIndex.517", "517", int64(517))
	f("IF-MIB::ifDescr.5", "Gi5/17", []byte("Gi5/17"))
	f("IF-MIB::ifPhysAddress.5", "00:1b:2c:03:04:05", []byte{0, 0x1b, 0x2c, 3, 4, 5})
	f("UPS-MIB::upsOutputFrequency.0", "50", int64(50))
	f("UPS-MIB::upsAlarmDescr.1", "upsAlarmOnBattery", "1.3.6.1.2.1.33.1.6.3.2")
	f("BGP4-MIB::bgpPeerRemoteAddr.192.0.2.9", "192.0.2.9", netip.MustParseAddr("192.0.2.9"))
	f("1.3.6.1.4.1.99999.1", "5", int64(5))
	f("1.3.6.1.4.1.99999.1", "five", []byte("five"))
	f("HOST-RESOURCES-MIB::hrSystemDate.0", "2026-03-01T02:03:04.5+01:00", []byte{7, 0xea, 3, 1, 2, 3, 4, 5, '+', 1, 0})
}

func TestParseNamesTheMend(t *testing.T) {
	m := builtIn(t)
	f := func(object, text, want string) {
		t.Helper()
		oid, err := m.OID(object)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Parse(oid, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s %s: %v", object, text, err)
		}
	}
	f("IF-MIB::ifAdminStatus.1", "upp", "none of its labels: up down testing")
	f("IF-MIB::ifIndex.1", "one", "is no number")
	f("BGP4-MIB::bgpPeerRemoteAddr.1", "host", "no IPv4 address")
	f("UPS-MIB::upsAlarmDescr.1", "upsAlarmOnBatery", "upsAlarmOnBattery")
}
