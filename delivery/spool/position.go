package spool

import (
	"encoding/binary"
	"errors"
	"syscall"
)

const (
	positionMagic = "PDASPOS1"
	positionBytes = 28
)

// position is the file that says up to where the oldest segment is removed. It
// is written in place and not synced: one that is old, damaged or missing
// makes a restart hand out again what is in that segment, and no more.
type position struct{ file file }

// reserve gives the file its block, so that a position can be written when the
// disk is full. A disk that is full already gets its position later.
func (p position) reserve() error {
	size, err := p.file.Size()
	if err != nil || size >= positionBytes {
		return err
	}
	if err := p.write(0, 0); !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EDQUOT) {
		return err
	}
	return nil
}

// read returns a segment's number and an offset in it, or 0, 0.
func (p position) read() (number uint64, offset int64) {
	b := make([]byte, positionBytes)
	if _, err := p.file.ReadAt(b, 0); err != nil {
		return 0, 0
	}
	le := binary.LittleEndian
	if string(b[:8]) != positionMagic || le.Uint32(b[24:]) != checksum(0, b[:24]) {
		return 0, 0
	}
	return le.Uint64(b[8:]), int64(le.Uint64(b[16:]))
}

func (p position) write(number uint64, offset int64) error {
	b := append(make([]byte, 0, positionBytes), positionMagic...)
	b = binary.LittleEndian.AppendUint64(b, number)
	b = binary.LittleEndian.AppendUint64(b, uint64(offset))
	b = binary.LittleEndian.AppendUint32(b, checksum(0, b))
	_, err := p.file.WriteAt(b, 0)
	return err
}
