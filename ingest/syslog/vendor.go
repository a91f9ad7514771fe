package syslog

import "strings"

// beforeTag takes away what some vendors put between host name and tag, if a
// tag follows it.
func (r *reading) beforeTag(s string) string {
	n := token(s)
	word, rest := s[:n], skipBlanks(s[n:])
	switch {
	case n == 0 || rest == "":
	case leadingLevel(word) >= 0: // F5: "notice mcpd[6720]: 01070640:5:"; BusyBox: "user.info kernel: TTL="
		if _, ok := readTag(rest); ok {
			if r.line.Severity < 0 {
				r.line.Severity = leadingLevel(word)
			}
			return rest
		}
	case len(word) == 5 && digits(word) == 5: // ProCurve: "00076 ports: port 1 is now on-line"
		if _, ok := readTag(rest); ok {
			r.line.MsgID = word
			return rest
		}
	case word[n-1] == ':' && isDeviceID(word[:n-1]): // UniFi: "f09fc2aabbcc,U7PG2-6.0.21: hostapd[1]:"
		if _, ok := readTag(rest); ok {
			return rest
		}
	}
	return s
}

// leadingLevel returns the severity of "notice" and of "user.notice"; -1 if word
// is neither.
func leadingLevel(word string) int {
	if dot := strings.IndexByte(word, '.'); dot > 0 && isFacility(word[:dot]) {
		word = word[dot+1:]
	}
	return level(word)
}

func isFacility(word string) bool {
	switch word {
	case "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "ntp":
		return true
	}
	return len(word) == len("local0") && strings.HasPrefix(word, "local") && isDigit(word[5])
}

// isDeviceID reports whether a word is how a UniFi device names itself: words
// with commas between them, one of which is a MAC address.
func isDeviceID(word string) bool {
	for part := range strings.SplitSeq(word, ",") {
		if len(part) == len(word) {
			return false
		}
		if isHex(part) {
			return true
		}
	}
	return false
}

func isHex(word string) bool {
	for i := range len(word) {
		if !isHexDigit(word[i]) {
			return false
		}
	}
	return len(word) >= 6
}

// marked reads the formats that begin with their own name, which stays in the
// text: ArcSight's CEF, QRadar's LEEF, Snare's MSWinEventLog, NetScreen's, and
// Cisco ISE's CISE_ categories.
func (r *reading) marked(s string) bool {
	var name string
	switch {
	case strings.HasPrefix(s, "CEF:"):
		name = "CEF"
	case strings.HasPrefix(s, "LEEF:"):
		name = "LEEF"
	case strings.HasPrefix(s, "MSWinEventLog"):
		name = "MSWinEventLog"
	case strings.HasPrefix(s, "NetScreen device_id="):
		name = "NetScreen"
	case strings.HasPrefix(s, "CISE_"):
		name = s[:token(s)]
	default:
		return false
	}
	r.line.AppName, r.line.Text = name, s
	return true
}

// topics reads MikroTik's "system,error,critical login failure": its topics are
// what others have in a tag.
func (r *reading) topics(s string) bool {
	n, from := 0, 0
	level := false
	for n < len(s) && (isLower(s[n]) || isDigit(s[n]) || s[n] == '-' || s[n] == ',') {
		if s[n] == ',' {
			level = level || isTopicLevel(s[from:n])
			from = n + 1
		}
		n++
	}
	if from == 0 || n == len(s) || s[n] != ' ' || !level && !isTopicLevel(s[from:n]) {
		return false
	}
	r.line.AppName, r.line.Text = s[:n], skipBlanks(s[n:])
	return true
}

func isTopicLevel(word string) bool {
	switch word {
	case "info", "warning", "error", "critical", "debug":
		return true
	}
	return false
}

// netscreen reads "host: NetScreen device_id=", which has the host name where
// others have the tag.
func netscreen(s string) (host, rest string, ok bool) {
	n := token(s)
	if n < 2 || s[n-1] != ':' || !strings.HasPrefix(s[n:], " NetScreen device_id=") {
		return "", s, false
	}
	return s[:n-1], s[n+1:], true
}

// merakiType reads the kind of a Meraki message, which is what others have in
// a tag: "urls src=…", "events type=…".
func (r *reading) merakiType(s string) string {
	n := 0
	for n < len(s) && (isLower(s[n]) || s[n] == '_' || s[n] == '-') {
		n++
	}
	if n == 0 || n == len(s) || s[n] != ' ' {
		return s
	}
	r.line.AppName = s[:n]
	return skipBlanks(s[n:])
}

// keyValue reads what firewalls send instead of a header, pairs such as
// "date=2020-04-23 time=12:32:48 devname=fw1 tz=-0500". All of it stays in the
// text.
func (r *reading) keyValue(s string) bool {
	if !beginsWithPair(s) {
		return false
	}
	r.line.Text = s
	r.line.Hostname = value(s, "devname=")
	var c clock
	if c.pairs(s) {
		r.line.Timestamp = r.instant(&c)
	}
	return true
}

// pairs reads date= and time=, or time= alone where it has the date too.
func (c *clock) pairs(s string) bool {
	date := valueOn(s, "date=")
	clockTime := valueOn(s, "time=")
	i := c.scanDate(date)
	if i == 0 { // time="2007-01-03 14:48:06 UTC"
		if i = c.scanDate(clockTime); i > 0 {
			clockTime = skipBlanks(clockTime[i:])
		}
	}
	end := c.timeOfDay(clockTime, 0)
	if i == 0 || end == 0 || !c.valid() {
		return false
	}
	if c.zone(clockTime, end); !c.zoned {
		c.zone(" "+value(s, "timezone="), 0)
		c.zone(value(s, "tz="), 0)
	}
	return true
}

// beginsWithPair reports whether s begins with a name and an equals sign.
func beginsWithPair(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isLetter(c) && c != '_' {
			return i > 1 && c == '='
		}
	}
	return false
}

// value returns the value of a key and its equals sign among the first pairs of
// s, without quotes; empty if it is not there.
func value(s, key string) string {
	v := valueOn(s, key)
	for i := range len(v) {
		if v[i] == '"' || v[i] <= ' ' {
			return v[:i]
		}
	}
	return v
}

// valueOn returns s from a value on, behind its quote.
func valueOn(s, key string) string {
	s = s[:min(len(s), 1024)]
	for from := 0; ; {
		i := strings.Index(s[from:], key)
		if i < 0 {
			return ""
		}
		i += from
		from = i + len(key)
		if i == 0 || s[i-1] == ' ' {
			return strings.TrimPrefix(s[from:], `"`)
		}
	}
}
