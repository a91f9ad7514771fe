package mibs

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// builtIn returns the built-in modules.
func builtIn(tb testing.TB) *Modules {
	tb.Helper()
	m, warnings, err := Load(context.Background(), nil)
	if err != nil || len(warnings) > 0 {
		tb.Fatalf("Load: %v, %v", warnings, err)
	}
	return m
}

func TestStandardNotificationsHaveTheirOIDs(t *testing.T) {
	m := builtIn(t)
	f := func(name, want string) {
		t.Helper()
		oid, err := m.OID(name)
		if err != nil || oid != want {
			t.Errorf("OID(%s) = %s, %v; want %s", name, oid, err, want)
		}
		module, label, instance, ok := m.Name(want)
		if got := module + "::" + label; !ok || got != name || instance != "" {
			t.Errorf("Name(%s) = %s %q %t; want %s", want, got, instance, ok, name)
		}
	}
	f("SNMPv2-MIB::coldStart", "1.3.6.1.6.3.1.1.5.1")
	f("SNMPv2-MIB::warmStart", "1.3.6.1.6.3.1.1.5.2")
	f("IF-MIB::linkDown", "1.3.6.1.6.3.1.1.5.3")
	f("IF-MIB::linkUp", "1.3.6.1.6.3.1.1.5.4")
	f("SNMPv2-MIB::authenticationFailure", "1.3.6.1.6.3.1.1.5.5")
	f("BGP4-MIB::bgpEstablishedNotification", "1.3.6.1.2.1.15.0.1")
	f("BGP4-MIB::bgpBackwardTransNotification", "1.3.6.1.2.1.15.0.2")
	f("BGP4-MIB::bgpEstablished", "1.3.6.1.2.1.15.7.1")
	f("BGP4-MIB::bgpBackwardTransition", "1.3.6.1.2.1.15.7.2")
	f("OSPF-TRAP-MIB::ospfNbrStateChange", "1.3.6.1.2.1.14.16.2.2")
	f("OSPF-TRAP-MIB::ospfIfStateChange", "1.3.6.1.2.1.14.16.2.16")
	f("OSPF-TRAP-MIB::ospfVirtNbrRestartHelperStatusChange", "1.3.6.1.2.1.14.16.2.20")
	f("ENTITY-MIB::entConfigChange", "1.3.6.1.2.1.47.2.0.1")
	f("ENTITY-STATE-MIB::entStateOperDisabled", "1.3.6.1.2.1.131.0.2")
	f("UPS-MIB::upsTrapOnBattery", "1.3.6.1.2.1.33.2.1")
	f("UPS-MIB::upsTrapTestCompleted", "1.3.6.1.2.1.33.2.2")
	f("UPS-MIB::upsTrapAlarmEntryAdded", "1.3.6.1.2.1.33.2.3")
	f("UPS-MIB::upsTrapAlarmEntryRemoved", "1.3.6.1.2.1.33.2.4")
	f("BRIDGE-MIB::newRoot", "1.3.6.1.2.1.17.0.1")
	f("BRIDGE-MIB::topologyChange", "1.3.6.1.2.1.17.0.2")
	f("RMON-MIB::risingAlarm", "1.3.6.1.2.1.16.0.1")
	f("RMON-MIB::fallingAlarm", "1.3.6.1.2.1.16.0.2")
	f("DISMAN-EVENT-MIB::mteTriggerFired", "1.3.6.1.2.1.88.2.0.1")
	f("DISMAN-EVENT-MIB::mteEventSetFailure", "1.3.6.1.2.1.88.2.0.5")
	f("NET-SNMP-AGENT-MIB::nsNotifyStart", "1.3.6.1.4.1.8072.4.0.1")
	f("NET-SNMP-AGENT-MIB::nsNotifyShutdown", "1.3.6.1.4.1.8072.4.0.2")
	f("NET-SNMP-AGENT-MIB::nsNotifyRestart", "1.3.6.1.4.1.8072.4.0.3")
	f("NET-SNMP-EXAMPLES-MIB::netSnmpExampleHeartbeatNotification", "1.3.6.1.4.1.8072.2.3.0.1")
	f("UCD-SNMP-MIB::ucdShutdown", "1.3.6.1.4.1.2021.251.2")
	f("VRRP-MIB::vrrpTrapNewMaster", "1.3.6.1.2.1.68.0.1")
	f("VRRPV3-MIB::vrrpv3NewMaster", "1.3.6.1.2.1.207.0.1")
	f("LLDP-MIB::lldpRemTablesChange", "1.0.8802.1.1.2.0.0.1")
	f("POWER-ETHERNET-MIB::pethPsePortOnOffNotification", "1.3.6.1.2.1.105.0.1")
}

