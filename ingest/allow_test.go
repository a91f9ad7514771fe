package ingest

import (
	"net/netip"
	"testing"
)

func TestAllowListPermitsItsNetworksAlone(t *testing.T) {
	f := func(addr string, want bool, networks ...string) {
		t.Helper()
		var list AllowList
		for _, n := range networks {
			list = append(list, netip.MustParsePrefix(n))
		}
		if got := list.Permits(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%v permits %s: %v, want %v", networks, addr, got, want)
		}
	}
	f("192.0.2.1", true)
	f("2001:db8::1", true)
	f("192.0.2.1", true, "198.51.100.0/24", "192.0.2.0/24")
	f("192.0.3.1", false, "198.51.100.0/24", "192.0.2.0/24")
	f("::ffff:192.0.2.1", true, "192.0.2.0/24")
	f("192.0.2.77", true, "192.0.2.1/24") // bits beyond the prefix do not matter
	f("192.0.2.1", false, "::/0")
	f("2001:db8::1", false, "0.0.0.0/0")
	f("2001:db8::1", true, "0.0.0.0/0", "::/0")
	f("fe80::1%eth0", true, "fe80::/10")
}
