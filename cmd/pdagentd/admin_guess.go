package main

import (
	"net/netip"
	"sync"
	"time"
)

const (
	maxGuesses  = 10 // wrong tokens of one address, within guessWindow
	guessWindow = time.Minute
	maxGuessers = 4096 // addresses that are counted apart; those beyond share a count
)

// guesses counts wrong tokens by the address that they came from. Whoever has
// shown too many is not listened to until the window is over, not even with the
// right one, or else guessing could go on. Others are not kept waiting.
type guesses struct {
	now   func() time.Time
	mu    sync.Mutex
	since time.Time // when the window began
	wrong map[netip.Addr]int
}

// judge counts a token that is wrong, and returns how long its address has to
// wait before any is looked at again; 0: this one counts. It is one step, so
// that guesses at the same time are no more than those one after the other.
func (g *guesses) judge(remote string, right bool) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	if !now.Before(g.since.Add(guessWindow)) {
		g.since, g.wrong = now, map[netip.Addr]int{}
	}
	guesser := g.guesser(remote)
	if g.wrong[guesser] >= maxGuesses {
		return g.since.Add(guessWindow).Sub(now)
	}
	if !right {
		g.wrong[guesser]++
	}
	return 0
}

// guesser returns what an address is counted as: of IPv6 its /64, which one
// sender may have the whole of.
func (g *guesses) guesser(remote string) netip.Addr {
	at, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Addr{}
	}
	addr := at.Addr().Unmap().WithZone("")
	if addr.Is6() && !addr.IsLoopback() {
		network, _ := addr.Prefix(64) // 64 bits are always there
		addr = network.Addr()
	}
	if _, known := g.wrong[addr]; !known && len(g.wrong) >= maxGuessers {
		return netip.Addr{}
	}
	return addr
}
