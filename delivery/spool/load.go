package spool

import (
	"errors"
	"io/fs"
	"os"
	"slices"
)

// load reads what an earlier process left.
func (s *Spool) load() error {
	numbers, err := s.numbers()
	if err != nil {
		return err
	}
	for i, number := range numbers {
		if err := s.adopt(number, i == len(numbers)-1); err != nil {
			return err
		}
		s.last = number
	}
	if events, bytes := s.Len(); bytes > 0 {
		s.log.Info("events wait in the spool from before the start", "events", events, "bytes", bytes)
	}
	return nil
}

// numbers returns the numbers of the segments in the folder, the oldest first.
func (s *Spool) numbers() ([]uint64, error) {
	entries, err := os.ReadDir(s.config.Dir)
	if err != nil {
		return nil, err
	}
	var numbers []uint64
	for _, e := range entries {
		if number, ok := segmentNumber(e.Name()); ok && e.Type().IsRegular() {
			numbers = append(numbers, number)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

// adopt takes a segment that an earlier process wrote. Only in the newest can
// the end be a record that was being written.
func (s *Spool) adopt(number uint64, newest bool) (err error) {
	name := segmentName(number)
	f, err := s.files.Open(s.path(name), os.O_RDWR)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	size, err := f.Size()
	if err != nil {
		return err
	}
	if size < headerBytes {
		s.log.Warn("a segment of the spool ends before its first record and is deleted", "file", s.path(name), "size", size)
		return s.files.Remove(s.path(name))
	}
	seg := &segment{number: number, salt: number, start: headerBytes, end: size}
	if !s.identify(f, seg) {
		return nil
	}
	if at, offset := s.position.read(); at == number && offset >= headerBytes && offset <= size {
		seg.start = offset
	}
	torn := s.count(f, seg)
	if newest && torn < seg.end {
		s.log.Warn("the last record of the spool was being written when the process ended, and is cut off; nobody was told that it is safe",
			"file", s.path(name), "offset", torn, "size", size-torn)
		if err := f.Truncate(torn); err != nil {
			return err
		}
		seg.end = torn
	} else if torn < seg.end {
		s.setAside(f, seg, span{torn, seg.end}, "the file ends within a record")
	}
	seg.noted = seg.start // Next looks closer
	s.segments = append(s.segments, seg)
	s.bytes.Add(seg.end)
	s.events.Add(int64(seg.records))
	if seg.records == 0 {
		return s.drop(len(s.segments) - 1)
	}
	return nil
}

// identify reads a segment's header. It returns false for a segment that only
// a newer version can read; that is left where it is.
func (s *Spool) identify(f file, seg *segment) bool {
	header := make([]byte, headerBytes)
	_, _ = f.ReadAt(header, 0) // what cannot be read is no header
	version, number, ok := parseHeader(header)
	path := s.path(segmentName(seg.number))
	switch {
	case !ok:
		s.log.Warn("the header of a segment of the spool is damaged; its records are looked for by its file name", "file", path)
	case version != formatVersion:
		s.log.Error("a segment of the spool was written by another version of pdagentd and is not replayed; start that version once, or a newer one",
			"file", path, "size", seg.end, "format", version, "format_known", formatVersion)
		return false
	default:
		seg.salt = number
	}
	return true
}

// count counts a segment's records, sets aside what is damaged, and returns
// where a record begins that the end cuts off.
func (s *Spool) count(f file, seg *segment) (torn int64) {
	s.scanner.reset(f, seg.salt, seg.start, seg.end)
	for {
		body, skipped := s.scanner.next()
		skipped.to = min(skipped.to, s.scanner.torn)
		s.setAside(f, seg, skipped, "checksum")
		if body == nil {
			s.doubt(seg)
			return s.scanner.torn
		}
		seg.records++
	}
}

// gone tells whether err says that there is no such file.
func gone(err error) bool { return errors.Is(err, fs.ErrNotExist) }
