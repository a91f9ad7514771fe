package mapping

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// builtinMasks are the masks that have names. Each asks for boundaries, so
// that OIDs, UUIDs, time stamps, serial numbers and the like stay whole.
func builtinMasks() []masker {
	const secretWord = `password|passwd|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|auth[_-]?key|routing[_-]?key|service[_-]?key|integration[_-]?key|private[_-]?key`
	return []masker{
		{
			name: "email", replace: "[email]",
			needs: func(t traits) bool { return t.at && t.dots > 0 },
			re:    regexp.MustCompile(`(?i)[a-z0-9][a-z0-9._%+-]{0,63}@[a-z0-9](?:[a-z0-9-]{0,62}\.){1,8}[a-z]{2,24}\b`),
		},
		{
			name: "phone", replace: "[phone]", check: phone(),
			needs: func(t traits) bool { return t.digits >= 7 },
			re:    regexp.MustCompile(`\+?\(?[0-9](?:[ .()/-]{0,2}[0-9]){6,16}`),
		},
		{
			name: "card_number", replace: "[card_number]", check: cardNumber,
			needs: func(t traits) bool { return t.digits >= 13 },
			re:    regexp.MustCompile(`[0-9](?:[ -]?[0-9]){12,}`),
		},
		{
			name: "ssn", replace: "[ssn]", check: ssn,
			needs: func(t traits) bool { return t.digits >= 9 },
			re:    regexp.MustCompile(`[0-9]{3}-[0-9]{2}-[0-9]{4}|[0-9]{3} [0-9]{2} [0-9]{4}`),
		},
		{
			name: "iban", replace: "[iban]", check: iban,
			needs: func(t traits) bool { return t.digits >= 5 },
			re:    regexp.MustCompile(`[A-Za-z]{2}[0-9]{2}(?: ?[A-Za-z0-9]){11,30}`),
		},
		{
			name: "ip", replace: "[ip]", check: ipv4, address: true,
			needs: func(t traits) bool { return t.digits >= 4 && t.dots >= 3 },
			re:    regexp.MustCompile(`[0-9]{1,3}\.[0-9][0-9.]*`),
		},
		{
			name: "ipv6", replace: "[ipv6]", check: ipv6, address: true,
			needs: func(t traits) bool { return t.digits > 0 && t.colons >= 2 },
			re:    regexp.MustCompile(`[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*`),
		},
		{
			name: "url", replace: "[url]", check: webAddress, address: true,
			needs: func(t traits) bool { return t.colons > 0 },
			re:    regexp.MustCompile(`(?i)[a-z][a-z0-9+.-]{1,20}://[^\s"'<>\x60]+`),
		},
		{
			name: "token", replace: "${1}${2}${3}[token]", secrets: true,
			needs: func(t traits) bool { return t.equals || t.colons > 0 || t.longest >= 8 },
			re: regexp.MustCompile(`(?i)(\b(?:bearer|basic)\s+)[a-z0-9._~+/-]{8,}=*` +
				`|(\b[a-z0-9_.-]{0,40}(?:` + secretWord + `)["']?\s{0,3}=\s{0,3}["']?)[^\s"',;&]{2,}` +
				`|(\b[a-z0-9_.-]{0,40}(?:` + secretWord + `)["']?\s{0,3}:\s{0,3}["']?)[^\s"',;&]*[0-9][^\s"',;&]*` +
				`|(?-i:\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*` +
				`|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{30,}|\bgithub_pat_\w{20,}|\bglpat-[\w-]{20,}` +
				`|\bxox[abeoprs]-[A-Za-z0-9-]{10,}|\b[sr]k_(?:live|test)_\w{16,}|\bAIza[0-9A-Za-z_-]{35})`),
		},
	}
}

func builtinMaskNames() (names []string) {
	for _, m := range builtinMasks() {
		names = append(names, m.name)
	}
	return names
}

// alone says whether s[from:to] is a word of its own: what is beside it is no
// part of a longer number, name, OID or UUID.
func alone(s string, from, to int) bool {
	if from > 0 {
		before := s[from-1]
		if isWord(before) || before == '.' || before == '+' ||
			(before == '-' || before == ':' || before == '/') && from > 1 && isWord(s[from-2]) {
			return false
		}
	}
	if to < len(s) {
		after := s[to]
		if isWord(after) || (after == '.' || after == '-' || after == ':' || after == '/') && to+1 < len(s) && isWord(s[to+1]) {
			return false
		}
	}
	return true
}

// digits returns the digits of s.
func digits(s string) []byte {
	d := make([]byte, 0, len(s))
	for i := range len(s) {
		if isDigit(s[i]) {
			d = append(d, s[i])
		}
	}
	return d
}

// phone takes a number in the form of ITU-T E.164, which starts with a plus
// sign, and national ones with the marks that people write them with. A row
// of digits alone is taken for something else.
func phone() func(s string, from, to int) (int, int) {
	national := nationalPhone()
	return func(s string, from, to int) (int, int) {
		number := s[from:to]
		if !alone(s, from, to) {
			return to, to
		}
		n := len(digits(number))
		if number[0] == '+' && n >= 8 && n <= 15 || national.MatchString(number) {
			return from, to
		}
		return from, from
	}
}

