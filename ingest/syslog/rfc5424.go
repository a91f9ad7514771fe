package syslog

import "strings"

// rfc5424 reads what follows a PRI as VERSION SP TIMESTAMP and the rest of RFC
// 5424 section 6, and reports whether it is that. A line that breaks off early
// keeps what it has; one whose STRUCTURED-DATA is none has it in its text.
func (r *reading) rfc5424(s string) bool {
	n := digits(s)
	if n == 0 || n > 3 || n+2 >= len(s) || s[n] != ' ' {
		return false
	}
	s = s[n+1:]
	if s[0] == '-' {
		if !nilStamped(s) {
			return false
		}
		s = s[2:]
	} else {
		t, how, size := r.stamp(s)
		if size == 0 || how != iso || size < len(s) && s[size] > ' ' {
			return false
		}
		r.line.Timestamp = t
		s = s[min(size+1, len(s)):]
	}
	r.line.Hostname, s = field(s)
	r.line.AppName, s = field(s)
	r.line.ProcID, s = field(s)
	r.line.MsgID, s = field(s)
	s = r.structuredData(s)
	s = strings.TrimPrefix(s, bom)
	if !r.mnemonic(s) {
		r.line.Text = s
	}
	return true
}

// nilStamped reports whether s is the rest of a header whose TIMESTAMP is nil.
// A digit and a hyphen may begin any text, so that here all fields must be
// there.
func nilStamped(s string) bool {
	if !strings.HasPrefix(s, "- ") {
		return false
	}
	for range 5 {
		n := token(s)
		if n == 0 || n >= len(s) || s[n] != ' ' {
			return false
		}
		s = s[n+1:]
	}
	return s != "" && (s[0] == '[' || s[0] == '-' && (len(s) == 1 || s[1] <= ' '))
}

// field reads a field of the header and the blank behind it. "-" is nil.
func field(s string) (value, rest string) {
	n := token(s)
	value = s[:n]
	if value == "-" {
		value = ""
	}
	if n < len(s) {
		n++
	}
	return value, s[n:]
}
