package snmptrap

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"sync"
	"time"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// complaints logs what was wrong with datagrams, at most a line a second. A
// datagram is named by its size and its hash, never quoted: it may hold a
// community.
type complaints struct {
	log *slog.Logger

	mu      sync.Mutex
	next    time.Time // when a line may be logged again
	leftOut int       // since the last line
}

// about logs one line, or counts it as left out.
func (c *complaints) about(d *ingest.Datagram, level slog.Level, outcome ingest.Outcome, reason string) {
	ctx := context.Background()
	if !c.log.Enabled(ctx, level) {
		return
	}
	leftOut, ok := c.turn(time.Now())
	if !ok {
		return
	}
	sum := sha256.Sum256(d.Data)
	c.log.Log(ctx, level, "datagram refused", "protocol", ingest.SNMP, "outcome", outcome, "reason", reason,
		"source", d.From, "size", len(d.Data), "sha256", hex.EncodeToString(sum[:]), "left_out", leftOut)
}

func (c *complaints) turn(now time.Time) (leftOut int, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Before(c.next) {
		c.leftOut++
		return 0, false
	}
	leftOut, c.leftOut, c.next = c.leftOut, 0, now.Add(time.Second)
	return leftOut, true
}
