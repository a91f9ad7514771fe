package snmptt

import "strings"

// Part is a piece of a FORMAT: text, or a variable.
type Part struct {
	Text     string
	Variable string // without the dollar sign: "3", "+3", "-*", "v2", "aA", "Fn"; empty: text
}

// Parts takes a FORMAT apart. "$$" is the text "$"; a dollar sign before what
// is no variable is text, too.
func Parts(format string) (parts []Part) {
	text := func(s string) {
		if n := len(parts); n > 0 && parts[n-1].Variable == "" {
			parts[n-1].Text += s
		} else if s != "" {
			parts = append(parts, Part{Text: s})
		}
	}
	for {
		before, after, found := strings.Cut(format, "$")
		text(before)
		if !found {
			return parts
		}
		switch n := variable(after); {
		case strings.HasPrefix(after, "$"):
			text("$")
			after = after[1:]
		case n == 0:
			text("$")
		default:
			parts = append(parts, Part{Variable: after[:n]})
			after = after[n:]
		}
		format = after
	}
}

// variable returns how long the name of a variable is that s begins with, 0
// where there is none.
func variable(s string) int {
	if s == "" {
		return 0
	}
	digits := func(from int) int {
		n := from
		for n < len(s) && '0' <= s[n] && s[n] <= '9' {
			n++
		}
		return n
	}
	two := func(known string) int {
		if len(s) > 1 && strings.IndexByte(known, s[1]) >= 0 {
			return 2
		}
		return 0
	}
	numbered := func(from int) int {
		if n := digits(from); n > from {
			return n
		}
		return 0
	}
	switch c := s[0]; {
	case '0' <= c && c <= '9':
		return digits(0)
	case c == '+' || c == '-':
		if two("*") > 0 {
			return 2
		}
		return numbered(1)
	case c == 'v':
		return numbered(1)
	case c == 'p':
		if two("u") > 0 {
			return numbered(2)
		}
		return numbered(1)
	case c == 'a':
		return two("ARr")
	case c == 'B':
		return two("euEn")
	case c == 'F':
		return two("afnrtz")
	case strings.IndexByte("*#@AcCDeEGHiIjNoOrRsSTxX", c) >= 0:
		return 1
	}
	return 0
}
