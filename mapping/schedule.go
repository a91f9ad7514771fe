package mapping

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// schedule is a time that comes again every week: days, ranges of their
// hours, and the zone that these are told in.
type schedule struct {
	days   [7]bool // by time.Weekday: those on which the ranges begin
	ranges []clockRange
	zone   *time.Location
}

// clockRange is a range of minutes since midnight. to is not part of it, and
// is on the next day where it is not after from.
type clockRange struct{ from, to int }

// parseSchedule reads "Sun 02:00-04:00 Europe/London": days or ranges of
// them, joined by commas; ranges of hours, joined by commas; a zone. No days
// are all days, no hours the whole day, no zone UTC.
func parseSchedule(text string) (s schedule, err error) {
	s.zone = time.UTC
	const days, hours, zone = 0, 1, 2
	seen := [3]bool{}
	for _, word := range strings.Fields(strings.ReplaceAll(text, ", ", ",")) {
		kind := zone
		if c := word[0]; '0' <= c && c <= '9' {
			kind = hours
		} else if first := strings.FieldsFunc(word, isListMark); len(first) > 0 && isDay(first[0]) {
			kind = days
		}
		if seen[kind] {
			return s, fmt.Errorf("%q comes too late or twice: write days, hours and zone, like Sun 02:00-04:00 Europe/London; join several by commas", word)
		}
		seen[kind] = true
		switch kind {
		case days:
			err = s.parseDays(word)
		case hours:
			err = s.parseHours(word)
		default:
			s.zone, err = parseZone(word)
		}
		if err != nil {
			return s, err
		}
	}
	if !seen[days] && !seen[hours] {
		return s, fmt.Errorf("%q says neither days nor hours, like Sun 02:00-04:00 Europe/London", text)
	}
	if !seen[days] {
		s.days = everyDay()
	}
	if !seen[hours] {
		s.ranges = []clockRange{{0, 24 * 60}}
	}
	return s, nil
}

func isListMark(r rune) bool { return r == ',' || r == '-' }

func everyDay() (days [7]bool) {
	for i := range days {
		days[i] = true
	}
	return days
}

func isDay(word string) bool {
	_, ok := weekday(word)
	return ok || strings.EqualFold(word, "daily")
}

// weekday returns the day that a word names: in English, in full or by its
// first three letters.
func weekday(word string) (time.Weekday, bool) {
	for d := range time.Weekday(7) {
		if name := d.String(); strings.EqualFold(word, name) || strings.EqualFold(word, name[:3]) {
			return d, true
		}
	}
	return 0, false
}

// parseDays reads Mon-Fri,Sun.
func (s *schedule) parseDays(text string) error {
	if strings.EqualFold(text, "daily") {
		s.days = everyDay()
		return nil
	}
	for part := range strings.SplitSeq(text, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		from, ok := weekday(first)
		to, okTo := weekday(last)
		if !ok || !okTo {
			return fmt.Errorf("%q is no day: Mon, Tue, Wed, Thu, Fri, Sat, Sun, or a range like Mon-Fri", part)
		}
		for d := from; ; d = (d + 1) % 7 {
			s.days[d] = true
			if d == to {
				break
			}
		}
	}
	return nil
}

// parseHours reads 02:00-04:00,22:00-23:30.
func (s *schedule) parseHours(text string) error {
	for part := range strings.SplitSeq(text, ",") {
		first, last, ok := strings.Cut(part, "-")
		from, okFrom := clock(first)
		to, okTo := clock(last)
		if !ok || !okFrom || !okTo || from == 24*60 {
			return fmt.Errorf("%q is no range of hours, like 02:00-04:00", part)
		}
		if from == to {
			return fmt.Errorf("%q is empty: for a whole day write 00:00-24:00", part)
		}
		s.ranges = append(s.ranges, clockRange{from, to})
	}
	return nil
}

// clock reads 02:00 as minutes since midnight.
func clock(text string) (minutes int, ok bool) {
	h, m, colon := strings.Cut(text, ":")
	hour, err := strconv.ParseUint(h, 10, 8)
	minute, errM := strconv.ParseUint(m, 10, 8)
	if !colon || err != nil || errM != nil || len(h) > 2 || len(m) != 2 || minute > 59 {
		return 0, false
	}
	minutes = int(hour)*60 + int(minute)
	return minutes, minutes <= 24*60
}

// parseZone reads the name of a zone of the IANA database.
func parseZone(name string) (*time.Location, error) {
	if strings.EqualFold(name, "local") {
		return nil, fmt.Errorf("%q depends on the machine: name the zone, like Europe/London", name)
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("%q is neither a day nor a time zone, like Europe/London%s", name, DidYouMean(name, append(someZones(), "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")))
	}
	return zone, nil
}

