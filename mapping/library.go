package mapping

import "strings"

// library returns the patterns that %{NAME} knows, in RE2.
func library() map[string]string {
	lib := map[string]string{}
	for _, p := range patterns() {
		lib[p[0]] = expand(p[1], lib)
	}
	return lib
}

// expand fills the references to earlier patterns in.
func expand(pattern string, lib map[string]string) string {
	for i := reference(pattern); i >= 0; i = reference(pattern) {
		end := i + strings.IndexByte(pattern[i:], '}')
		pattern = pattern[:i] + "(?:" + lib[pattern[i+2:end]] + ")" + pattern[end+1:]
	}
	return pattern
}

// patterns are names and patterns; a pattern refers only to those before it.
func patterns() [][2]string {
	return append(append(words(), networks()...), times()...)
}

func words() [][2]string {
	return [][2]string{
		{"WORD", `\b\w+\b`},
		{"NOTSPACE", `\S+`},
		{"SPACE", `\s*`},
		{"DATA", `.*?`},
		{"GREEDYDATA", `.*`},
		{"QUOTEDSTRING", `"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'`},
		{"QS", `%{QUOTEDSTRING}`},
		{"UUID", `[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}`},
		{"USERNAME", `[a-zA-Z0-9._-]+`},
		{"USER", `%{USERNAME}`},
		{"EMAILADDRESS", `[A-Za-z0-9!#$%&'*+/=?^_{|}~.-]+@[A-Za-z0-9.-]+`},
		{"EMAIL", `%{EMAILADDRESS}`},

		// Numbers.
		{"INT", `[+-]?[0-9]+`},
		{"POSINT", `\b[1-9][0-9]*\b`},
		{"NONNEGINT", `\b[0-9]+\b`},
		{"NUMBER", `[+-]?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)`},
		{"BASE10NUM", `%{NUMBER}`},
		{"BASE16NUM", `[+-]?(?:0x)?[0-9A-Fa-f]+`},
	}
}

func networks() [][2]string {
	const octet = `(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])`
	const h16 = `[0-9A-Fa-f]{1,4}`
	return [][2]string{
		{"IPV4", `\b` + octet + `(?:\.` + octet + `){3}\b`},
		{"IPV6", `(?:(?:` + h16 + `:){7}` + h16 + `|(?:` + h16 + `:){6}%{IPV4}|` +
			`(?:` + h16 + `(?::` + h16 + `){0,6})?::(?:(?:` + h16 + `:){0,6}(?:%{IPV4}|` + h16 + `))?)(?:%[0-9A-Za-z._-]+)?`},
		{"IP", `%{IPV6}|%{IPV4}`},
		{"MAC", `\b(?:[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5}|[0-9A-Fa-f]{2}(?:-[0-9A-Fa-f]{2}){5}|[0-9A-Fa-f]{4}(?:\.[0-9A-Fa-f]{4}){2})\b`},
		{"HOSTNAME", `\b[0-9A-Za-z_](?:[0-9A-Za-z_-]{0,62})(?:\.[0-9A-Za-z_](?:[0-9A-Za-z_-]{0,62}))*`},
		{"IPORHOST", `%{IP}|%{HOSTNAME}`},
		{"HOSTPORT", `%{IPORHOST}:[0-9]{1,5}`},

		// Paths and addresses of the web.
		{"UNIXPATH", `/[^\s]*`},
		{"WINPATH", `(?:[A-Za-z]:|\\)(?:\\[^\\?*\s]*)+`},
		{"PATH", `%{UNIXPATH}|%{WINPATH}`},
		{"URIPROTO", `[A-Za-z][A-Za-z0-9+.-]+`},
		{"URIHOST", `%{IPORHOST}(?::[0-9]{1,5})?`},
		{"URIPATH", `/[^\s?#]*`},
		{"URIPARAM", `\?[^\s#]*`},
		{"URI", `%{URIPROTO}://(?:[^\s/@]+@)?(?:%{URIHOST})?(?:%{URIPATH})?(?:%{URIPARAM})?(?:#\S*)?`},
	}
}

func times() [][2]string {
	return [][2]string{
		{"MONTH", `\b(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sep(?:tember)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)\b`},
		{"MONTHNUM", `1[0-2]|0?[1-9]`},
		{"MONTHDAY", `0[1-9]|[12][0-9]|3[01]|[1-9]`},
		{"DAY", `\b(?:Mon(?:day)?|Tue(?:sday)?|Wed(?:nesday)?|Thu(?:rsday)?|Fri(?:day)?|Sat(?:urday)?|Sun(?:day)?)\b`},
		{"YEAR", `[0-9]{4}`},
		{"HOUR", `2[0-3]|[01]?[0-9]`},
		{"MINUTE", `[0-5][0-9]`},
		{"SECOND", `(?:[0-5]?[0-9]|60)(?:[.,][0-9]+)?`},
		{"TIME", `%{HOUR}:%{MINUTE}(?::%{SECOND})?`},
		{"TZ", `[A-Z]{3,4}`},
		{"ISO8601_TIMEZONE", `Z|[+-](?:%{HOUR}):?(?:%{MINUTE})?`},
		{"TIMESTAMP_ISO8601", `%{YEAR}-(?:%{MONTHNUM})-(?:%{MONTHDAY})[T ]%{TIME}(?:%{ISO8601_TIMEZONE})?`},
		{"SYSLOGTIMESTAMP", `%{MONTH} +(?:%{MONTHDAY}) %{TIME}`},
		{"DURATION", `(?:[0-9]+(?:\.[0-9]+)?(?:ns|us|µs|ms|[smhdwy]))+`},

		// What log lines say.
		{"LOGLEVEL", `(?i)\b(?:trace|debug|info(?:rmation(?:al)?)?|notice|warn(?:ing)?|err(?:or)?|crit(?:ical)?|alert|fatal|severe|emerg(?:ency)?|panic)\b`},
		{"PROG", `[^\s\[\]:]+`},
		{"SYSLOGPROG", `%{PROG}(?:\[[0-9]+\])?`},
		{"MNEMONIC", `%[A-Z0-9_]+(?:-[A-Z0-9_]+)*-[0-7]-[A-Z0-9_]+`},
		{"INTERFACE", `[A-Za-z]+(?:[A-Za-z-]*)[0-9]+(?:[/:.][0-9]+)*`},
	}
}
