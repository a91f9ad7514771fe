package snmptt

import (
	"net/netip"
	"strconv"
	"strings"
)

// conditionOf reads what a variable is compared with.
func conditionOf(s string) (m Match) {
	m.Pattern = s
	if rest, ok := strings.CutPrefix(s, "!"); ok {
		m.Not, s = true, strings.TrimSpace(rest)
	}
	if group, flags, ok := cutLast(s); ok {
		m.Pattern, m.IgnoreCase = group, strings.Contains(flags, "i")
		return m
	}
	for sign, kind := range map[byte]Kind{'>': Greater, '<': Less, '&': Bits} {
		if s != "" && s[0] == sign {
			if n := strings.TrimSpace(s[1:]); isNumber(n) {
				m.Kind, m.From = kind, n
				return m
			}
		}
	}
	m.Kind = Anything
	if from, to, ok := cutRange(s); ok {
		m.From, m.To = from, to
		m.Kind = Between
		if !isNumber(from) {
			m.Kind = Range
		}
		return m
	}
	switch {
	case isNumber(s):
		m.Kind, m.From = Equal, s
	case isAddress(s):
		m.Kind, m.From = Address, s
	default:
		if _, err := netip.ParsePrefix(s); err == nil {
			m.Kind, m.From = Network, s
		}
	}
	return m
}

// cutLast cuts "(pattern)flags": the pattern ends at the last parenthesis, as
// SNMPTT does not look what is in it.
func cutLast(s string) (pattern, flags string, ok bool) {
	last := strings.LastIndexByte(s, ')')
	if !strings.HasPrefix(s, "(") || last < 0 {
		return "", "", false
	}
	flags = strings.TrimSpace(s[last+1:])
	return s[1:last], flags, strings.Trim(flags, "i") == ""
}

// cutRange takes "1-5" or "192.0.2.1-192.0.2.9" apart.
func cutRange(s string) (from, to string, ok bool) {
	i := strings.LastIndexByte(s, '-')
	if i <= 0 {
		return "", "", false
	}
	if s[i-1] == '-' { // 5--1: to a negative number
		i--
	}
	from, to = strings.TrimSpace(s[:i]), strings.TrimSpace(s[i+1:])
	return from, to, isNumber(from) && isNumber(to) || isAddress(from) && isAddress(to)
}

func isNumber(s string) bool {
	_, err := strconv.ParseInt(s, 10, 64)
	return err == nil
}

func isAddress(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}
