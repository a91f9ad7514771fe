package syslog

import (
	"strings"
	"time"
)

// mnemonic reads Cisco's "%FACILITY-SEVERITY-MNEMONIC: text" and reports
// whether s is that.
func (r *reading) mnemonic(s string) bool {
	if s == "" || s[0] != '%' {
		return false
	}
	s = skipVDC(s)
	n := mnemonicLength(s)
	if n == 0 {
		return false
	}
	name := s[:n]
	if strings.HasPrefix(name, "%%") {
		name = name[1:]
	}
	r.line.Mnemonic = name
	if r.line.Severity < 0 {
		r.line.Severity = mnemonicSeverity(name)
	}
	s = skipBlanks(s[n:])
	r.line.Text = skipBlanks(strings.TrimPrefix(s, ":"))
	return true
}

// skipVDC takes away NX-OS' "%$ VDC-2 %$", which names a virtual device.
func skipVDC(s string) string {
	if !strings.HasPrefix(s, "%$") {
		return s
	}
	end := strings.Index(s[2:], "%$")
	if end < 0 {
		return s
	}
	return skipBlanks(s[2+end+2:])
}

// mnemonicLength returns how long the mnemonic is that s begins with, without
// its colon; 0 if it is none. It has a severity, a digit or a letter, between
// hyphens.
func mnemonicLength(s string) int {
	if len(s) < len("%A-1-B") || s[0] != '%' {
		return 0
	}
	n, severity, from := 1, false, 1
	for ; n < len(s); n++ {
		switch c := s[n]; {
		case c == '-':
			severity = severity || n-from == 1 && from > 2 && isSeverity(s[from])
			from = n + 1
		case !isLetter(c) && !isDigit(c) && c != '_' && c != '/' && c != '.' && (c != '%' || n > 1):
			return mnemonicEnd(s, n, from, severity)
		}
	}
	return mnemonicEnd(s, n, from, severity)
}

// mnemonicEnd returns n if what was read of s is a mnemonic: its last part,
// which begins at from, is not empty, and what follows it is no part of it.
func mnemonicEnd(s string, n, from int, severity bool) int {
	if !severity || n == from || n < len(s) && s[n] != ':' && s[n] > ' ' {
		return 0
	}
	return n
}

func isSeverity(c byte) bool { return letterSeverity(c) >= 0 }

// letterSeverity returns the severity that a digit or, in the small-business
// switches, a letter stands for; -1 if none.
func letterSeverity(c byte) int {
	if c >= '0' && c <= '7' {
		return int(c - '0')
	}
	switch c {
	case 'F':
		return 0
	case 'A':
		return 1
	case 'C':
		return 2
	case 'E':
		return 3
	case 'W':
		return 4
	case 'N':
		return 5
	case 'I':
		return 6
	case 'D':
		return 7
	}
	return -1
}

// mnemonicSeverity returns the severity in a mnemonic.
func mnemonicSeverity(name string) int {
	for i := 2; i+2 < len(name); i++ {
		if name[i] == '-' && name[i+2] == '-' && isSeverity(name[i+1]) {
			return letterSeverity(name[i+1])
		}
	}
	return -1
}

// preamble is what Cisco's systems write before a mnemonic, all of it optional:
// sequence number, origin-id, a second sequence number, IOS' [syslog@9 …], the
// card or (AireOS) the task that speaks, and a clock or an uptime.
type preamble struct {
	host, task, node string
	time             time.Time
	numbered, timed  bool
	ordered          bool // the number came before the host
}

// cisco reads a preamble and what follows it. A preamble ends in a clock or a
// mnemonic: without them, it may be any text.
func (r *reading) cisco(s string) bool {
	var p preamble
	for range 8 {
		rest := p.part(r, s)
		if len(rest) == len(s) {
			break
		}
		s = rest
	}
	if !p.believable(r, s) {
		r.line.StructuredData = nil
		return false
	}
	p.file(r)
	if !r.mnemonic(s) {
		r.tail(s)
	}
	return true
}

// believable reports whether what was read before s is a preamble.
func (p *preamble) believable(r *reading, s string) bool {
	if mnemonicLength(skipVDC(s)) > 0 {
		// Behind a host name, Arista's "Ebra: 123: %LINEPROTO-5-UPDOWN:" has a tag.
		return p.host == "" || p.ordered || p.timed || !r.nested
	}
	return p.numbered && (p.timed || r.line.StructuredData != nil) || p.timed && p.node != ""
}