// Every object that a built-in notification carries must be built in, or the
// notification would come with numbers for names.
func TestBuiltInNotificationsKnowAllTheirObjects(t *testing.T) {
	m := builtIn(t)
	carried, count := 0, 0
	for _, module := range m.Names() {
		for _, n := range m.Notifications(module) {
			count++
			for _, label := range n.Objects {
				carried++
				oid, err := m.OID(label)
				o := m.exactly(oid)
				if err != nil || o == nil || o.kind != scalar && o.kind != column {
					t.Errorf("%s::%s carries %s, which is %v, %v", module, n.Label, label, o, err)
				} else if m.syntax(o).base == other || o.kind == column && o.index == none {
					t.Errorf("%s has no syntax or no index", label)
				}
			}
		}
	}
	if count != 59 || carried != 179 {
		t.Errorf("%d notifications carry %d objects; want 59 and 179", count, carried)
	}
}

func TestNotificationsAreListedByOIDWithTheirObjects(t *testing.T) {
	want := []Notification{
		{"UPS-MIB", "upsTrapOnBattery", "1.3.6.1.2.1.33.2.1", []string{"upsEstimatedMinutesRemaining", "upsSecondsOnBattery", "upsConfigLowBattTime"}},
		{"UPS-MIB", "upsTrapTestCompleted", "1.3.6.1.2.1.33.2.2", []string{"upsTestId", "upsTestSpinLock", "upsTestResultsSummary", "upsTestResultsDetail", "upsTestStartTime", "upsTestElapsedTime"}},
		{"UPS-MIB", "upsTrapAlarmEntryAdded", "1.3.6.1.2.1.33.2.3", []string{"upsAlarmId", "upsAlarmDescr"}},
		{"UPS-MIB", "upsTrapAlarmEntryRemoved", "1.3.6.1.2.1.33.2.4", []string{"upsAlarmId", "upsAlarmDescr"}},
	}
	m := builtIn(t)
	if diff := cmp.Diff(want, m.Notifications("UPS-MIB")); diff != "" {
		t.Error(diff)
	}
	if got := m.Notifications("OSPF-TRAP-MIB"); len(got) != 20 || got[10].Label != "ospfVirtIfTxRetransmit" {
		t.Errorf("OSPF-TRAP-MIB: %v", got)
	}
	if got := m.Notifications("NO-MIB"); got != nil {
		t.Errorf("NO-MIB: %v", got)
	}
}

