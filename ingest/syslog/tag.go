package syslog

import (
	"net/netip"
	"strings"
)

// tag is "name[pid]: text".
type tag struct {
	name, pid, text string
	colon           bool
	spaced          bool // a blank or nothing follows the name
}

// maxTag is the longest tag in bytes: what is longer is text.
const maxTag = 128

// readTag reads the tag that s begins with: name: or name[pid]: or name[123] or
// "name :". A word without these is text, since nothing tells it from one.
func readTag(s string) (t tag, ok bool) {
	n, letters := 0, 0
	for n < len(s) && n <= maxTag && isTagByte(s[n]) {
		if isLetter(s[n]) || s[n] >= 0x80 {
			letters++
		}
		n++
	}
	if n == 0 || n == len(s) || n > maxTag || letters == 0 {
		return t, false
	}
	t.name = s[:n]
	switch s[n] {
	case '[':
		return t, t.readPID(s[n+1:])
	case ':':
		return t, t.readColon(s[n+1:])
	case ' ':
		return t, t.readBlank(s, n)
	}
	return t, false
}

// readBlank reads what follows a tag's first word: " : text", or a second word
// and a process, as in macOS' "Installer Progress[107]: text".
func (t *tag) readBlank(s string, n int) bool {
	if strings.HasPrefix(s[n+1:], ":") && (len(s) == n+2 || s[n+2] <= ' ') {
		return t.readColon(s[n+2:])
	}
	end := n + 1
	for end < len(s) && end <= maxTag && isTagByte(s[end]) {
		end++
	}
	if end == n+1 || end >= len(s) || s[end] != '[' {
		return false
	}
	t.name = s[:end]
	return t.readPID(s[end+1:]) && digits(t.pid) == len(t.pid) && t.colon
}

// readPID reads "123]: text".
func (t *tag) readPID(s string) bool {
	end := strings.IndexByte(s[:min(len(s), maxTag)], ']')
	if end < 0 {
		return false
	}
	t.pid, s = s[:end], s[end+1:]
	switch {
	case s == "", s[0] <= ' ':
		t.spaced = true
		t.text = skipBlanks(s)
		return end > 0 && digits(t.pid) == end
	case s[0] == ':':
		t.colon, t.spaced = true, len(s) == 1 || s[1] <= ' '
		t.text = skipBlanks(s[1:])
		return token(t.pid) == end
	}
	return false
}

// readColon reads what follows the colon of a tag without a process.
func (t *tag) readColon(s string) bool {
	t.colon, t.spaced = true, s == "" || s[0] <= ' '
	t.text = skipBlanks(s)
	return t.spaced || t.sure(s)
}

// sure reports whether a tag may have its text right behind its colon: not a
// URL, a path, a time, an address, a port or a MAC address.
func (t *tag) sure(text string) bool {
	if len(t.name) < 3 || !isLetter(t.name[0]) {
		return false
	}
	switch c := text[0]; {
	case isDigit(c), c == '/', c == '\\', c == ':', c == '"':
		return false
	}
	for i := range len(t.name) {
		if c := t.name[i]; !isLetter(c) && !isDigit(c) && c != '_' && c != '-' && c != '/' && c != '.' {
			return false
		}
	}
	return true
}

// isTagByte reports whether c may be in a tag's name: all printable bytes but
// those that end it and those that are in no program's name.
func isTagByte(c byte) bool {
	switch c {
	case ':', '[', ']', '=', ',', ';', '"', '\'', '<', '>', '{', '}', '|', '`', '!', '?', 0x7f:
		return false
	}
	return c > ' '
}

// tagged files a tag and what follows it.
func (r *reading) tagged(t tag) {
	r.line.AppName, r.line.ProcID = t.name, t.pid
	text := t.text
	// Arista may number its messages between tag and mnemonic.
	if n := digits(text); n > 0 && strings.HasPrefix(text[n:], ": %") {
		text = text[n+2:]
	}
	if !r.mnemonic(text) {
		r.line.Text = t.text
	}
}

// isHost reports whether a word may be a host name or an address. A level is
// none: programs write it where syslog has the host.
func isHost(word string) bool {
	if len(word) > 255 {
		return false
	}
	named := false
	for i := range len(word) {
		switch c := word[i]; {
		case isDigit(c), isLetter(c), c >= 0x80:
			named = true
		case c == '.', c == '-', c == '_', c == ':', c == '/', c == '@', c == '~', c == '$', c == '+', c == '\\':
		case c == '%' && i > 0: // an IPv6 zone
		default:
			return false
		}
	}
	return named && !isLevel(word)
}

// isAddress reports whether a word is an IP address.
func isAddress(word string) bool {
	for i := range len(word) {
		if c := word[i]; c == '%' && i > 1 {
			break
		} else if c != ':' && c != '.' && !isHexDigit(c) {
			return false // most words: the parser's error would cost an allocation
		}
	}
	_, err := netip.ParseAddr(word)
	return err == nil
}

func isLevel(word string) bool { return level(word) >= 0 }

// level returns the severity that a word names; -1 if it names none.
func level(word string) int {
	if len(word) < len("err") || len(word) > len("informational") {
		return -1
	}
	var lower [len("informational")]byte
	for i := range len(word) {
		if !isLetter(word[i]) {
			return -1
		}
		lower[i] = word[i] | 0x20
	}
	switch string(lower[:len(word)]) {
	case "emerg", "emergency":
		return 0
	case "alert":
		return 1
	case "crit", "critical", "fatal":
		return 2
	case "err", "error", "severe":
		return 3
	case "warn", "warning":
		return 4
	case "notice":
		return 5
	case "info", "informational":
		return 6
	case "debug", "trace", "verbose":
		return 7
	}
	return -1
}
