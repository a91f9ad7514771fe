// Package spool holds events on disk while Postgres is away. What comes in are
// batches of mapping.Events that could not be committed; what goes out are the
// same events, in the same order, when they can be.
//
// It promises that what Append took is on disk, whatever kills the process or
// the machine afterwards, and is handed out by Next until Remove has been told
// that it is on record elsewhere. An event may be handed out again after a
// crash, with the same id, so the caller commits what comes from here as if it
// had been tried before. What the disk damaged is set aside into a file of its
// own and named in the log; what is around it is handed out. A full disk and a
// full spool are errors of Append, and nothing else changes. Memory is bounded
// by what Append is given and Next is asked for, not by what is spooled.
package spool

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
)

// ErrFull is the error of Append when Config.MaxBytes would be exceeded.
var ErrFull = errors.New("spool is full")

// Config is the part of the configuration that is about the spool.
type Config struct {
	Dir          string `yaml:"-"`             // made where it is missing; belongs to one process at a time
	MaxBytes     int64  `yaml:"max_bytes"`     // all segments together; 0: 1 GiB
	SegmentBytes int64  `yaml:"segment_bytes"` // a file is closed before a batch that does not fit; 0: 16 MiB
}

const (
	defaultMaxBytes     = 1 << 30
	defaultSegmentBytes = 16 << 20
	minSegmentBytes     = 64 << 10
)

// Validate names every fault that can be seen without touching the disk.
func (c Config) Validate() error {
	var faults []error
	c = c.withDefaults()
	if c.SegmentBytes < minSegmentBytes {
		faults = append(faults, fmt.Errorf("segment_bytes: %d is less than %d; leave it out for %d",
			c.SegmentBytes, minSegmentBytes, defaultSegmentBytes))
	}
	if c.MaxBytes < c.SegmentBytes {
		faults = append(faults, fmt.Errorf("max_bytes: %d is less than the %d of one segment; leave it out for %d",
			c.MaxBytes, c.SegmentBytes, defaultMaxBytes))
	}
	return errors.Join(faults...)
}

func (c Config) withDefaults() Config {
	if c.MaxBytes == 0 {
		c.MaxBytes = defaultMaxBytes
	}
	if c.SegmentBytes == 0 {
		c.SegmentBytes = min(defaultSegmentBytes, max(minSegmentBytes, c.MaxBytes/4))
	}
	return c
}

// Spool is a queue of events in files. Its methods may be called from any
// goroutine; Next and Remove belong to one of them, which replays.
type Spool struct {
	config Config
	log    *slog.Logger
	files  filesystem
	lock   *os.File

	events, bytes, damaged atomic.Int64

	mu       sync.Mutex // held while the disk is written and read, but not by Len
	closed   bool
	segments []*segment // the oldest first
	last     uint64     // the greatest number that a segment ever had here
	writer   *writer    // of the newest segment; nil: the next batch starts one
	batch    []byte     // Append's buffer
	head     file       // the oldest segment, as Next reads it; nil: not open
	scanner  scanner    // Next's
	handed   []int64    // where the events that Next returned last end in the oldest segment
	position position
}

// segment is one file: what of it is not removed yet.
type segment struct {
	number     uint64 // names the file
	salt       uint64 // the number that its records were written with
	start, end int64  // of the records that are not removed
	records    int    // between start and end
	noted      int64  // up to where damage was set aside or named
	keep       bool   // some could not be set aside: the file is kept as a whole
}

// Open takes the spool in config.Dir, with what an earlier process left in it:
// what was being written when that ended is cut off, what is damaged is set
// aside.
func Open(config Config, log *slog.Logger) (*Spool, error) {
	return open(config, log, disk{})
}

func open(config Config, log *slog.Logger, files filesystem) (*Spool, error) {
	if err := config.Validate(); err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	if config.Dir == "" {
		return nil, errors.New("spool: it has no folder; set data_dir")
	}
	s := &Spool{config: config.withDefaults(), log: log, files: files}
	if err := s.start(); err != nil {
		_ = s.Close()
		return nil, fmt.Errorf("spool %s: %w", config.Dir, err)
	}
	return s, nil
}

func (s *Spool) start() (err error) {
	if err = os.MkdirAll(s.config.Dir, 0o700); err != nil {
		return err
	}
	if err = s.files.SyncDir(filepath.Dir(s.config.Dir)); err != nil {
		return err
	}
	if s.lock, err = lock(s.config.Dir); err != nil {
		return err
	}
	f, err := s.files.Open(s.path("position"), os.O_RDWR|os.O_CREATE)
	if err != nil {
		return err
	}
	s.position = position{f}
	if err := s.position.reserve(); err != nil {
		return err
	}
	return s.load()
}

// Len returns how many events wait and how many bytes their files have. It
// never waits for the disk.
func (s *Spool) Len() (events int, bytes int64) {
	return int(s.events.Load()), s.bytes.Load()
}

// MaxBytes returns how much it may hold.
func (s *Spool) MaxBytes() int64 { return s.config.MaxBytes }

// Damaged returns how many stretches of damaged records were set aside since
// Open.
func (s *Spool) Damaged() int { return int(s.damaged.Load()) }

// Close gives the folder up. What is in it stays, for the next Open.
func (s *Spool) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	var faults []error
	if s.writer != nil {
		faults = append(faults, s.writer.file.Close())
	}
	if s.head != nil {
		faults = append(faults, s.head.Close())
	}
	if s.position.file != nil {
		faults = append(faults, s.position.file.Close())
	}
	if s.lock != nil {
		unlock(s.lock)
	}
	return errors.Join(faults...)
}

func (s *Spool) path(name string) string { return filepath.Join(s.config.Dir, name) }
