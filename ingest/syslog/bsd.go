package syslog

import "strings"

// stamped reads TIMESTAMP HOSTNAME TAG TEXT, as RFC 3164 describes what was
// found in the wild, and reports whether s begins with a timestamp.
func (r *reading) stamped(s string) bool {
	// Meraki's version, which no RFC knows.
	if strings.HasPrefix(s, "1 ") && digits(s[2:]) == 10 {
		s = s[2:]
	}
	t, how, size := r.stamp(s)
	if size == 0 {
		return false
	}
	r.line.Timestamp = t
	if strings.HasPrefix(s[size:], ",") { // a list of values: the first is one of them
		r.line.Text = s
		return true
	}
	s = skipColon(s[size:])
	if r.unnamed(s) || r.mnemonic(s) {
		return true
	}
	host, rest := r.host(s, how)
	if host == "" && len(rest) == len(s) {
		r.tail(s)
		return true
	}
	r.line.Hostname = host
	rest = skipColon(rest)
	if how == epoch {
		rest = r.merakiType(rest)
	}
	r.afterHost(rest)
	return true
}

// unnamed reads what syslogd itself says, without a host name.
func (r *reading) unnamed(s string) bool {
	if !strings.HasPrefix(s, "last message repeated ") && !strings.HasPrefix(s, "message repeated ") {
		return false
	}
	r.line.Text = s
	return true
}

// host reads the host name behind a timestamp. It returns s as rest if the
// first word cannot be one.
func (r *reading) host(s string, how style) (host, rest string) {
	n := token(s)
	word, rest := s[:n], s[n:]
	switch {
	case word == "-":
		return "", rest
	case n > 4 && strings.HasPrefix(word, `("`) && strings.HasSuffix(word, `")`): // UniFi
		return word[2 : n-2], rest
	case strings.HasSuffix(word, ":"):
		return r.hostWithColon(s, word[:n-1], rest)
	case !isHost(word):
		return "", s
	case how != named && how != epoch && r.line.Facility < 0 && !headed(skipBlanks(rest)):
		return "", s // a file's line, not a sender's
	}
	return word, rest
}

// hostWithColon reads "host:" before a mnemonic or UniFi's "model,mac,version:"
// before a tag. Else it is a tag.
func (r *reading) hostWithColon(s, word, rest string) (host, after string) {
	switch {
	case isAddress(word):
		return word, rest
	case isAddress(s[:len(word)+1]):
		return s[:len(word)+1], rest
	case strings.Contains(word, ",") && isDeviceID(word):
		return word, rest
	case !strings.Contains(word, "=") && mnemonicLength(skipBlanks(rest)) > 0:
		return word, rest
	}
	return "", s
}

// afterHost reads what follows the host name: a tag, or what another device
// said to the relay that wrote the header so far.
func (r *reading) afterHost(s string) {
	if s == "" || r.unnamed(s) {
		return
	}
	if !r.nested && mayBeHeader(s) && r.relayed(s) {
		return
	}
	r.tail(s)
}

// tail reads what follows the host name, or would follow it.
func (r *reading) tail(s string) {
	if r.mnemonic(s) || r.marked(s) || r.topics(s) {
		return
	}
	if t, ok := readTag(r.beforeTag(s)); ok {
		r.tagged(t)
		return
	}
	if n := wordBeforeMnemonic(s); n > 0 {
		r.mnemonic(skipBlanks(s[n:]))
		r.line.AppName = s[:n]
		return
	}
	r.line.Text = s
}

// wordBeforeMnemonic returns how long the word is that s begins with and that a
// mnemonic follows, as in FTD's "Alerts %NGIPS-0-430003:".
func wordBeforeMnemonic(s string) int {
	n := token(s)
	if mnemonicLength(skipBlanks(s[n:])) == 0 || !isHost(s[:n]) {
		return 0
	}
	return n
}

// mayBeHeader reports whether s may begin with a header of its own, at less cost
// than reading it.
func mayBeHeader(s string) bool {
	if !isLetter(s[0]) {
		return true
	}
	n := token(s)
	if strings.HasSuffix(s[:n], "]:") {
		return false
	}
	var c clock
	return s[n-1] == ':' || c.monthName(s, 0) > 0 || nodeLength(s) > 0 || nodeLength(skipBlanks(s[n:])) > 0
}

// relayed reads a line that has a header of its own: what the device said
// about itself is kept, rather than what the relay said about it.
func (r *reading) relayed(s string) bool {
	outer := *r.line
	n, size := pri(s)
	if n >= 0 {
		r.line.Facility, r.line.Severity = n>>3, n&7
	}
	rest := s[size:]
	r.nested = true
	if r.rfc5424(rest) || r.cisco(rest) || n >= 0 && r.stamped(skipBlanks(rest)) || r.stampedWithTag(rest) {
		return true
	}
	r.nested = false
	*r.line = outer
	return false
}

// stampedWithTag reads a second RFC 3164 header. Timestamps are common in
// texts, so that a host name and a tag must follow it.
func (r *reading) stampedWithTag(s string) bool {
	_, how, size := r.stamp(s)
	if size == 0 || how != named && how != iso {
		return false
	}
	rest := skipColon(s[size:])
	n := token(rest)
	if !isHost(rest[:n]) || rest[n-1] == ':' || !headed(skipBlanks(rest[n:])) {
		return false
	}
	return r.stamped(s)
}

// headed reports whether s begins with a tag or a mnemonic.
func headed(s string) bool {
	if mnemonicLength(s) > 0 || wordBeforeMnemonic(s) > 0 {
		return true
	}
	_, ok := readTag(s)
	return ok
}
