package syslog

import (
	"testing"
	"time"

	"github.com/pdaltagent/pdaltagent/ingest"
)

func TestCisco(t *testing.T) {
	const text = "Interface Gi0/1, changed state to down"
	f := func(raw, host string, stamp time.Time) {
		t.Helper()
		reads(t)("<187>"+raw+" %LINK-3-UPDOWN: "+text, ingest.Line{
			Facility: 23, Severity: 3, Timestamp: stamp, Hostname: host, Mnemonic: "%LINK-3-UPDOWN", Text: text,
		})
	}
	none := time.Time{}
	f("", "", none)
	// IOS.
	f("45:", "", none)
	f("45: Mar  5 10:00:00:", "", at(2024, 3, 5, 10, 0, 0, 0))
	f("45: *Mar  5 10:00:00.123:", "", at(2024, 3, 5, 10, 0, 0, 123e6))
	f("45: .Mar  5 10:00:00.123 UTC:", "", at(2024, 3, 5, 10, 0, 0, 123e6))
	f("45: Mar  5 10:00:00.123 CEST:", "", at(2024, 3, 5, 8, 0, 0, 123e6))
	f("45: Mar  5 10:00:00.123 XYZT:", "", at(2024, 3, 5, 10, 0, 0, 123e6))
	f("45: Mar  5 2023 10:00:00.123 EST:", "", at(2023, 3, 5, 15, 0, 0, 123e6))
	f("45: *Mar  1 00:00:00.000:", "", at(2024, 3, 1, 0, 0, 0, 0))
	f("45: 00:00:42:", "", none)
	f("45: 1d02h:", "", none)
	f("45: 1w2d:", "", none)
	f("45: 2y10w:", "", none)
	f("45: sw01: *Mar  5 10:00:00.123:", "sw01", at(2024, 3, 5, 10, 0, 0, 123e6))
	f("45: 192.0.2.1: *Mar  5 10:00:00.123:", "192.0.2.1", at(2024, 3, 5, 10, 0, 0, 123e6))
	f("3132517: sw01: 3132513: 2y10w:", "sw01", none)
	f("sw01: 45: *Mar  5 10:00:00.123:", "sw01", at(2024, 3, 5, 10, 0, 0, 123e6))
	f("Mar  5 10:00:00.123:", "", at(2024, 3, 5, 10, 0, 0, 123e6))
	f("*Mar  5 10:00:00.123:", "", at(2024, 3, 5, 10, 0, 0, 123e6))
	// NX-OS.
	f("2024 Mar  5 10:00:00 UTC:", "", at(2024, 3, 5, 10, 0, 0, 0))
	f(": 2024 Mar  5 10:00:00 CET:", "", at(2024, 3, 5, 9, 0, 0, 0))
	f(": sw01: 2024 Mar  5 10:00:00 CET:", "sw01", at(2024, 3, 5, 9, 0, 0, 0))
	f("sw01: 2024 Mar  5 10:00:00 UTC:", "sw01", at(2024, 3, 5, 10, 0, 0, 0))
	f(": 2024 Mar  5 10:00:00 sw01 %$ VDC-1 %$", "sw01", at(2024, 3, 5, 10, 0, 0, 0))
	// A relay, or a switch that writes an RFC 3164 header.
	f("Mar  5 10:00:00 sw01", "sw01", at(2024, 3, 5, 10, 0, 0, 0))
	f("Mar  5 10:00:00 sw01:", "sw01", at(2024, 3, 5, 10, 0, 0, 0))
	f("Mar  5 10:00:00 sw01 :", "sw01", at(2024, 3, 5, 10, 0, 0, 0))
	f("Mar  5 10:00:00 192.0.2.1 45: Mar  5 09:59:59.272:", "192.0.2.1", at(2024, 3, 5, 9, 59, 59, 272e6))
	f("Mar  5 10:00:00 192.0.2.1 45: 1d02h:", "192.0.2.1", at(2024, 3, 5, 10, 0, 0, 0))
	f("Mar  5 10:00:00 192.0.2.1 45: sw01: *Mar  5 09:59:59.272:", "sw01", at(2024, 3, 5, 9, 59, 59, 272e6))
	f("2024-03-05T10:00:00Z 192.0.2.1 45: sw01: *Mar  5 09:59:59.272:", "sw01", at(2024, 3, 5, 9, 59, 59, 272e6))
}

