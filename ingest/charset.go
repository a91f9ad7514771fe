package ingest

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// UTF8 returns a text in UTF-8 and without a byte order mark: raw itself, or a
// part of it, where it is that already. charset is what the sender says about
// it, in any case; it may be empty, and a byte order mark is believed before
// it. UTF-16, Latin-1 and Windows-1252 are known. A text in another charset is
// returned as it came, and so is what is UTF-8 although it is said to be
// Latin-1, which some clients always say.
func UTF8(raw []byte, charset string) []byte {
	if text, ok := bytes.CutPrefix(raw, []byte("\xef\xbb\xbf")); ok {
		return text
	}
	if text, ok := bytes.CutPrefix(raw, []byte("\xff\xfe")); ok {
		return fromUTF16(text, binary.LittleEndian)
	}
	if text, ok := bytes.CutPrefix(raw, []byte("\xfe\xff")); ok {
		return fromUTF16(text, binary.BigEndian)
	}
	switch strings.ToLower(charset) {
	case "utf-16le":
		return fromUTF16(raw, binary.LittleEndian)
	case "utf-16", "utf-16be": // RFC 2781 section 4.3
		return fromUTF16(raw, binary.BigEndian)
	case "iso-8859-1", "latin1", "windows-1252", "cp1252":
		if !utf8.Valid(raw) {
			return fromWindows1252(raw)
		}
	}
	return raw
}

func fromUTF16(raw []byte, order binary.ByteOrder) []byte {
	units := make([]uint16, len(raw)/2)
	for i := range units {
		units[i] = order.Uint16(raw[2*i:])
	}
	return []byte(string(utf16.Decode(units)))
}

// fromWindows1252 reads Latin-1 too: nobody means the control characters that
// Latin-1 has from 0x80 to 0x9F.
func fromWindows1252(raw []byte) []byte {
	c1 := []rune("€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ")
	text := make([]byte, 0, len(raw)+len(raw)/4)
	for _, c := range raw {
		r := rune(c)
		if 0x80 <= c && c < 0xa0 {
			r = c1[c-0x80]
		}
		text = utf8.AppendRune(text, r)
	}
	return text
}
