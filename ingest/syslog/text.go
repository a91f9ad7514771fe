package syslog

import (
	"encoding/binary"
	"unicode/utf8"
	"unsafe"
)

// clean returns the text of b: without line ends and NULs at its end and a byte
// order mark at its start; bytes that are not UTF-8 taken for Windows-1252;
// control characters visible, as # and three octal digits (#033 for escape);
// CR LF as LF. Tabs and line feeds stay. It aliases b where b is like that
// already.
func clean(b []byte) string {
	for len(b) > 0 && (b[len(b)-1] == '\n' || b[len(b)-1] == '\r' || b[len(b)-1] == 0) {
		b = b[:len(b)-1]
	}
	if len(b) >= len(bom) && string(b[:len(bom)]) == bom {
		b = b[len(bom):]
	}
	if !printable(b) && dirty(b) {
		b = rewrite(b)
	}
	return unsafe.String(unsafe.SliceData(b), len(b))
}

const bom = "\ufeff"

// printable reports whether b is printable ASCII, eight bytes at a time.
func printable(b []byte) bool {
	const (
		ones  = 0x0101010101010101
		highs = ones << 7
	)
	for ; len(b) >= 8; b = b[8:] {
		x := binary.LittleEndian.Uint64(b)
		control := (x - ones*0x20) &^ x
		del := x ^ ones*0x7f
		del = (del - ones) &^ del
		if (x|control|del)&highs != 0 {
			return false
		}
	}
	for _, c := range b {
		if c < 0x20 || c >= 0x7f {
			return false
		}
	}
	return true
}

// dirty reports whether b has anything that rewrite changes.
func dirty(b []byte) bool {
	for i := 0; i < len(b); {
		if b[i] < utf8.RuneSelf {
			if isControl(rune(b[i])) {
				return true
			}
			i++
			continue
		}
		r, size := utf8.DecodeRune(b[i:])
		if size == 1 || isControl(r) {
			return true
		}
		i += size
	}
	return false
}

func isControl(r rune) bool {
	return r < 0x20 && r != '\t' && r != '\n' || r >= 0x7f && r <= 0x9f
}

// rewrite returns a cleaned copy of b.
func rewrite(b []byte) []byte {
	out := make([]byte, 0, len(b)+len(b)/8+16)
	for i := 0; i < len(b); {
		r, size := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && size == 1 {
			r = windows1252(b[i])
		}
		i += size
		switch {
		case r == '\r' && i < len(b) && b[i] == '\n':
		case isControl(r):
			out = append(out, '#', '0'+byte(r>>6), '0'+byte(r>>3&7), '0'+byte(r&7))
		default:
			out = utf8.AppendRune(out, r)
		}
	}
	return out
}

// windows1252 decodes a byte of 0x80 to 0xff. The five that mean nothing stay
// the control characters that they are in Latin-1.
func windows1252(c byte) rune {
	const upper = "€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ"
	if c >= 0xa0 {
		return rune(c)
	}
	for _, r := range upper {
		if c == 0x80 {
			return r
		}
		c--
	}
	return utf8.RuneError
}
