package mapping

import (
	"net/netip"
	"strings"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// origin is one entry of from: a network, or a glob of host names.
type origin struct {
	network netip.Prefix
	host    *glob // in lower case; nil: network counts
}

// parseOrigin takes a CIDR, an address, or a host name or glob.
func parseOrigin(s string) (origin, bool) {
	if p, err := netip.ParsePrefix(s); err == nil {
		return origin{network: p.Masked()}, true
	}
	if a, err := netip.ParseAddr(s); err == nil {
		a = a.Unmap()
		return origin{network: netip.PrefixFrom(a, a.BitLen())}, true
	}
	if s == "" || strings.ContainsAny(s, " \t/:") {
		return origin{}, false
	}
	g := newGlob(strings.ToLower(s), 0)
	return origin{host: &g}, true
}

// comesFrom says whether m comes from one of the origins, or there is none.
func comesFrom(from []origin, m *ingest.Message) bool {
	for _, o := range from {
		if o.host == nil && o.network.Contains(m.Source.Unmap()) {
			return true
		}
		if o.host != nil && m.Host != "" && o.host.match(strings.ToLower(m.Host)) {
			return true
		}
	}
	return len(from) == 0
}