// someZones are zones that are often meant, for those who misspell them.
func someZones() []string {
	return []string{
		"UTC", "Europe/London", "Europe/Paris", "Europe/Berlin", "Europe/Madrid", "Europe/Rome", "Europe/Amsterdam", "Europe/Zurich",
		"Europe/Stockholm", "Europe/Warsaw", "Europe/Athens", "Europe/Dublin", "Europe/Lisbon", "Europe/Istanbul", "Europe/Moscow",
		"America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles", "America/Phoenix", "America/Toronto",
		"America/Vancouver", "America/Mexico_City", "America/Sao_Paulo", "America/Bogota", "America/Argentina/Buenos_Aires",
		"Asia/Tokyo", "Asia/Singapore", "Asia/Hong_Kong", "Asia/Shanghai", "Asia/Kolkata", "Asia/Dubai", "Asia/Seoul", "Asia/Jakarta",
		"Australia/Sydney", "Australia/Melbourne", "Australia/Perth", "Pacific/Auckland", "Africa/Johannesburg", "Africa/Cairo", "Africa/Lagos",
	}
}

// end returns when the range ends that t is in; ok is false where it is in
// none. Of ranges that hold t the one that ends last counts.
func (s *schedule) end(t time.Time) (end time.Time, ok bool) {
	local := t.In(s.zone)
	for _, back := range [...]int{1, 0} { // a range of yesterday may reach into today
		y, m, d := local.AddDate(0, 0, -back).Date()
		if !s.days[time.Date(y, m, d, 12, 0, 0, 0, time.UTC).Weekday()] {
			continue
		}
		for _, r := range s.ranges {
			to := r.to
			if to <= r.from {
				to += 24 * 60
			}
			until := onWall(y, m, d, to, s.zone, true)
			if !t.Before(onWall(y, m, d, r.from, s.zone, false)) && t.Before(until) && until.After(end) {
				end, ok = until, true
			}
		}
	}
	return end, ok
}

// onWall returns when clocks show a time of a day. Where they show it twice,
// as they are set back, it is the first or the last time; where they never
// do, as they are set forward, the moment when that is done.
func onWall(y int, m time.Month, d, minutes int, zone *time.Location, last bool) time.Time {
	shown := time.Date(y, m, d, 0, minutes, 0, 0, time.UTC)
	var found []time.Time
	for _, around := range [...]time.Duration{-24 * time.Hour, 24 * time.Hour} {
		_, offset := shown.Add(around).In(zone).Zone()
		at := shown.Add(-time.Duration(offset) * time.Second)
		if _, o := at.In(zone).Zone(); o == offset {
			found = append(found, at)
		}
	}
	switch {
	case len(found) == 0:
		return jump(shown, zone)
	case last && found[len(found)-1].After(found[0]) || !last && found[len(found)-1].Before(found[0]):
		return found[len(found)-1]
	}
	return found[0]
}

// jump returns when the clocks of a zone are set forward over a time that
// they never show.
func jump(shown time.Time, zone *time.Location) time.Time {
	_, before := shown.Add(-24 * time.Hour).In(zone).Zone()
	at := shown.Add(-time.Duration(before) * time.Second) // after the jump, by clocks that were not set
	start, _ := at.In(zone).ZoneBounds()
	return start
}

// parseMoment reads "2026-03-01 02:00 Europe/London". Without a zone it is in
// UTC.
func parseMoment(text string, last bool) (time.Time, error) {
	if len(text) > len(time.DateOnly) && text[len(time.DateOnly)] == 'T' {
		text = strings.Replace(text, "T", " ", 1)
	}
	words := strings.Fields(text)
	if len(words) < 2 || len(words) > 3 {
		return time.Time{}, fmt.Errorf("%q is no time, like 2026-03-01 02:00 Europe/London or 2026-03-01T02:00:00Z", text)
	}
	day, err := time.Parse(time.DateOnly, words[0])
	minutes, ok := clock(strings.TrimSuffix(words[1], ":00"))
	if !ok {
		minutes, ok = clock(words[1])
	}
	if err != nil || !ok {
		return time.Time{}, fmt.Errorf("%q is no time, like 2026-03-01 02:00 Europe/London or 2026-03-01T02:00:00Z", text)
	}
	zone := time.UTC
	if len(words) == 3 {
		if zone, err = parseZone(words[2]); err != nil {
			return time.Time{}, err
		}
	}
	y, m, d := day.Date()
	return onWall(y, m, d, minutes, zone, last), nil
}
