package spool

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
)

// A segment is a header and records, which README.md describes byte by byte.
const (
	magic         = "PDASPOOL"
	formatVersion = 1
	headerBytes   = 24
	frameBytes    = 12       // before each record's body
	maxBody       = 16 << 20 // of one event
)

const segmentSuffix = ".segment"

// segmentName is the file name of a segment, which sorts by age.
func segmentName(number uint64) string { return fmt.Sprintf("%019d%s", number, segmentSuffix) }

// segmentNumber returns the number of the segment that a file name names.
func segmentNumber(name string) (uint64, bool) {
	digits, ok := strings.CutSuffix(name, segmentSuffix)
	if !ok {
		return 0, false
	}
	number, err := strconv.ParseUint(digits, 10, 64)
	return number, err == nil && segmentName(number) == name
}

func checksum(sum uint32, p []byte) uint32 {
	return crc32.Update(sum, crc32.MakeTable(crc32.Castagnoli), p)
}

// appendHeader appends the header of a segment.
func appendHeader(b []byte, number uint64) []byte {
	at := len(b)
	b = append(b, magic...)
	b = binary.LittleEndian.AppendUint32(b, formatVersion)
	b = binary.LittleEndian.AppendUint64(b, number)
	return binary.LittleEndian.AppendUint32(b, checksum(0, b[at:]))
}

// parseHeader returns the format and the number of the segment that begins
// with b, and whether they are undamaged.
func parseHeader(b []byte) (version uint32, number uint64, ok bool) {
	if len(b) < headerBytes || string(b[:8]) != magic {
		return 0, 0, false
	}
	le := binary.LittleEndian
	return le.Uint32(b[8:]), le.Uint64(b[12:]), le.Uint32(b[20:]) == checksum(0, b[:20])
}

// frames writes and checks what stands before each record's body: its length,
// its checksum, and a checksum of these two together with the segment's number
// and the offset. What lies elsewhere, in an event that quotes a segment or in
// a block that the disk misplaced, is therefore never taken for a record.
type frames struct {
	seed  uint32
	place [16]byte // what sum sums, here so that it is allocated once
}

func framesOf(number uint64) frames {
	return frames{seed: checksum(0, binary.LittleEndian.AppendUint64(nil, number))}
}

// put writes the frame of body, which stands at an offset of the segment.
func (f *frames) put(frame []byte, offset int64, body []byte) {
	binary.LittleEndian.PutUint32(frame, uint32(len(body)))
	binary.LittleEndian.PutUint32(frame[4:], checksum(0, body))
	binary.LittleEndian.PutUint32(frame[8:], f.sum(frame, offset))
}

// get returns what a frame says, and whether it is one.
func (f *frames) get(frame []byte, offset int64) (length int64, sum uint32, ok bool) {
	if binary.LittleEndian.Uint32(frame[8:]) != f.sum(frame, offset) {
		return 0, 0, false
	}
	return int64(binary.LittleEndian.Uint32(frame)), binary.LittleEndian.Uint32(frame[4:]), true
}

func (f *frames) sum(frame []byte, offset int64) uint32 {
	binary.LittleEndian.PutUint64(f.place[:], uint64(offset))
	copy(f.place[8:], frame[:8])
	return checksum(f.seed, f.place[:])
}