func TestNameCutsTheInstanceOff(t *testing.T) {
	m := builtIn(t)
	f := func(oid, want string) {
		t.Helper()
		module, label, instance, ok := m.Name(oid)
		got := module + " " + label + " " + instance
		if ok != (want != "") || ok && got != want {
			t.Errorf("Name(%s) = %q %t; want %q", oid, got, ok, want)
		}
	}
	f("1.3.6.1.2.1.2.2.1.8.517", "IF-MIB ifOperStatus 517")
	f("1.3.6.1.2.1.2.2.1.8", "IF-MIB ifOperStatus ")
	f("1.3.6.1.2.1.1.3.0", "SNMPv2-MIB sysUpTime 0")
	f("1.3.6.1.2.1.15.3.1.14.192.0.2.1", "BGP4-MIB bgpPeerLastError 192.0.2.1")
	f("1.3.6.1.6.3.18.1.3.0", "SNMP-COMMUNITY-MIB snmpTrapAddress 0")
	f("1.3.6.1.2.1.2.2", "IF-MIB ifTable ")
	f("1.3.6.1.2.1.2.2.1", "IF-MIB ifEntry ")
	f("1.3.6.1.2.1.2.2.1.99.5", "") // an unknown column is not an instance of its row
	f("1.3.6.1.2.1.2", "")
	f("1.3.6.1.4.1.9.9.43.2.0.1", "")
	f("1", "")
	f("", "")
	f(".", "")
	f("..", "")
	f("1.3.6.1.2.1.2.2.1.8.", "IF-MIB ifOperStatus ")
	f("linkDown", "")
	f("1.3.6.1.2.1.2.2.1.8"+strings.Repeat(".4294967295", 200), "IF-MIB ifOperStatus "+strings.Repeat(".4294967295", 200)[1:])
}

func TestNotificationsAreFoundInEitherFormOfTheirOID(t *testing.T) {
	m := builtIn(t)
	f := func(oid, label, canonical string) {
		t.Helper()
		_, got, instance, ok := m.Name(oid)
		if ok != (label != "") || got != label || instance != "" {
			t.Errorf("Name(%s) = %s %q %t; want %q", oid, got, instance, ok, label)
		}
		if oid, err := m.OID(oid); err != nil || oid != canonical {
			t.Errorf("OID = %s, %v; want %s", oid, err, canonical)
		}
	}
	f("1.3.6.1.2.1.33.2.0.3", "upsTrapAlarmEntryAdded", "1.3.6.1.2.1.33.2.3")
	f("1.3.6.1.2.1.15.7.0.2", "bgpBackwardTransition", "1.3.6.1.2.1.15.7.2")
	f("1.3.6.1.2.1.68.1.0.1", "", "1.3.6.1.2.1.68.1.0.1")
	f("1.3.6.1.4.1.8072.4.2", "nsNotifyShutdown", "1.3.6.1.4.1.8072.4.2"[:len("1.3.6.1.4.1.8072.4")]+".0.2")
	// bgp.1 is an object, and stays one.
	f("1.3.6.1.2.1.15.1", "bgpVersion", "1.3.6.1.2.1.15.1")
	f("1.3.6.1.4.1.9999.0.1", "", "1.3.6.1.4.1.9999.0.1")
}

