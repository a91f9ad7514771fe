package syslog

import (
	"testing"

	"github.com/pdaltagent/pdaltagent/ingest"
)

func TestVendors(t *testing.T) {
	stamp := at(2024, 3, 5, 10, 0, 0, 0)
	f := func(raw, host, app, pid, text string) {
		t.Helper()
		reads(t)("<134>"+raw, ingest.Line{
			Facility: 16, Severity: 6, Timestamp: stamp, Hostname: host, AppName: app, ProcID: pid, Text: text,
		})
	}
	// Palo Alto Networks.
	f("Mar  5 10:00:00 pa-1 1,2024/03/05 10:00:00,0128010,TRAFFIC,start", "pa-1", "", "", "1,2024/03/05 10:00:00,0128010,TRAFFIC,start")
	f("Mar  5 10:00:00 1,2024/03/05 10:00:00,0128010,TRAFFIC,start", "", "", "", "1,2024/03/05 10:00:00,0128010,TRAFFIC,start")
	// Check Point, as CEF.
	f("Mar  5 10:00:00 gw1 CEF:0|Check Point|VPN-1|x|", "gw1", "CEF", "", "CEF:0|Check Point|VPN-1|x|")
	f("Mar  5 10:00:00 gw1 CEF: 0|Check Point|VPN-1|x|", "gw1", "CEF", "", "CEF: 0|Check Point|VPN-1|x|")
	f("Mar  5 10:00:00 gw1 LEEF:1.0|Forcepoint|x|", "gw1", "LEEF", "", "LEEF:1.0|Forcepoint|x|")
	// F5.
	f("Mar  5 10:00:00 bigip1 notice mcpd[6720]: 01070640:5: Node down", "bigip1", "mcpd", "6720", "01070640:5: Node down")
	f("Mar  5 10:00:00 bigip1 info logger: [ssl_acc] x", "bigip1", "logger", "", "[ssl_acc] x")
	// Aruba: the year is last.
	f("Mar  5 10:00:00 2024 mc1 stm[8447]: <501093> <NOTI> AP down", "mc1", "stm", "8447", "<501093> <NOTI> AP down")
	// HPE Comware and Huawei.
	f("Mar  5 10:00:00 2024 sw1 %%10SHELL/5/SHELL_LOGIN: x", "sw1", "%%10SHELL/5/SHELL_LOGIN", "", "x")
	f("Mar  5 2024 10:00:00 sw1 %%01IFNET/4/LINK_STATE(l)[1]:x", "sw1", "%%01IFNET/4/LINK_STATE(l)", "1", "x")
	// MikroTik.
	f("Mar  5 10:00:00 rb1 firewall,info forward: in:ether1 out:ether2", "rb1", "firewall,info", "", "forward: in:ether1 out:ether2")
	f("Mar  5 10:00:00 rb1 system,error,critical login failure for user admin", "rb1", "system,error,critical", "", "login failure for user admin")
	// UniFi.
	f("Mar  5 10:00:00 U7PG2,f09fc2aabbcc,v4.0.15: hostapd: ath0: STA x", "U7PG2,f09fc2aabbcc,v4.0.15", "hostapd", "", "ath0: STA x")
	f("Mar  5 10:00:00 (\"U7PG2,f09fc2aabbcc,v4.0.15\") hostapd: ath0: STA x", "U7PG2,f09fc2aabbcc,v4.0.15", "hostapd", "", "ath0: STA x")
	f("Mar  5 10:00:00 ap1 f09fc2aabbcc,UAP-AC-6.0.21+13673: hostapd[9]: ath0: STA x", "ap1", "hostapd", "9", "ath0: STA x")
	// VMware.
	f("2024-03-05T10:00:00.000Z esx1 Hostd: [Originator@6876 sub=x] y", "esx1", "Hostd", "", "[Originator@6876 sub=x] y")
	f("2024-03-05T10:00:00.000Z esx1 Vpxa[2099]: verbose x", "esx1", "Vpxa", "2099", "verbose x")
	f("2024-03-05T10:00:00.000Z warning vpxd[07879] [Originator@6876] x", "", "vpxd", "07879", "[Originator@6876] x")
	// Citrix ADC.
	f(" 03/05/2024:10:00:00 GMT ns1 0-PPE-0 : default EVENT DEVICEUP 95 :  up", "ns1", "0-PPE-0", "", "default EVENT DEVICEUP 95 :  up")
	f(" 2024/03/05:10:00:00 GMT ns1 0-PPE-0 : default EVENT DEVICEUP 95 :  up", "ns1", "0-PPE-0", "", "default EVENT DEVICEUP 95 :  up")
	// Sophos UTM.
	f("2024:03:05-10:00:00 utm-1 httpd[42]: x", "utm-1", "httpd", "42", "x")
	// Cisco Meraki and ISE.
	f("1 1709632800.000000000 mx84 urls src=192.0.2.1:63735", "mx84", "urls", "", "src=192.0.2.1:63735")
	f("Mar  5 10:00:00 ise1 CISE_Failed_Attempts 0000001 1 0 x", "ise1", "CISE_Failed_Attempts", "", "CISE_Failed_Attempts 0000001 1 0 x")
	// Juniper, as RFC 3164.
	f("Mar  5 10:00:00 mx1 rpd[1234]: BGP_DOWN: peer 192.0.2.1", "mx1", "rpd", "1234", "BGP_DOWN: peer 192.0.2.1")
	// Snare.
	f("Mar  5 10:00:00 win1 MSWinEventLog\t1\tSecurity", "win1", "MSWinEventLog", "", "MSWinEventLog\t1\tSecurity")
	// BusyBox.
	f("Mar  5 10:00:00 gw1 user.info kernel: TTL=126", "gw1", "kernel", "", "TTL=126")
}

