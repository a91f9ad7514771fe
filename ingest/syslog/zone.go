package syslog

// zoneOffset returns what an abbreviation of a time zone stands for, in seconds
// east of UTC. Where one has several meanings, it is the one most often met in
// the clocks of network gear.
func zoneOffset(word string) (seconds int, known bool) {
	hours, known := zoneHours(word)
	return int(hours * 3600), known
}

func zoneHours(word string) (hours float64, known bool) {
	switch word {
	case "UTC", "GMT", "Z", "UCT", "WET":
		return 0, true
	case "CET", "BST", "WEST", "MEZ", "MET", "WAT":
		return 1, true
	case "CEST", "EET", "SAST", "MESZ", "MEST", "CAT":
		return 2, true
	case "EEST", "MSK", "TRT", "EAT":
		return 3, true
	case "GST", "SAMT":
		return 4, true
	case "PKT":
		return 5, true
	case "IST":
		return 5.5, true
	case "ICT", "WIB":
		return 7, true
	case "HKT", "SGT", "AWST", "PHT", "MYT":
		return 8, true
	case "JST", "KST":
		return 9, true
	case "ACST":
		return 9.5, true
	case "AEST":
		return 10, true
	case "ACDT":
		return 10.5, true
	case "AEDT":
		return 11, true
	case "NZST":
		return 12, true
	case "NZDT":
		return 13, true
	case "BRT", "ART", "ADT":
		return -3, true
	case "AST", "EDT":
		return -4, true
	case "EST", "CDT":
		return -5, true
	case "CST", "MDT":
		return -6, true
	case "MST", "PDT":
		return -7, true
	case "PST", "AKDT":
		return -8, true
	case "AKST":
		return -9, true
	case "HST":
		return -10, true
	}
	return 0, false
}

// zone reads the time zone that follows the time of day at s[i], and returns
// where it ends; i if there is none.
func (c *clock) zone(s string, i int) int {
	if i >= len(s) {
		return i
	}
	switch b := s[i]; {
	case b == '+' || b == '-':
		return c.offset(s, i)
	case b|0x20 == 'z' && (i+1 == len(s) || !isLetter(s[i+1]) && !isDigit(s[i+1])):
		c.zoned = true
		return c.strayOffset(s, i+1)
	case b == ' ' && i+1 < len(s) && (s[i+1] == '+' || s[i+1] == '-'):
		if end := c.offset(s, i+1); end > i+1 {
			return end
		}
	case b == ' ' && i+1 < len(s) && isUpper(s[i+1]):
		return c.zoneWord(s, i)
	}
	return i
}

// strayOffset passes over the +00:00 that some clocks put behind their Z.
func (c *clock) strayOffset(s string, i int) int {
	if i < len(s) && (s[i] == '+' || s[i] == '-') {
		return c.offset(s, i)
	}
	return i
}

// offset reads +02:00, +0200 or +02.
func (c *clock) offset(s string, i int) int {
	hours, at := number(s, i+1, 2)
	if at != i+3 {
		return i
	}
	minutes, end := 0, at
	if at < len(s) && s[at] == ':' {
		at++
	}
	if m, e := number(s, at, 2); e == at+2 {
		minutes, end = m, e
	}
	if hours > 23 || minutes > 59 || end < len(s) && isDigit(s[end]) {
		return i
	}
	c.zoned = true
	c.east = hours*3600 + minutes*60
	if s[i] == '-' {
		c.east = -c.east
	}
	return end
}

// zoneWord reads " UTC", " GMT+2" or " TZ-6". A word that is not known is a
// zone only where a mnemonic follows it, as in a Cisco clock's "12:00:00 XYZ: %".
func (c *clock) zoneWord(s string, i int) int {
	end := i + 1
	for end < len(s) && isUpper(s[end]) {
		end++
	}
	word := s[i+1 : end]
	if len(word) > 5 {
		return i
	}
	if end < len(s) && (s[end] == '+' || s[end] == '-') {
		return c.zoneWordOffset(s, i, end)
	}
	if end < len(s) && s[end] > ' ' && s[end] != ':' && s[end] != ',' && s[end] != '"' {
		return i
	}
	if east, known := zoneOffset(word); known {
		c.zoned, c.east, c.word = true, east, word
		return end
	}
	if rest := skipBlanks(s[end:]); rest != "" && rest[0] == ':' {
		if rest = skipBlanks(rest[1:]); rest != "" && rest[0] == '%' {
			c.word = word
			return end
		}
	}
	return i
}

func (c *clock) zoneWordOffset(s string, i, sign int) int {
	switch s[i+1 : sign] {
	case "UTC", "GMT", "TZ":
	default:
		return i
	}
	if end := c.offset(s, sign); end > sign {
		return end
	}
	hours, end := number(s, sign+1, 1)
	if end == sign+1 || end < len(s) && s[end] > ' ' && s[end] != ':' {
		return i
	}
	c.zoned, c.east = true, hours*3600
	if s[sign] == '-' {
		c.east = -c.east
	}
	return end
}