func TestValueMeansWhatTheModuleSays(t *testing.T) {
	m := builtIn(t)
	f := func(name string, v, want any) {
		t.Helper()
		oid, err := m.OID(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, oid := range []string{oid, oid + ".0", oid + ".192.0.2.1"} {
			if diff := cmp.Diff(want, m.Value(oid, v), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
				t.Errorf("%s %v: %s", name, v, diff)
			}
		}
	}
	f("ifAdminStatus", int64(2), "down")
	f("ifOperStatus", int64(7), "lowerLayerDown")
	f("ifOperStatus", uint64(1), "up") // Gauge32 where INTEGER was meant
	f("ifOperStatus", int64(99), int64(99))
	f("ifOperStatus", uint64(1<<63), uint64(1<<63))
	f("ifType", int64(6), "ethernetCsmacd") // through IANAifType
	f("ifType", int64(161), "ieee8023adLag")
	f("ifPromiscuousMode", int64(1), "true")
	f("bgpPeerState", int64(6), "established")
	f("mteFailedReason", int64(-6), "sampleOverrun")
	f("ifIndex", int64(517), int64(517))
	f("ifHCInOctets", uint64(1<<40), uint64(1<<40))
	f("sysUpTime", uint64(4711), uint64(4711))
	f("laLoadFloat", 0.25, 0.25)
	f("ifDescr", []byte("GigabitEthernet0/1"), "GigabitEthernet0/1")
	f("ifDescr", []byte("eth0\x00"), "eth0")
	f("ifDescr", []byte{}, "")
	f("ifAlias", []byte("B\xfcro"), "Büro") // Latin-1
	f("ifAlias", []byte("Büro"), "Büro")
	f("ifDescr", []byte{0, 1, 2}, []byte{0, 1, 2}) // no text
	f("mteHotTrigger", []byte("process table"), "process table")
	f("ifPhysAddress", []byte{0, 0x1a, 0x2b, 0x3c, 0x4d, 0x5e}, "00:1a:2b:3c:4d:5e")
	f("dot1dTpFdbAddress", []byte{0xff, 0, 0, 0, 0, 1}, "ff:00:00:00:00:01")
	f("entStateAlarm", []byte{0x30}, "critical,major")
	f("entStateAlarm", []byte{0x40, 0x80}, "underRepair,8")
	f("entStateAlarm", []byte{}, "")
	f("entStateLastChanged", []byte{7, 200, 5, 26, 13, 30, 15, 0, '-', 4, 0}, "1992-05-26T13:30:15-04:00")
	f("entStateLastChanged", []byte{7, 200, 5, 26, 13, 30, 15, 0}, "1992-05-26T13:30:15")
	f("entPhysicalUUID", []byte("\x12\x34\x56\x78\x9a\xbc\xde\xf0\x12\x34\x56\x78\x9a\xbc\xde\xf0"), "12345678-9abc-def0-1234-56789abcdef0")
	f("vrrpv3OperationsMasterIpAddr", []byte{192, 0, 2, 1}, "192.0.2.1")
	f("vrrpv3OperationsMasterIpAddr", []byte("\xfe\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x07"), "fe80::1%7")
	f("vrrpv3OperationsMasterIpAddr", []byte("vr.example.net"), "vr.example.net")
	f("bgpPeerRemoteAddr", netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.1"))
	f("bgpPeerLastError", []byte{4, 0}, []byte{4, 0}) // no hint
	f("hrSWRunName", []byte("sshd"), []byte("sshd"))  // no hint
	f("upsAlarmDescr", "1.3.6.1.2.1.33.1.6.3.2", "upsAlarmOnBattery")
	f("hrStorageType", "1.3.6.1.2.1.25.2.1.4", "hrStorageFixedDisk")
	f("sysObjectID", "1.3.6.1.4.1.8072.3.2.10", "linux")
	f("sysObjectID", "1.3.6.1.4.1.9.1.1745", "1.3.6.1.4.1.9.1.1745")
	f("mteHotOID", "1.3.6.1.2.1.2.2.1.8.517", "ifOperStatus.517")
	f("snmpTrapOID", "1.3.6.1.6.3.1.1.5.3", "linkDown")
	f("sysName", nil, nil)
	f("ifTable", int64(1), int64(1))
	f("linkDown", []byte("x"), []byte("x"))
}

func TestValueOfTheUnknownIsItself(t *testing.T) {
	m := builtIn(t)
	for _, v := range []any{int64(1), uint64(1), []byte("x"), "1.3.6.1.4.1.9999.1", "", 1.5, nil, netip.Addr{}} {
		for _, oid := range []string{"1.3.6.1.4.1.9999.1.0", "", "x", "1.3.6.1.2.1.2.2.1"} {
			if diff := cmp.Diff(v, m.Value(oid, v), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
				t.Errorf("%s: %s", oid, diff)
			}
		}
	}
}

func TestOIDTakesNamesNumbersAndInstances(t *testing.T) {
	m := builtIn(t)
	f := func(name, want string) {
		t.Helper()
		if got, err := m.OID(name); err != nil || got != want {
			t.Errorf("OID(%s) = %s, %v; want %s", name, got, err, want)
		}
	}
	f("linkDown", "1.3.6.1.6.3.1.1.5.3")
	f("IF-MIB::ifDescr.517", "1.3.6.1.2.1.2.2.1.2.517")
	f("ifDescr.517", "1.3.6.1.2.1.2.2.1.2.517")
	f("enterprises.9.1", "1.3.6.1.4.1.9.1")
	f("SNMPv2-SMI::mib-2", "1.3.6.1.2.1")
	f("IF-MIB::ifMIB", "1.3.6.1.2.1.31")
	f("1.3.6.1.4.1.9", "1.3.6.1.4.1.9")
	f(".1.3.6.1.4.1.9", "1.3.6.1.4.1.9")
	f("1.3.6.1.4.1.142606344.4294967295", "1.3.6.1.4.1.142606344.4294967295")
}

func TestAnUnknownNameSaysWhatWasMeant(t *testing.T) {
	m := builtIn(t)
	f := func(name, want string) {
		t.Helper()
		if oid, err := m.OID(name); err == nil || err.Error() != want {
			t.Errorf("OID(%s) = %s\n got %v\nwant %s", name, oid, err, want)
		}
	}
	f("linkDwn", "no module defines linkDwn; did you mean IF-MIB::linkDown?")
	f("linkdown", "no module defines linkdown; did you mean IF-MIB::linkDown?")
	f("IF-MIB::linkDwn", "no linkDwn in IF-MIB; did you mean IF-MIB::linkDown?")
	f("SNMPv2-MIB::linkDown", "no linkDown in SNMPv2-MIB; did you mean IF-MIB::linkDown?")
	f("IFMIB::linkDown", "no module IFMIB; did you mean IF-MIB::linkDown? else put its file in a folder named by mibs:")
	f("UPS-MB::upsTrapOnBatery", "no module UPS-MB; did you mean UPS-MIB? else put its file in a folder named by mibs:")
	f("CISCO-CONFIG-MAN-MIB::x", "no module CISCO-CONFIG-MAN-MIB; put its file in a folder named by mibs:")
	f("PositiveIntegers", "no module defines PositiveIntegers; is its file in a folder named by mibs:?")
	f("sysDescrs", "no module defines sysDescrs; did you mean SNMPv2-MIB::sysDescr?")
	f("IF-MIB::zzzzzzzz", "no zzzzzzzz in IF-MIB")
	f("IF-MIB::ifDescr.x", `IF-MIB::ifDescr.x: "x" is no instance: write numbers joined by dots after ifDescr`)
	f("ifDescr.", `ifDescr.: "" is no instance: write numbers joined by dots after ifDescr`)
	f("1.3.6.", "1.3.6. is no OID: write numbers up to 4294967295 joined by dots, or MODULE::name")
	f("1.3.4294967296", "1.3.4294967296 is no OID: write numbers up to 4294967295 joined by dots, or MODULE::name")
	f(".", ". is no OID: write numbers up to 4294967295 joined by dots, or MODULE::name")
	f("", "an empty name has no OID")
}

func TestNearestCountsLettersPutInTakenOutAndChanged(t *testing.T) {
	f := func(s, want string, names ...string) {
		t.Helper()
		if got := nearest(s, slices.Values(names)); got != want {
			t.Errorf("nearest(%s) = %s, want %s", s, got, want)
		}
	}
	f("linkDown", "linkDwn", "linkDn", "linkDwn", "linkUp")     // one taken out, two
	f("linkDown", "linkDowny", "linkDownyy", "linkDowny", "li") // one put in, two
	f("linkDown", "linkDawn", "linkDaxn", "linkDawn", "linkUp") // one changed, two
	f("linkDown", "linkDaan", "linkDaan", "linkUp", "ifIndex")
	f("linkDown", "aLinkDown", "bLinkDown", "aLinkDown") // the first of equals
	f("linkDown", "", "newRoot", "coldStart", "")
	f("x", "", "abc")
}

func TestModulesMayBeUsedFromManyGoroutines(t *testing.T) {
	m := builtIn(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				m.Name("1.3.6.1.2.1.2.2.1.8.517")
				m.Value("1.3.6.1.2.1.131.1.1.1.5.1", []byte{0x30})
				m.Index("1.3.6.1.2.1.15.3.1.14.192.0.2.1")
				_, _ = m.OID("linkDwn")
				m.Notifications("IF-MIB")
			}
		})
	}
	wg.Wait()
}
