package spool

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

const damagedSuffix = ".damaged"

// setAside copies a part of a segment that is no record into a file of its
// own, once, and names it in the log. Where that cannot be done, the segment is
// kept as a whole when the rest of it is removed.
func (s *Spool) setAside(f file, seg *segment, part span, reason string) {
	if part.empty() || part.from < seg.noted {
		return
	}
	seg.noted = part.to
	name := fmt.Sprintf("%019d-%d%s", seg.number, part.from, damagedSuffix)
	err := s.copyOut(f, part, s.path(name))
	if errors.Is(err, fs.ErrExist) {
		return
	}
	s.damaged.Add(1)
	if err != nil {
		seg.keep = true
		s.log.Error("a part of the spool is damaged and cannot be copied; its segment is kept when the rest of it is replayed",
			"file", s.path(segmentName(seg.number)), "offset", part.from, "size", part.to-part.from, "reason", reason, "error", err)
		return
	}
	s.log.Error("a part of the spool is damaged and set aside; the rest is replayed",
		"file", s.path(segmentName(seg.number)), "offset", part.from, "size", part.to-part.from, "reason", reason, "set_aside", s.path(name))
}

// copyOut copies a part of a segment into a file that is on disk when it
// returns nil, or not there.
func (s *Spool) copyOut(f file, part span, path string) error {
	to, err := s.files.Open(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return err
	}
	from := io.NewSectionReader(f, part.from, part.to-part.from)
	_, err = io.Copy(io.NewOffsetWriter(to, 0), from)
	if err == nil {
		err = to.Sync()
	}
	if err = errors.Join(err, to.Close()); err != nil {
		return errors.Join(err, s.files.Remove(path))
	}
	return nil
}

// discard deletes a segment's file, or gives it a name that says it is kept.
func (s *Spool) discard(seg *segment) error {
	path := s.path(segmentName(seg.number))
	if !seg.keep {
		return s.files.Remove(path)
	}
	kept := strings.TrimSuffix(path, segmentSuffix) + damagedSuffix
	s.log.Error("a segment of the spool is replayed but for what is damaged, and kept", "file", kept)
	return s.files.Rename(path, kept)
}

// doubt keeps a segment of which the disk did not give some bytes: it may do so
// later.
func (s *Spool) doubt(seg *segment) {
	if s.scanner.fault == nil || seg.keep {
		return
	}
	seg.keep = true
	s.log.Error("the disk does not give a part of the spool; its segment is kept when the rest of it is replayed",
		"file", s.path(segmentName(seg.number)), "error", s.scanner.fault)
}