func TestCiscoWithMoreThanAMnemonic(t *testing.T) {
	f := reads(t)
	stamp := at(2024, 3, 5, 10, 0, 0, 0)
	f("<189>85: R1: [syslog@9 s_sn=\"5\"]: *Mar  5 10:00:00: %SYS-5-CONFIG_I: Configured", ingest.Line{
		Facility: 23, Severity: 5, Timestamp: stamp, Hostname: "R1", StructuredData: sd{"syslog@9": {"s_sn": "5"}},
		Mnemonic: "%SYS-5-CONFIG_I", Text: "Configured",
	})
	f("<190>82: R1: [syslog@9 s_sn=\"1\"]: <ios-log-msg><facility>SYS</facility>", ingest.Line{
		Facility: 23, Severity: 6, Hostname: "R1", StructuredData: sd{"syslog@9": {"s_sn": "1"}},
		Text: "<ios-log-msg><facility>SYS</facility>",
	})
	xr := ingest.Line{
		Facility: 23, Severity: 5, Timestamp: stamp, AppName: "bgp", ProcID: "1052", Mnemonic: "%ROUTING-BGP-5-ADJCHANGE",
		StructuredData: sd{"cisco": {"node": "RP/0/RSP0/CPU0"}}, Text: "neighbor 192.0.2.1 Down",
	}
	f("<189>RP/0/RSP0/CPU0:Mar  5 10:00:00.000 UTC: bgp[1052]: %ROUTING-BGP-5-ADJCHANGE : neighbor 192.0.2.1 Down", xr)
	f("<189>37: RP/0/RSP0/CPU0:Mar  5 10:00:00.000 : bgp[1052]: %ROUTING-BGP-5-ADJCHANGE: neighbor 192.0.2.1 Down", xr)
	xr.Hostname = "core1"
	f("<189>37: core1 RP/0/RSP0/CPU0:Mar  5 10:00:00.000 UTC: bgp[1052]: %ROUTING-BGP-5-ADJCHANGE : neighbor 192.0.2.1 Down", xr)
	f("<189>Mar  5 10:00:00 core1 RP/0/RSP0/CPU0:Mar  5 10:00:00.000 UTC: bgp[1052]: %ROUTING-BGP-5-ADJCHANGE : neighbor 192.0.2.1 Down", xr)
	f("<134>wlc1: *spamApTask2: Mar 05 10:00:00.000: %CAPWAP-3-DECODE_ERR: capwap.c:123 Error", ingest.Line{
		Facility: 16, Severity: 6, Timestamp: stamp, Hostname: "wlc1", AppName: "spamApTask2", Mnemonic: "%CAPWAP-3-DECODE_ERR",
		Text: "capwap.c:123 Error",
	})
	arista := ingest.Line{
		Facility: 23, Severity: 5, Timestamp: stamp, Hostname: "sw1", AppName: "Ebra", Mnemonic: "%LINEPROTO-5-UPDOWN", Text: "down",
	}
	f("<189>Mar  5 10:00:00 sw1 Ebra: %LINEPROTO-5-UPDOWN: down", arista)
	f("<189>Mar  5 10:00:00 sw1 Ebra: 123: %LINEPROTO-5-UPDOWN: down", arista)
	f("<190>[syslog@9 s_sn=\"1\"]: no number before it", ingest.Line{
		Facility: 23, Severity: 6, Text: "[syslog@9 s_sn=\"1\"]: no number before it",
	})
	f("<190>45: text without a mnemonic", ingest.Line{Facility: 23, Severity: 6, Text: "45: text without a mnemonic"})
	f("<190>45: Mar  5 10:00:00: text without a mnemonic", ingest.Line{
		Facility: 23, Severity: 6, Timestamp: stamp, Text: "text without a mnemonic",
	})
}

