package ingest

import "net/netip"

// AllowList holds the networks that a receiver takes messages from.
type AllowList []netip.Prefix

// Permits reports whether a message from addr is taken. An empty list permits
// all. An IPv4 address that came as ::ffff:a.b.c.d is IPv4, and a zone is
// ignored.
func (a AllowList) Permits(addr netip.Addr) bool {
	if len(a) == 0 {
		return true
	}
	addr = addr.Unmap().WithZone("")
	for _, network := range a {
		if network.Contains(addr) {
			return true
		}
	}
	return false
}
