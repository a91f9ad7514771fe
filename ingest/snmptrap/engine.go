package snmptrap

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"
)

// engine is our own SNMP engine, which is authoritative for the INFORMs that
// are sent to us (RFC 3411 section 3.1.1, RFC 3414 section 2.2).
type engine struct {
	id      string
	boots   uint32
	started time.Time
	salt    atomic.Uint64
}

// engineFile is what is kept of an engine from one start to the next.
type engineFile struct {
	EngineID string `json:"engine_id"` // in hexadecimal
	Boots    uint32 `json:"boots"`     // how often it was started
}

// openEngine returns the engine that is kept in dir, started once more. Its id
// is configured, or else the one that is kept, or else a new one. An empty dir
// keeps nothing.
func openEngine(dir, configured string) (*engine, error) {
	var kept engineFile
	if dir != "" {
		var err error
		if kept, err = readEngineFile(filepath.Join(dir, "engine.json")); err != nil {
			return nil, err
		}
	}
	id, err := parseEngineID(kept.EngineID)
	if configured != "" {
		id, err = parseEngineID(configured)
	}
	if err != nil {
		return nil, fmt.Errorf("engine_id: %w", err)
	}
	if id == "" {
		id = newEngineID()
	}
	if kept.Boots >= math.MaxInt32-1 {
		return nil, fmt.Errorf("snmp engine %s was started too often to go on (RFC 3414 section 2.2.3): remove %s and, if it is set, change engine_id", hex.EncodeToString([]byte(id)), dir)
	}
	e := &engine{id: id, boots: kept.Boots + 1, started: time.Now()}
	e.salt.Store(random64())
	if dir == "" {
		return e, nil
	}
	return e, writeEngineFile(dir, engineFile{EngineID: hex.EncodeToString([]byte(id)), Boots: e.boots})
}

func readEngineFile(path string) (kept engineFile, err error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return kept, nil
	}
	if err != nil {
		return kept, fmt.Errorf("snmp engine: %w", err)
	}
	if err = json.Unmarshal(text, &kept); err == nil {
		_, err = parseEngineID(kept.EngineID)
	}
	if err != nil {
		return kept, fmt.Errorf("snmp engine %s: %w; remove the file, and a new engine id is made, which senders of informs discover", path, err)
	}
	return kept, nil
}

// writeEngineFile replaces the file as a whole, on disk when it returns: an
// engine that forgets a start could be made to take old messages again.
func writeEngineFile(dir string, kept engineFile) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("snmp engine: %w", err)
		}
	}()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	text, err := json.Marshal(kept)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".engine-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // it is gone once it is renamed
	_, err = f.Write(append(text, '\n'))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), filepath.Join(dir, "engine.json")); err != nil {
		return err
	}
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// newEngineID makes an id of random octets (RFC 3411 section 5, format 5). The
// enterprise number is 0, which is reserved, for we have none.
func newEngineID() string {
	id := make([]byte, 17)
	_, _ = rand.Read(id[5:]) // never fails
	id[0], id[4] = 0x80, 5
	return string(id)
}

func random64() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	var v uint64
	for _, o := range b {
		v = v<<8 | uint64(o)
	}
	return v
}

// time is snmpEngineTime, in seconds.
func (e *engine) time(now time.Time) uint32 { return uint32(now.Sub(e.started) / time.Second) }

// timely reports whether boots and t, as a message has them, are within the
// time window of e (RFC 3414 section 3.2 step 7a).
func (e *engine) timely(boots, t uint32, now time.Time) bool {
	return boots == e.boots && max(t, e.time(now))-min(t, e.time(now)) <= timeWindow
}