func TestVendorsWithoutTimestamp(t *testing.T) {
	f := func(raw, host, app, text string) {
		t.Helper()
		reads(t)("<134>"+raw, ingest.Line{Facility: 16, Severity: 6, Hostname: host, AppName: app, Text: text})
	}
	f("system,error,critical login failure for user admin", "", "system,error,critical", "login failure for user admin")
	f("script,info hello", "", "script,info", "hello")
	f("apples,pears and more", "", "", "apples,pears and more")
	f("CEF:0|x|y|", "", "CEF", "CEF:0|x|y|")
	f("ssg1: NetScreen device_id=1  [Root]x", "ssg1", "NetScreen", "NetScreen device_id=1  [Root]x")
	f("time=16:48:00 devname=\"fw1\" devid=\"1\"", "fw1", "", "time=16:48:00 devname=\"fw1\" devid=\"1\"")
	f("key=\"value\" other: x", "", "", "key=\"value\" other: x")
}

func TestProCurveEventNumbersAreMessageIDs(t *testing.T) {
	reads(t)("<190> Mar  5 10:00:00 192.0.2.1 00076 ports: port 1 is now on-line", ingest.Line{
		Facility: 23, Severity: 6, Timestamp: at(2024, 3, 5, 10, 0, 0, 0), Hostname: "192.0.2.1",
		MsgID: "00076", AppName: "ports", Text: "port 1 is now on-line",
	})
}

func TestALevelWordIsTheSeverityOfALineWithoutPRI(t *testing.T) {
	for raw, want := range map[string]int{
		"Mar  5 10:00:00 bigip1 err mcpd[6720]: x":    3,
		"Mar  5 10:00:00 bigip1 notice mcpd[6720]: x": 5,
		"Mar  5 10:00:00 gw1 kern.warning kernel: x":  4,
	} {
		if got := parsed(raw).Severity; got != want {
			t.Errorf("%q: severity %d, want %d", raw, got, want)
		}
	}
}

func TestKeyValueHeaders(t *testing.T) {
	f := func(text, host string, hour int) {
		t.Helper()
		reads(t)("<189>"+text, ingest.Line{
			Facility: 23, Severity: 5, Timestamp: at(2024, 3, 5, hour, 0, 0, 0), Hostname: host, Text: text,
		})
	}
	f(`date=2024-03-05 time=10:00:00 devname="fw1" devid="FG1" tz="-0500" msg="x"`, "fw1", 15)
	f(`date=2024-03-05 time=10:00:00 devname=fw1 devid=FG1`, "fw1", 10)
	f(`devname="fw1" devid="FG1" date=2024-03-05 time=10:00:00 tz="+0100"`, "fw1", 9)
	f(`device="SFW" date=2024-03-05 time=10:00:00 timezone="CET" device_name="XG230"`, "", 9)
	f(`id=firewall sn=1 time="2024-03-05 10:00:00 UTC" fw=192.0.2.1 pri=6`, "", 10)
	f(`id=firewall time="2024-03-05 10:00:00" fw="sns1" tz=+0100 startime="2024-03-05 09:00:00"`, "", 9)
	f(`id=firewall time=2024-03-05 10:00:00 fw=sns1 tz=+0100`, "", 9)
}
