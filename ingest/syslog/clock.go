package syslog

import "time"

// clock is a timestamp as a sender writes it.
type clock struct {
	year, month, day   int // year 0: not given
	hour, minute       int
	second, nanosecond int

	zoned bool
	east  int    // seconds east of UTC, where zoned
	word  string // the zone's abbreviation; empty: none

	style style
}

// style says how a timestamp is written, which says what may follow it.
type style int

const (
	named    style = iota // Oct 11 22:14:15, with or without year and zone
	iso                   // 2003-10-11T22:14:15.003Z
	plainISO              // 2003-10-11 22:14:15: in files, too, where no host name follows
	epoch                 // 1374543213.342705328
)

// stamp reads the timestamp that s begins with. size is 0 if there is none; t
// is zero if there is one that no time can be told from.
func (r *reading) stamp(s string) (t time.Time, how style, size int) {
	if len(s) < len("Jan 1 1:00") {
		return t, how, 0
	}
	var c clock
	switch {
	case isLetter(s[0]):
		size = c.scanNamed(s)
	case isDigit(s[0]):
		size = c.scanNumeric(s)
	}
	if size == 0 || size < len(s) && s[size] > ' ' && s[size] != ':' && s[size] != ',' || !c.valid() {
		return t, how, 0
	}
	r.last = written{yearless: c.year == 0, zoned: c.zoned, east: c.east}
	return r.instant(&c), c.style, size
}

// scanNamed reads "Oct 11 22:14:15" and its relatives: a weekday or a year
// before it, a year before or after the time of day, fractions, a zone, the
// month's whole name.
func (c *clock) scanNamed(s string) int {
	if isWeekday(s) {
		s1 := 3
		if s[s1] == ',' {
			s1++
		}
		if s[s1] != ' ' {
			return 0
		}
		return c.scanMonth(s, s1+1)
	}
	return c.scanMonth(s, 0)
}

func (c *clock) scanMonth(s string, i int) int {
	i = c.monthName(s, i)
	if i == 0 {
		return 0
	}
	at := blanks(s, i)
	if at == i {
		return 0
	}
	c.day, i = number(s, at, 2)
	if i == at {
		return 0
	}
	at = blanks(s, i)
	if at == i {
		return 0
	}
	if year, end := number(s, at, 4); end == at+4 && end < len(s) && s[end] == ' ' {
		c.year, at = year, blanks(s, end)
	}
	i = c.timeOfDay(s, at)
	if i == 0 {
		return 0
	}
	return c.lateYear(s, c.zone(s, i))
}

// lateYear reads a year that follows the time of day, and a zone that follows
// that.
func (c *clock) lateYear(s string, i int) int {
	if c.year != 0 || i+5 > len(s) || s[i] != ' ' {
		return i
	}
	year, end := number(s, i+1, 4)
	if end != i+5 || year < 1970 || year > 2099 || !endsStamp(s[end:]) {
		return i
	}
	c.year = year
	if c.zoned {
		return end
	}
	return c.zone(s, end)
}

// endsStamp reports whether a timestamp may end before s: at a blank, or at a
// colon that is not an IPv6 address's.
func endsStamp(s string) bool {
	return s == "" || s[0] <= ' ' || s[0] == ':' && (len(s) == 1 || s[1] <= ' ')
}

// scanNumeric reads what begins with a digit.
func (c *clock) scanNumeric(s string) int {
	switch n := digits(s); {
	case n == len(s):
	case n == 4 && s[4] == ' ':
		c.year, _ = number(s, 0, 4)
		if at := blanks(s, 4); c.year != 0 && at < len(s) && isLetter(s[at]) {
			return c.scanMonth(s, at)
		}
	case n == 4:
		return c.scanISO(s)
	case n <= 2 && s[n] == '/':
		return c.scanSlashed(s)
	case n == 10 && s[10] == '.':
		return c.scanEpoch(s)
	}
	return 0
}

// scanISO reads RFC 3339 and what is like it: 2003-10-11T22:14:15.003Z,
// 2003/10/11 22:14:15, 2003:10:11-22:14:15, 2003/10/11:22:14:15.
func (c *clock) scanISO(s string) int {
	i := c.scanDate(s)
	if i == 0 || i >= len(s) {
		return 0
	}
	switch s[i] {
	case 'T', 't':
		c.style = iso
	case ' ':
		c.style = plainISO
	case '-', ':': // 2003:10:11-22:14:15, 2003/10/11:22:14:15
		if s[i] == s[4] || s[4] == '-' {
			return 0
		}
		c.style = iso
	default:
		return 0
	}
	if i = c.timeOfDay(s, i+1); i == 0 {
		return 0
	}
	return c.zone(s, i)
}