func TestMnemonics(t *testing.T) {
	f := func(raw, mnemonic string, severity int, text string) {
		t.Helper()
		reads(t)(raw, ingest.Line{Facility: -1, Severity: severity, Mnemonic: mnemonic, Text: text})
	}
	f("%LINK-3-UPDOWN: x", "%LINK-3-UPDOWN", 3, "x")
	f("%LINK-3-UPDOWN:x", "%LINK-3-UPDOWN", 3, "x")
	f("%LINK-3-UPDOWN", "%LINK-3-UPDOWN", 3, "")
	f("%PKT_INFRA-LINK-3-UPDOWN : x", "%PKT_INFRA-LINK-3-UPDOWN", 3, "x")
	f("%L2-BM-6-ACTIVE: x", "%L2-BM-6-ACTIVE", 6, "x")
	f("%IPV6_ACL-6-ACCESSLOGP: x", "%IPV6_ACL-6-ACCESSLOGP", 6, "x")
	f("%LOG_LOCAL7-2-SYSTEM_MSG [F0532][soaking]", "%LOG_LOCAL7-2-SYSTEM_MSG", 2, "[F0532][soaking]")
	f("%ASA-6-302013: x", "%ASA-6-302013", 6, "x")
	f("%%ASA-6-302013: x", "%ASA-6-302013", 6, "x")
	f("%ASA--6-302013: x", "%ASA--6-302013", 6, "x")
	f("%ASA-session-6-302013: x", "%ASA-session-6-302013", 6, "x")
	f("%PIX-1-104001: x", "%PIX-1-104001", 1, "x")
	f("%FTD-4-106023: x", "%FTD-4-106023", 4, "x")
	f("%SNMP-W-SNMPAUTHFAIL: x", "%SNMP-W-SNMPAUTHFAIL", 4, "x")
	f("%LINK-I-Up:  gi1", "%LINK-I-Up", 6, "gi1")
	text := func(raw string) {
		t.Helper()
		f(raw, "", -1, raw)
	}
	text("%")
	text("%%")
	text("% of users are gone")
	text("%LINK-3 x")
	text("%LINK-3- x")
	text("%LINK-9-UPDOWN x")
	text("%LINK-33-UPDOWN x")
	text("%-3-UPDOWN x")
	text("%LINK-3-UP=DOWN: x")
	text("%$ VDC-1")
}

func TestASA(t *testing.T) {
	f := func(raw, host string, stamp time.Time) {
		t.Helper()
		reads(t)("<166>"+raw+"%ASA-6-302013: Built", ingest.Line{
			Facility: 20, Severity: 6, Timestamp: stamp, Hostname: host, Mnemonic: "%ASA-6-302013", Text: "Built",
		})
	}
	stamp := at(2023, 12, 1, 10, 0, 0, 0)
	f("", "", time.Time{})
	f("Dec 01 2023 10:00:00: ", "", stamp)
	f("Dec 01 2023 10:00:00 fw1 : ", "fw1", stamp)
	f("Dec 01 2023 10:00:00 fw1: ", "fw1", stamp)
	f("Dec 01 2023 10:00:00: fw1 : ", "fw1", stamp)
	f(":Dec 01 10:00:00 UTC: ", "", stamp)
	f("Dec 01 10:00:00 192.0.2.1 ", "192.0.2.1", stamp)
	f("2023-12-01T10:00:00Z fw1  ", "fw1", stamp)
	f("2023-12-01T10:00:00Z fw1 : ", "fw1", stamp)
	f("fw1 : ", "fw1", time.Time{})
	f("fw1: ", "fw1", time.Time{})
}
