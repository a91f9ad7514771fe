package spool

import (
	"errors"
	"fmt"
	"os"

	"github.com/pdaltagent/pdaltagent/mapping"
)

// Next returns the oldest events that are not removed, in the order of Append:
// at most maxEvents, and no more than the first whose records take maxBytes
// together; nil when there are none. It removes nothing: called again it
// returns the same, in events of their own, which are the caller's.
//
// The events come from one segment, so there may be fewer than there are. An
// error is about the disk; the next call may do better.
func (s *Spool) Next(maxEvents int, maxBytes int64) ([]*mapping.Event, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, fmt.Errorf("spool: %w", os.ErrClosed)
	}
	s.handed = s.handed[:0]
	for len(s.segments) > 0 {
		events, err := s.read(s.segments[0], maxEvents, maxBytes)
		if err == nil && len(events) == 0 {
			err = s.drop(0)
		}
		if err != nil {
			return nil, fmt.Errorf("spool %s: %w", s.config.Dir, err)
		}
		if len(events) > 0 {
			return events, nil
		}
	}
	return nil, nil
}

// read reads events from the oldest segment and notes where they end. A
// segment whose file is gone is empty.
func (s *Spool) read(seg *segment, maxEvents int, maxBytes int64) (events []*mapping.Event, err error) {
	if s.head == nil {
		path := s.path(segmentName(seg.number))
		head, err := s.files.Open(path, os.O_RDONLY)
		if gone(err) {
			s.log.Error("a segment of the spool was deleted by someone else", "file", path, "events", seg.records)
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		s.head = head
	}
	s.scanner.reset(s.head, seg.salt, seg.start, seg.end)
	for len(events) < max(maxEvents, 1) && (len(events) == 0 || s.scanner.off-seg.start < maxBytes) {
		body, skipped := s.scanner.next()
		s.setAside(s.head, seg, skipped, "checksum")
		if body == nil {
			break
		}
		e, err := parseEvent(body)
		if err != nil {
			s.setAside(s.head, seg, span{skipped.to, s.scanner.off}, err.Error())
			continue
		}
		events = append(events, e)
		s.handed = append(s.handed, s.scanner.off)
	}
	s.doubt(seg)
	return events, nil
}

// Remove says that the first n events that Next returned are on record
// elsewhere. They are not handed out again by this Spool even when it returns
// an error; after that, or a crash of the machine, the next one may.
func (s *Spool) Remove(n int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return fmt.Errorf("spool: %w", os.ErrClosed)
	}
	if n > len(s.handed) {
		return fmt.Errorf("spool: %d events cannot be removed, of %d that were handed out", n, len(s.handed))
	}
	if n <= 0 {
		return nil
	}
	if err := s.remove(n); err != nil {
		return fmt.Errorf("spool %s: %w", s.config.Dir, err)
	}
	return nil
}

func (s *Spool) remove(n int) error {
	seg := s.segments[0]
	seg.start = s.handed[n-1]
	s.handed = s.handed[n:]
	if seg.start == seg.end {
		return s.drop(0)
	}
	// Len says that something is left until the end, lest new events
	// overtake what the disk did not give when it was counted.
	left := max(seg.records-n, 1)
	s.events.Add(int64(left - seg.records))
	seg.records = left
	return s.position.write(seg.number, seg.start)
}

// drop gives up a segment that holds no more events.
func (s *Spool) drop(i int) error {
	seg := s.segments[i]
	s.segments = append(s.segments[:i:i], s.segments[i+1:]...)
	s.bytes.Add(-seg.end)
	s.events.Add(int64(-seg.records)) // with what was damaged since it was counted
	var faults []error
	if i == 0 && s.head != nil {
		faults = append(faults, s.head.Close())
		s.head = nil
	}
	if s.writer != nil && s.writer.segment == seg {
		faults = append(faults, s.writer.file.Close())
		s.writer = nil
	}
	if err := s.discard(seg); !gone(err) {
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}
