package syslog

import (
	"strings"
	"time"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// Parser turns lines into their parts. It has no state that changes, so that
// any number of goroutines may use one.
type Parser struct {
	location *time.Location // of timestamps without a zone
	winter   string         // the zone's own abbreviations: CST is not Chicago's in Shanghai
	summer   string
}

// NewParser returns a Parser that takes timestamps without a zone to be of
// location; nil is UTC.
func NewParser(location *time.Location) *Parser {
	if location == nil {
		location = time.UTC
	}
	p := &Parser{location: location}
	year := time.Now().Year()
	p.winter, _ = time.Date(year, time.January, 1, 0, 0, 0, 0, location).Zone()
	p.summer, _ = time.Date(year, time.July, 1, 0, 0, 0, 0, location).Zone()
	return p
}

// Parse fills line with the parts of raw, which was received at now. It
// overwrites all of line and takes every input: what is not a header it knows
// stays in line.Text.
//
// line.Raw is raw, and line's strings alias it unless it had to be cleaned, so
// line is good only while raw is not changed.
func (p *Parser) Parse(raw []byte, now time.Time, line *ingest.Line) {
	*line = ingest.Line{Facility: -1, Severity: -1, Raw: raw}
	r := reading{Parser: p, now: now, line: line}
	r.whole(octetCount(clean(raw)))
}

// reading is one call of Parse.
type reading struct {
	*Parser
	now    time.Time
	line   *ingest.Line
	nested bool // behind a relay's header
	last   written
}

// whole reads a line from its PRI on. A PRI that means nothing is passed over
// where something follows it that does.
func (r *reading) whole(s string) {
	n, size := pri(s)
	if n >= 0 {
		r.line.Facility, r.line.Severity = n>>3, n&7
	}
	r.message(s[size:])
	if n < 0 && size > 0 && !r.knows() {
		r.line.Text = s
	}
	r.textTime()
}

// knows reports whether anything but text was found.
func (r *reading) knows() bool {
	l := r.line
	return !l.Timestamp.IsZero() || l.Hostname != "" || l.AppName != "" || l.Mnemonic != ""
}

// message reads what follows the PRI.
func (r *reading) message(s string) {
	if s == "" || r.rfc5424(s) {
		return
	}
	s = skipBlanks(s)
	if r.stamped(s) || r.cisco(s) || r.keyValue(s) {
		return
	}
	if rest := skipColon(s); len(rest) < len(s) && r.stamped(rest) {
		return
	}
	r.bare(s)
}

// bare reads a line without a timestamp: what is before the text is a tag only
// where it cannot be taken for something else.
func (r *reading) bare(s string) {
	if host, rest, ok := netscreen(s); ok {
		r.line.Hostname = host
		s = rest
	}
	if r.mnemonic(s) || r.marked(s) || r.topics(s) {
		return
	}
	if t, ok := readTag(s); ok && t.spaced {
		r.tagged(t)
		return
	}
	r.line.Text = s
}

// octetCount takes away the length that RFC 6587 section 3.4.1 puts before a
// line. In a datagram it says nothing, and may be wrong.
func octetCount(s string) string {
	n := digits(s)
	if n == 0 || n+2 >= len(s) || s[n] != ' ' || s[n+1] != '<' {
		return s
	}
	if m := digits(s[n+2:]); m == 0 || m > 3 || !strings.HasPrefix(s[n+2+m:], ">") {
		return s
	}
	return s[n+1:]
}

// maxPRI is local7.debug.
const maxPRI = 23<<3 | 7

// pri reads the PRI that s begins with (RFC 5424 section 6.2.1). One that has
// its form but means nothing, such as <192>, <> and <14.2>, has an n of -1.
// What has not its form has a size of 0.
func pri(s string) (n, size int) {
	const longest = len("<0123456789>")
	if s == "" || s[0] != '<' {
		return -1, 0
	}
	valid := true
	for i := 1; i < len(s) && i < longest; i++ {
		switch c := s[i]; {
		case isDigit(c):
			n = n*10 + int(c-'0')
			valid = valid && i <= 3
		case c == '.':
			valid = false
		case c == '>':
			if !valid || i == 1 || n > maxPRI {
				n = -1
			}
			return n, i + 1
		default:
			return -1, 0
		}
	}
	return -1, 0
}

// digits returns how many digits s begins with.
func digits(s string) int {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}

// token returns the length of what is before the first blank or line end.
func token(s string) int {
	n := 0
	for n < len(s) && s[n] > ' ' {
		n++
	}
	return n
}

func skipBlanks(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	return s
}

// skipColon takes away a colon that stands alone, and blanks.
func skipColon(s string) string {
	s = skipBlanks(s)
	if s != "" && s[0] == ':' && (len(s) == 1 || s[1] <= ' ') {
		s = skipBlanks(s[1:])
	}
	return s
}

func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
func isUpper(c byte) bool  { return c >= 'A' && c <= 'Z' }
func isLower(c byte) bool  { return c >= 'a' && c <= 'z' }
func isLetter(c byte) bool { return isLower(c | 0x20) }

func isHexDigit(c byte) bool { return isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'f' }