// scanDate reads 2003-10-11, 2003/10/11 or 2003:10:11.
func (c *clock) scanDate(s string) int {
	var i int
	if c.year, i = number(s, 0, 4); i != 4 || c.year == 0 || len(s) < len("2003-1-1") {
		return 0
	}
	separator := s[4]
	if separator != '-' && separator != '/' && separator != ':' {
		return 0
	}
	if c.month, i = number(s, 5, 2); i == 5 || i >= len(s) || s[i] != separator {
		return 0
	}
	from := i + 1
	if c.day, i = number(s, from, 2); i == from {
		return 0
	}
	return i
}

// scanSlashed reads NetScaler's 02/08/2010:18:34:19 GMT, month first, unless
// that is no month, and web servers' 08/Feb/2010:18:34:19 +0000.
func (c *clock) scanSlashed(s string) int {
	var i int
	c.month, i = number(s, 0, 2)
	from := i + 1
	if from < len(s) && isLetter(s[from]) {
		c.day = c.month
		i = c.monthName(s, from)
	} else {
		c.day, i = number(s, from, 2)
	}
	if i <= from || i >= len(s) || s[i] != '/' {
		return 0
	}
	from = i + 1
	c.year, i = number(s, from, 4)
	if i != from+4 || i >= len(s) || s[i] != ':' {
		return 0
	}
	if c.month > 12 {
		c.month, c.day = c.day, c.month
	}
	if i = c.timeOfDay(s, i+1); i == 0 {
		return 0
	}
	return c.zone(s, i)
}

// scanEpoch reads 1374543213.342705328: seconds since 1970.
func (c *clock) scanEpoch(s string) int {
	seconds, _ := number(s, 0, 10)
	var end int
	c.nanosecond, end = fraction(s, 11)
	if end == 11 || end >= len(s) || s[end] != ' ' {
		return 0
	}
	t := time.Unix(int64(seconds), 0).UTC()
	c.year, c.month, c.day = t.Year(), int(t.Month()), t.Day()
	c.hour, c.minute, c.second = t.Clock()
	c.zoned, c.style = true, epoch
	return end
}

// timeOfDay reads 22:14:15.003 or 22:14, and returns 0 if it is neither.
func (c *clock) timeOfDay(s string, i int) int {
	var end int
	c.hour, end = number(s, i, 2)
	if end == i || end >= len(s) || s[end] != ':' {
		return 0
	}
	i = end + 1
	c.minute, end = number(s, i, 2)
	if end != i+2 {
		return 0
	}
	if end >= len(s) || s[end] != ':' || end+1 == len(s) || s[end+1] <= ' ' {
		return end
	}
	i = end + 1
	c.second, end = number(s, i, 2)
	if end != i+2 {
		return 0
	}
	if end < len(s) && (s[end] == '.' || s[end] == ',') {
		if ns, after := fraction(s, end+1); after > end+1 {
			c.nanosecond, end = ns, after
		}
	}
	return end
}

func (c *clock) valid() bool {
	return c.month >= 1 && c.month <= 12 && c.day >= 1 && c.day <= c.daysInMonth() &&
		c.hour <= 23 && c.minute <= 59 && c.second <= 60
}

func (c *clock) daysInMonth() int {
	switch c.month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if c.year%4 == 0 && (c.year%100 != 0 || c.year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// number reads at most limit digits at s[i], and returns where they end.
func number(s string, i, limit int) (n, end int) {
	end = i
	for end < len(s) && end-i < limit && isDigit(s[end]) {
		n = n*10 + int(s[end]-'0')
		end++
	}
	return n, end
}

// fraction reads the digits of a fraction of a second, in nanoseconds.
func fraction(s string, i int) (ns, end int) {
	unit := 100_000_000
	for end = i; end < len(s) && isDigit(s[end]); end++ {
		ns += int(s[end]-'0') * unit
		unit /= 10
	}
	return ns, end
}

// blanks returns where the blanks at s[i] end.
func blanks(s string, i int) int {
	for i < len(s) && s[i] == ' ' {
		i++
	}
	return i
}