// nationalPhone fits (555) 123-4567, 555-123-4567 and 555.123.4567, and
// numbers of at least ten digits like 020 7946 0958, 01 23 45 67 89 and
// 0711/1234567. Others with blanks could be any columns of a log.
func nationalPhone() *regexp.Regexp {
	return regexp.MustCompile(`^(?:\(0?[0-9]{2,4}\) ?[0-9]{3,4}[ -]?[0-9]{3,5}` +
		`|(?:1[ -])?[2-9][0-9]{2}(?:-[0-9]{3}-|\.[0-9]{3}\.)[0-9]{4}` +
		`|0[1-9](?: [0-9]{2}){4}|0[1-9][0-9]{1,3} [0-9]{3,4} [0-9]{3,4}|0[1-9][0-9]{1,3}[ /-][0-9]{7,8})$`)
}

// cardNumber takes the longest number that starts at the candidate, stands
// alone, is of an issuer of cards and has the right check digit (ISO/IEC
// 7812-1).
func cardNumber(s string, from, to int) (int, int) {
	for end := to; end > from; end-- {
		if !isDigit(s[end-1]) {
			continue
		}
		d := digits(s[from:end])
		if len(d) < 13 {
			break
		}
		if len(d) <= 19 && ofCard(d) && luhn(d) && alone(s, from, end) {
			return from, end
		}
	}
	return from, from
}

// ofCard says whether a number has the start and the length of a payment
// card's.
func ofCard(d []byte) bool {
	n := len(d)
	switch two := int(d[0]-'0')*10 + int(d[1]-'0'); {
	case d[0] == '4':
		return n == 13 || n == 16 || n == 19
	case two >= 51 && two <= 55, two >= 22 && two <= 27:
		return n == 16
	case two == 34 || two == 37:
		return n == 15
	case two == 30 || two == 36 || two == 38 || two == 39:
		return n == 14 || n == 16
	case two == 35, two == 50, two >= 56 && two <= 69, two == 81:
		return n >= 16
	}
	return false
}

func luhn(d []byte) bool {
	sum := 0
	for i := range d {
		n := int(d[len(d)-1-i] - '0')
		if i%2 == 1 {
			if n *= 2; n > 9 {
				n -= 9
			}
		}
		sum += n
	}
	return sum%10 == 0
}

// ssn takes numbers that the Social Security Administration may give out.
func ssn(s string, from, to int) (int, int) {
	n := s[from:to]
	if area := n[:3]; !alone(s, from, to) || area == "000" || area == "666" || area[0] == '9' || n[4:6] == "00" || n[7:] == "0000" {
		return from, from
	}
	return from, to
}

// iban takes the longest candidate whose check digits are right (ISO 13616).
func iban(s string, from, to int) (int, int) {
	for end := to; end-from >= 15; end-- {
		if s[end-1] != ' ' && alone(s, from, end) && ibanChecks(s[from:end]) {
			return from, end
		}
	}
	return from, from
}

func ibanChecks(s string) bool {
	s = strings.ToUpper(strings.ReplaceAll(s, " ", ""))
	if len(s) < 15 || len(s) > 34 {
		return false
	}
	rest := 0
	for _, c := range []byte(s[4:] + s[:4]) {
		if isDigit(c) {
			rest = (rest*10 + int(c-'0')) % 97
		} else {
			rest = (rest*100 + int(c-'A') + 10) % 97
		}
	}
	return rest == 1
}

// ipv4 takes four numbers, and neither more nor the start of an OID.
func ipv4(s string, from, to int) (int, int) {
	end := to
	for end > from && s[end-1] == '.' {
		end--
	}
	a, err := netip.ParseAddr(s[from:end])
	if err != nil || !a.Is4() || s[from:end] == "1.3.6.1" || !beside(s, from, end) {
		return to, to
	}
	return from, end
}

// beside says whether an address stands beside no letter, digit or dot that
// belongs to it.
func beside(s string, from, to int) bool {
	if from > 0 && (isWord(s[from-1]) || s[from-1] == '.') {
		return false
	}
	return to == len(s) || !isWord(s[to])
}

// ipv6 takes what is an address and has a digit, which C++::names and
// MODULE::label have not.
func ipv6(s string, from, to int) (int, int) {
	end := to
	for end > from && (s[end-1] == '.' || s[end-1] == ':' && !strings.HasSuffix(s[from:end], "::")) {
		end--
	}
	a, err := netip.ParseAddr(s[from:end])
	if err != nil || !a.Is6() || !strings.ContainsAny(s[from:end], "0123456789") || !beside(s, from, end) {
		return to, to
	}
	return from, end
}

// webAddress leaves out the marks of the sentence that an address ends.
func webAddress(s string, from, to int) (int, int) {
	for to > from && slices.Contains([]byte(".,;:!?)]}"), s[to-1]) {
		to--
	}
	if from > 0 && isWord(s[from-1]) {
		return to, to
	}
	return from, to
}
