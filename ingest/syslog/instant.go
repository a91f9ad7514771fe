package syslog

import "time"

// ahead is how far in the future a timestamp without a year may be: a day, and
// what a clock that is set an hour wrong adds to it.
const ahead = 25 * time.Hour

// instant returns the time that c tells, in UTC; zero if that is not in the
// years 1 to 9998.
func (r *reading) instant(c *clock) time.Time {
	if c.word != "" && (c.word == r.winter || c.word == r.summer) {
		c.zoned = false
	}
	if c.year == 0 {
		return r.yearless(c)
	}
	if c.year >= 9999 {
		return time.Time{}
	}
	return r.at(c, c.year)
}

// yearless returns the latest time that c can mean, if not further ahead than
// a stamp may be: a December stamp that comes in January is last year's.
func (r *reading) yearless(c *clock) time.Time {
	latest := r.now.Add(ahead).UTC()
	year, month, day := latest.Date()
	if month == time.December && day == 31 {
		year++ // it may be New Year already where the sender is
	}
	for range 10 {
		c.year = year
		if c.day <= c.daysInMonth() {
			if t := r.at(c, year); !t.After(latest) {
				return t
			}
		}
		year--
	}
	return time.Time{}
}

func (r *reading) at(c *clock, year int) time.Time {
	if !c.zoned && r.location != time.UTC {
		return time.Date(year, time.Month(c.month), c.day, c.hour, c.minute, c.second, c.nanosecond, r.location).UTC()
	}
	seconds := int64(daysSince1970(year, c.month, c.day))*86400 +
		int64(c.hour*3600+c.minute*60+c.second-c.east)
	return time.Unix(seconds, int64(c.nanosecond)).UTC()
}

// daysSince1970 counts from March, so that a leap day is a year's last.
func daysSince1970(year, month, day int) int {
	if month <= 2 {
		year--
		month += 12
	}
	leapDays := year/4 - year/100 + year/400
	return year*365 + leapDays + (153*(month-3)+2)/5 + day - 719469
}

// monthName reads the name of a month at s[i], whole or its first three
// letters, in any case, and returns where it ends; 0 if it is none.
func (c *clock) monthName(s string, i int) int {
	if i+3 >= len(s) {
		return 0
	}
	month := monthOf(uint32(s[i]|0x20)<<16 | uint32(s[i+1]|0x20)<<8 | uint32(s[i+2]|0x20))
	if month == 0 {
		return 0
	}
	c.month = int(month)
	end := i + 3
	name := month.String()
	for n := 3; end < len(s) && isLetter(s[end]); n, end = n+1, end+1 {
		if n >= len(name) || s[end]|0x20 != name[n] {
			return 0
		}
	}
	return end
}

// monthOf tells a month by its first three letters, in lower case.
func monthOf(letters uint32) time.Month {
	switch letters {
	case 'j'<<16 | 'a'<<8 | 'n':
		return time.January
	case 'f'<<16 | 'e'<<8 | 'b':
		return time.February
	case 'm'<<16 | 'a'<<8 | 'r':
		return time.March
	case 'a'<<16 | 'p'<<8 | 'r':
		return time.April
	case 'm'<<16 | 'a'<<8 | 'y':
		return time.May
	case 'j'<<16 | 'u'<<8 | 'n':
		return time.June
	case 'j'<<16 | 'u'<<8 | 'l':
		return time.July
	case 'a'<<16 | 'u'<<8 | 'g':
		return time.August
	case 's'<<16 | 'e'<<8 | 'p':
		return time.September
	case 'o'<<16 | 'c'<<8 | 't':
		return time.October
	case 'n'<<16 | 'o'<<8 | 'v':
		return time.November
	case 'd'<<16 | 'e'<<8 | 'c':
		return time.December
	}
	return 0
}

func isWeekday(s string) bool {
	switch s[:3] {
	case "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun":
		return true
	}
	return false
}