// file files what the preamble holds.
func (p *preamble) file(r *reading) {
	if p.host != "" {
		r.line.Hostname = p.host
	}
	if p.task != "" {
		r.line.AppName = p.task
	}
	if !p.time.IsZero() {
		r.line.Timestamp = p.time
	}
	if p.node != "" {
		r.file("cisco", map[string]string{"node": p.node})
	}
}

// part reads one part of a preamble and returns what follows it.
func (p *preamble) part(r *reading, s string) (rest string) {
	s = strings.TrimLeft(s, " ")
	if s == "" || s[0] == '%' || p.timed {
		return s
	}
	switch c := s[0]; {
	case c == ':' && (len(s) == 1 || s[1] != ':'):
		p.numbered = true // NX-OS leaves the number out
		return s[1:]
	case c == '[' && strings.HasPrefix(s, "[syslog@9 "):
		return skipColon(r.elements(s))
	case c == '*' && len(s) > 1 && isLetter(s[1]) && p.clock(r, s[1:]) == 0:
		return p.taskName(s)
	case c == '*', c == '.', c == ';', c == '!':
		s = s[1:]
	}
	if n := p.clock(r, s); n > 0 {
		p.timed = true
		return skipColon(s[n:])
	}
	if n := digits(s); n > 0 && n < len(s) && s[n] == ':' && (n+1 == len(s) || s[n+1] == ' ') {
		p.numbered = true
		return s[n+1:]
	}
	return p.name(r, s)
}

// clock reads a timestamp or an uptime that a colon follows, and returns where
// it ends; 0 if it is neither.
func (p *preamble) clock(r *reading, s string) int {
	t, how, n := r.stamp(s)
	if n == 0 {
		n = uptimeLength(s)
	}
	if n == 0 || how == epoch {
		return 0
	}
	if rest := skipBlanks(s[n:]); rest == "" || rest[0] != ':' {
		return 0
	}
	p.time = t
	return n
}

// uptimeLength returns how long the uptime is that s begins with: 2y10w, 1w2d,
// 1d02h or 00:00:42. It tells no time.
func uptimeLength(s string) int {
	n := digits(s)
	if n == 0 || n >= len(s) {
		return 0
	}
	switch s[n] {
	case 'y', 'w', 'd':
		m := digits(s[n+1:])
		end := n + 1 + m + 1
		if m == 0 || end > len(s) {
			return 0
		}
		switch s[end-1] {
		case 'w', 'd', 'h':
			return end
		}
	case ':':
		var c clock
		if end := c.timeOfDay(s, 0); n == 2 && end >= len("00:00:42") {
			return end
		}
	}
	return 0
}

// taskName reads AireOS' "*spamApTask2:".
func (p *preamble) taskName(s string) (rest string) {
	n := token(s)
	if s[n-1] != ':' || !isHost(s[1:n-1]) {
		return s
	}
	p.task = s[1 : n-1]
	return s[n:]
}

// name reads an origin-id, or the name of the card that speaks, which the clock
// follows directly: RP/0/RSP0/CPU0:Mar 1 00:00:00.000 UTC:.
func (p *preamble) name(r *reading, s string) (rest string) {
	if n := nodeLength(s); n > 0 {
		if p.clock(r, s[n+1:]) == 0 {
			return s
		}
		p.node = s[:n]
		return s[n+1:]
	}
	n := token(s)
	if n == 0 || p.host != "" {
		return s
	}
	word, rest := s[:n], s[n:]
	switch {
	case word[n-1] == ':':
		word = word[:n-1]
	case strings.HasPrefix(rest, " : "):
		rest = rest[len(" : "):]
	case nodeLength(skipBlanks(rest)) == 0:
		return s
	}
	if !isHost(word) {
		return s
	}
	p.host, p.ordered = word, p.numbered
	return rest
}

// nodeLength returns how long the IOS-XR node is that s begins with.
func nodeLength(s string) int {
	if s == "" || !isUpper(s[0]) && !isDigit(s[0]) {
		return 0
	}
	end := strings.IndexByte(s[:min(len(s), 32)], ':')
	if end < 0 || strings.Count(s[:end], "/") < 2 || !isHost(s[:end]) {
		return 0
	}
	return end
}
