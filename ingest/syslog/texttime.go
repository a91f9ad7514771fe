package syslog

import (
	"strconv"
	"strings"
	"time"
)

// written is how the last timestamp was written that was read.
type written struct {
	yearless bool
	zoned    bool
	east     int // seconds east of UTC, where zoned
}

// textTime takes from the text what the header does not say: the time, where
// it has none or one without a year, and CEF's and auditd's name of the host.
func (r *reading) textTime() {
	l := r.line
	s := l.Text
	if s == "" {
		return
	}
	switch {
	case isDigit(s[0]) && r.panList(s):
	case l.Timestamp.IsZero():
		r.headless(s)
	case r.last.yearless && beginsWithPair(s):
		var c clock
		if c.pairs(s) {
			l.Timestamp = r.instant(&c)
		}
	}
}

// panList takes the time at which a Palo Alto Networks firewall made a log, the
// seventh of its list of values, or else that of its receipt, the second. The
// zone is the header's, where it has one and the list has none.
func (r *reading) panList(s string) bool {
	_, second, ok := strings.Cut(s[:min(len(s), 160)], ",")
	var c clock
	if !ok || !c.list(second) {
		return false
	}
	seventh := second
	for range 5 {
		_, seventh, _ = strings.Cut(seventh, ",")
	}
	var made clock
	if made.list(seventh) {
		c = made
	}
	if !c.zoned {
		c.zoned, c.east = r.last.zoned, r.last.east
	}
	r.line.Timestamp = r.instant(&c)
	return true
}

// list reads a time that is the first of a list of values.
func (c *clock) list(s string) bool {
	s, _, more := strings.Cut(s, ",")
	return more && digits(s) == 4 && c.scanISO(s) == len(s) && c.valid()
}

// headless takes the time that a line without one in its header begins with,
// in brackets or quotes, or that its format has a place for.
func (r *reading) headless(s string) {
	switch {
	case strings.HasPrefix(s, "CEF:"), strings.HasPrefix(s, "LEEF:"), strings.HasPrefix(s, "0|"):
		r.extension(s)
	case s[0] == '[':
		if inner, rest, ok := strings.Cut(s[1:], "]"); ok && !r.allOf(inner) {
			r.beginning(skipBlanks(rest))
		}
	case s[0] == '"':
		if inner, _, ok := strings.Cut(s[1:], `"`); ok {
			r.allOf(inner)
		}
	case strings.HasPrefix(s, "node="), strings.HasPrefix(s, "type="):
		r.audit(s)
	case beginsWithPair(s):
		r.line.Timestamp, _ = sinceEpoch(value(s, "eventtime="))
	default:
		r.accessLog(s)
	}
}

// allOf takes s, if all of it is a timestamp.
func (r *reading) allOf(s string) bool {
	t, _, size := r.stamp(s)
	if size == 0 || size < len(s) {
		return false
	}
	r.line.Timestamp = t
	return true
}

// beginning takes the timestamp that s begins with.
func (r *reading) beginning(s string) {
	if t, _, size := r.stamp(s); size > 0 {
		r.line.Timestamp = t
	}
}

// accessLog takes the time of an access log in the format that most web
// servers share: 192.0.2.1 - - [25/Oct/2016:14:49:33 +0200] "GET …".
func (r *reading) accessLog(s string) {
	const shortest = "25/Oct/2016:1:49:33"
	_, rest, ok := strings.Cut(s[:min(len(s), 160)], "[")
	if ok && len(rest) > len(shortest) && rest[2] == '/' && rest[6] == '/' {
		inner, _, _ := strings.Cut(rest, "]")
		r.beginning(inner)
	}
}

// audit reads auditd's "node=h type=SYSCALL msg=audit(1594053514.588:4686): …".
func (r *reading) audit(s string) {
	_, rest, ok := strings.Cut(s[:min(len(s), 320)], "msg=audit(")
	if !ok {
		return
	}
	seconds, _, ok := strings.Cut(rest, ":")
	if !ok {
		return
	}
	if t, ok := sinceEpoch(seconds); ok {
		r.line.Timestamp = t
		if r.line.Hostname == "" {
			r.line.Hostname = value(s, "node=")
		}
	}
}

// extension reads the time and the host name of a CEF or LEEF line that has no
// header of syslog. A relay may have taken its CEF: for a tag, and lost it.
func (r *reading) extension(s string) {
	if r.line.Hostname == "" {
		host := pair(s, "dvchost=")
		r.line.Hostname = host[:token(host)]
	}
	for _, key := range [...]string{"rt=", "devTime=", "start=", "FTNTFGTeventtime="} {
		v := pair(s, key)
		if t, ok := sinceEpoch(v[:token(v)]); ok {
			r.line.Timestamp = t
			return
		}
		if r.beginning(v); !r.line.Timestamp.IsZero() {
			return
		}
	}
}

// pair returns s from the value of a key on, which a blank or a tab precedes.
func pair(s, key string) string {
	for from := 0; ; {
		i := strings.Index(s[from:], key)
		if i < 0 {
			return ""
		}
		i += from
		from = i + len(key)
		if i > 0 && (s[i-1] <= ' ' || s[i-1] == '|') {
			return s[from:]
		}
	}
}

// sinceEpoch reads seconds since 1970 with a fraction, or a number of seconds,
// milliseconds, microseconds or nanoseconds, told apart by how large it is.
func sinceEpoch(s string) (time.Time, bool) {
	whole, part, _ := strings.Cut(s, ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || digits(whole) != len(whole) || digits(part) != len(part) {
		return time.Time{}, false
	}
	switch len(whole) {
	case 10:
		ns, _ := fraction(part, 0)
		return time.Unix(n, int64(ns)).UTC(), true
	case 13:
		return time.UnixMilli(n).UTC(), true
	case 16:
		return time.UnixMicro(n).UTC(), true
	case 19:
		return time.Unix(0, n).UTC(), true
	}
	return time.Time{}, false
}
