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

// wait returns how long an address has to wait until it may try again; 0: it
// may now.
func (g *guesses) wait(remote string) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	if over := g.since.Add(guessWindow).Sub(g.now()); over > 0 && g.wrong[g.guesser(remote)] >= maxGuesses {
		return over
	}
	return 0
}

// add counts a wrong token.
func (g *guesses) add(remote string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if now := g.now(); !now.Before(g.since.Add(guessWindow)) {
		g.since, g.wrong = now, map[netip.Addr]int{}
	}
	g.wrong[g.guesser(remote)]++
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
