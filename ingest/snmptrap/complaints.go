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

// about logs one line, or counts it as left out. m is the message in d if that
// is of v3; what it says need not be true.
func (c *complaints) about(d *ingest.Datagram, level slog.Level, r refusal, m *secured) {
	ctx := context.Background()
	if !c.log.Enabled(ctx, level) {
		return
	}
	leftOut, ok := c.turn(time.Now())
	if !ok {
		return
	}
	sum := sha256.Sum256(d.Data)
	attrs := []slog.Attr{
		slog.String("protocol", string(ingest.SNMP)), slog.String("outcome", string(r.outcome)), slog.String("reason", r.reason),
		slog.Any("source", d.From), slog.Int("size", len(d.Data)), slog.String("sha256", hex.EncodeToString(sum[:])),
	}
	if m != nil && m.user != nil {
		attrs = append(attrs, slog.String("user", string(m.user)), slog.String("engine_id", hex.EncodeToString(m.engine)))
	}
	c.log.LogAttrs(ctx, level, "datagram refused", append(attrs, slog.Int("left_out", leftOut))...)
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
