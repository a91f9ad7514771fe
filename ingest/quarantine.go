package ingest

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Sizes of a quarantine.
const (
	quarantineFiles = 100
	quarantineBurst = 8           // datagrams that are kept at once
	quarantinePause = time.Second // for each one more
)

// Quarantine keeps datagrams that could not be decoded in a folder, each as it
// came in a file of its own, so that someone can look at them later. The names
// of the files begin with the time of receipt (UTC) and end with the first 12
// digits of the SHA-256. There are at most a hundred; the oldest go first. Its
// methods may be called from any goroutine; a nil Quarantine keeps nothing.
type Quarantine struct {
	dir string
	log *slog.Logger

	mu      sync.Mutex
	names   []string // oldest first
	room    int      // datagrams that may be kept now
	since   time.Time
	leftOut int // since one was kept
}

// NewQuarantine returns a quarantine in dir, which it makes where it does not
// exist; what an earlier one has kept there stays.
func NewQuarantine(dir string, log *slog.Logger) (*Quarantine, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("quarantine: %w", err)
	}
	entries, err := os.ReadDir(dir) // sorted
	if err != nil {
		return nil, fmt.Errorf("quarantine: %w", err)
	}
	q := &Quarantine{dir: dir, log: log, room: quarantineBurst, since: time.Now()}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), quarantineSuffix) {
			q.names = append(q.names, e.Name())
		}
	}
	return q, nil
}

const quarantineSuffix = ".datagram"

// Keep writes d to a file and logs why, and reports whether it did: it keeps a
// datagram that is like one of those that are kept no second time, and no more
// than a few at once and one a second, for senders repeat their mistakes. What
// is logged quotes nothing of d, which may hold a community.
func (q *Quarantine) Keep(d *Datagram, reason string) bool {
	if q == nil || len(d.Data) == 0 || !q.turn(time.Now()) {
		return false
	}
	sum := sha256.Sum256(d.Data)
	hash := hex.EncodeToString(sum[:6])
	q.mu.Lock()
	defer q.mu.Unlock()
	if slices.ContainsFunc(q.names, func(name string) bool { return strings.Contains(name, hash) }) {
		q.leftOut++
		return false
	}
	name := d.At.UTC().Format("20060102T150405.000000000Z") + "-" + hash + quarantineSuffix
	attrs := []any{
		"file", filepath.Join(q.dir, name), "reason", reason, "source", d.From,
		"size", len(d.Data), "sha256", hash, "left_out", q.leftOut,
	}
	if err := q.write(name, d.Data); err != nil {
		q.log.Error("a datagram that does not decode cannot be kept", append(attrs, "error", err)...)
		return true
	}
	q.leftOut = 0
	q.log.Warn("a datagram does not decode: it is kept in the quarantine", attrs...)
	return true
}

// turn reports whether a datagram may be looked at now.
func (q *Quarantine) turn(now time.Time) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if n := int(now.Sub(q.since) / quarantinePause); n > 0 {
		q.room = min(q.room+n, quarantineBurst)
		q.since = q.since.Add(time.Duration(n) * quarantinePause)
	}
	if q.room <= 0 {
		q.leftOut++
		return false
	}
	q.room--
	return true
}

// write writes a file of mode 0600, and takes away those that are too many.
func (q *Quarantine) write(name string, data []byte) error {
	var errs []error
	for len(q.names) >= quarantineFiles {
		if err := os.Remove(filepath.Join(q.dir, q.names[0])); !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
		q.names = q.names[1:]
	}
	f, err := os.OpenFile(filepath.Join(q.dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return errors.Join(append(errs, err)...)
	}
	q.names = append(q.names, name)
	_, err = f.Write(data)
	return errors.Join(append(errs, err, f.Close())...)
}
