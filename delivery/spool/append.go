package spool

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/pdaltagent/pdaltagent/mapping"
)

// batchBytes is how large a buffer is kept for the next batch.
const batchBytes = 1 << 20

// writer writes the newest segment.
type writer struct {
	file    file
	segment *segment
	failed  bool // what is behind the segment's end must be cut off
}

// Append writes a batch. When it returns nil all of it is on disk; when it
// returns an error none of it is handed out, and the next call may do better:
// ErrFull and ENOSPC end when events are removed or the disk has room again.
// An event is not kept by Append, nor changed.
func (s *Spool) Append(events []*mapping.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return fmt.Errorf("spool: %w", os.ErrClosed)
	}
	if len(events) == 0 {
		return nil
	}
	if err := s.append(events); err != nil {
		return fmt.Errorf("spool %s: %w", s.config.Dir, err)
	}
	return nil
}

func (s *Spool) append(events []*mapping.Event) error {
	if err := s.cut(); err != nil {
		return err
	}
	ends, err := s.encode(events)
	if err != nil {
		return err
	}
	size := int64(len(s.batch))
	if s.bytes.Load()+size+headerBytes > s.config.MaxBytes {
		return fmt.Errorf("%w: it holds %d bytes, and may hold %d (spool.max_bytes); it empties itself when the database is back",
			ErrFull, s.bytes.Load(), s.config.MaxBytes)
	}
	if err = s.room(size); err != nil {
		return err
	}
	w := s.writer
	s.frame(ends, w.segment)
	if _, err = w.file.WriteAt(s.batch, w.segment.end); err == nil {
		err = w.file.Sync()
	}
	if err != nil {
		w.failed = true
		return errors.Join(err, s.cut())
	}
	w.segment.end += size
	w.segment.records += len(events)
	s.bytes.Add(size)
	s.events.Add(int64(len(events)))
	return nil
}

// encode fills s.batch with the events' records, whose frames are still
// empty, and returns where each ends.
func (s *Spool) encode(events []*mapping.Event) (ends []int, err error) {
	if cap(s.batch) > batchBytes {
		s.batch = nil
	}
	b := s.batch[:0]
	ends = make([]int, len(events))
	for i, e := range events {
		at := len(b) + frameBytes
		b = appendEvent(append(b, make([]byte, frameBytes)...), e)
		if len(b)-at > maxBody {
			return nil, fmt.Errorf("event %s has %d bytes, and a record holds %d", e.ID, len(b)-at, maxBody)
		}
		ends[i] = len(b)
	}
	s.batch = b
	return ends, nil
}

// frame fills in the frames of s.batch, for the place where it is written.
func (s *Spool) frame(ends []int, seg *segment) {
	f := framesOf(seg.salt)
	at := 0
	for _, end := range ends {
		f.put(s.batch[at:], seg.end+int64(at), s.batch[at+frameBytes:end])
		at = end
	}
}

// room makes s.writer write a segment that a batch fits into, which is a new
// one if need be. A batch is never divided.
func (s *Spool) room(size int64) error {
	if w := s.writer; w != nil {
		if w.segment.end+size <= s.config.SegmentBytes {
			return nil
		}
		if err := s.seal(); err != nil {
			return err
		}
	}
	number := max(s.last+1, uint64(time.Now().UnixNano()))
	seg := &segment{number: number, salt: number, start: headerBytes, end: headerBytes}
	f, err := s.create(seg)
	if err != nil {
		return err
	}
	s.last = number
	s.writer = &writer{file: f, segment: seg}
	s.segments = append(s.segments, seg)
	s.bytes.Add(headerBytes)
	return nil
}

// create makes the file of a segment, whose name is durable when it returns
// nil. The header is synced with the first batch.
func (s *Spool) create(seg *segment) (file, error) {
	path := s.path(segmentName(seg.number))
	f, err := s.files.Open(path, os.O_RDWR|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return nil, err
	}
	if _, err = f.WriteAt(appendHeader(nil, seg.number), 0); err == nil {
		err = s.files.SyncDir(s.config.Dir)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close(), s.files.Remove(path))
	}
	return f, nil
}

// cut cuts off what a failed write left behind the end of the newest segment,
// and closes that: after a failed sync nobody knows what the kernel has
// dropped, so nothing more is written there. While that fails nothing is
// appended at all, lest a restart finds what senders were told is lost.
func (s *Spool) cut() error {
	w := s.writer
	if w == nil || !w.failed {
		return nil
	}
	if err := w.file.Truncate(w.segment.end); err != nil {
		return err
	}
	return s.seal()
}

// seal ends the newest segment.
func (s *Spool) seal() error {
	w := s.writer
	s.writer = nil
	err := w.file.Close()
	if w.segment.records == 0 {
		err = errors.Join(err, s.drop(len(s.segments)-1))
	}
	return err
}
