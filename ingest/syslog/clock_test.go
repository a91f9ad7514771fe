package syslog

import (
	"testing"
	"time"
	_ "time/tzdata" // the tests must not depend on the machine's zones

	"github.com/pdaltagent/pdaltagent/ingest"
)

func stampOf(p *Parser, stamp string, now time.Time) ingest.Line {
	var line ingest.Line
	p.Parse([]byte("<13>"+stamp+" myhost app: x"), now, &line)
	return line
}

func TestTimestamps(t *testing.T) {
	p := NewParser(nil)
	f := func(stamp string, want time.Time) {
		t.Helper()
		got := stampOf(p, stamp, noon())
		if !got.Timestamp.Equal(want) || got.Hostname != "myhost" || got.AppName != "app" || got.Text != "x" {
			t.Errorf("%q: %+v, want %v", stamp, got, want)
		}
	}
	tenth := at(2024, 3, 5, 10, 0, 0, 0)
	f("Mar  5 10:00:00", tenth)
	f("Mar 5 10:00:00", tenth)
	f("Mar 05 10:00:00", tenth)
	f("MAR  5 10:00:00", tenth)
	f("March 5 10:00:00", tenth)
	f("Mar  5 10:00", tenth)
	f("Tue Mar  5 10:00:00 2024", tenth)
	f("Tue, Mar  5 10:00:00", tenth)
	f("Mar  5 2024 10:00:00", tenth)
	f("2024 Mar  5 10:00:00", tenth)
	f("Mar  5 10:00:00 2024", tenth)
	f("Mar  5 10:00:00 UTC 2024", tenth)
	f("Mar  5 10:00:00 2024 UTC", tenth)
	f("Mar  5 10:00:00.25", at(2024, 3, 5, 10, 0, 0, 25e7))
	f("Mar  5 10:00:00,123456789012", at(2024, 3, 5, 10, 0, 0, 123456789))
	f("Mar  5 10:00:00 GMT", tenth)
	f("Mar  5 10:00:00 CET", at(2024, 3, 5, 9, 0, 0, 0))
	f("Mar  5 10:00:00 EST", at(2024, 3, 5, 15, 0, 0, 0))
	f("Mar  5 10:00:00 IST", at(2024, 3, 5, 4, 30, 0, 0))
	f("Mar  5 10:00:00 GMT+2", at(2024, 3, 5, 8, 0, 0, 0))
	f("Mar  5 10:00:00 TZ-6", at(2024, 3, 5, 16, 0, 0, 0))
	f("Mar  5 10:00:00 UTC+05:30", at(2024, 3, 5, 4, 30, 0, 0))
	f("Mar  5 10:00:00 +0200", at(2024, 3, 5, 8, 0, 0, 0))
	f("Mar  5 10:00:00+02:00", at(2024, 3, 5, 8, 0, 0, 0))
	f("Mar  5 10:00:00Z", tenth)
	f("2024-03-05T10:00:00Z", tenth)
	f("2024-03-05T10:00:00.5+01:00", at(2024, 3, 5, 9, 0, 0, 5e8))
	f("2024-03-05T10:00:00-0730", at(2024, 3, 5, 17, 30, 0, 0))
	f("2024-03-05T10:00:00", tenth)
	f("2024-03-05 10:00:00", tenth)
	f("2024-03-05 10:00:00 +0100", at(2024, 3, 5, 9, 0, 0, 0))
	f("2024-03-05 10:00:00 UTC", tenth)
	f("2024/03/05 10:00:00", tenth)
	f("2024-3-5T10:00:00Z", tenth)
	f("2016-12-31T23:59:60Z", at(2017, 1, 1, 0, 0, 0, 0))
	f("1937-01-01T12:00:27.87+00:20", at(1937, 1, 1, 11, 40, 27, 87e7))
}

func TestAStampWithoutAYearIsTheLatestThatFits(t *testing.T) {
	p := NewParser(nil)
	f := func(stamp string, now, want time.Time) {
		t.Helper()
		if got := stampOf(p, stamp, now).Timestamp; !got.Equal(want) {
			t.Errorf("%q received at %v: %v, want %v", stamp, now, got, want)
		}
	}
	january := at(2025, 1, 2, 3, 0, 0, 0)
	f("Dec 31 23:59:59", january, at(2024, 12, 31, 23, 59, 59, 0))
	f("Jan  2 03:00:00", january, january)
	f("Jan  3 02:59:59", january, at(2025, 1, 3, 2, 59, 59, 0)) // almost a day ahead
	f("Jan  4 05:00:00", january, at(2024, 1, 4, 5, 0, 0, 0))   // two days ahead: last year's
	f("Feb 29 12:00:00", january, at(2024, 2, 29, 12, 0, 0, 0))
	newYearsEve := at(2024, 12, 31, 23, 59, 59, 0)
	f("Jan  1 00:00:01", newYearsEve, at(2025, 1, 1, 0, 0, 1, 0))
	f("Dec 31 23:59:59", newYearsEve, newYearsEve)
	f("Jan  1 03:00:00 JST", at(2024, 12, 30, 20, 0, 0, 0), at(2024, 12, 31, 18, 0, 0, 0)) // tomorrow, and next year there
	f("Jan  1 09:00:00 JST", newYearsEve, at(2025, 1, 1, 0, 0, 0, 0))
	f("Dec 31 19:00:00 EST", at(2025, 1, 1, 0, 0, 30, 0), at(2025, 1, 1, 0, 0, 0, 0))
	f("Feb 29 12:00:00", at(2023, 6, 1, 0, 0, 0, 0), at(2020, 2, 29, 12, 0, 0, 0))
}

func TestStampsWithoutAZoneAreOfTheConfiguredOne(t *testing.T) {
	f := func(zone, stamp string, want time.Time) {
		t.Helper()
		location, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		if got := stampOf(NewParser(location), stamp, at(2024, 7, 1, 0, 0, 0, 0)).Timestamp; !got.Equal(want) {
			t.Errorf("%s: %q: %v, want %v", zone, stamp, got, want)
		}
	}
	f("Europe/Berlin", "Mar  5 10:00:00", at(2024, 3, 5, 9, 0, 0, 0))
	f("Europe/Berlin", "Jun  5 10:00:00", at(2024, 6, 5, 8, 0, 0, 0))
	f("Europe/Berlin", "Jun  5 10:00:00 UTC", at(2024, 6, 5, 10, 0, 0, 0))
	f("Europe/Berlin", "2024-06-05T10:00:00", at(2024, 6, 5, 8, 0, 0, 0))
	f("Asia/Shanghai", "Mar  5 10:00:00 CST", at(2024, 3, 5, 2, 0, 0, 0))
	f("America/Chicago", "Mar  5 10:00:00 CST", at(2024, 3, 5, 16, 0, 0, 0))
	f("Asia/Jerusalem", "Mar  5 10:00:00 IST", at(2024, 3, 5, 8, 0, 0, 0))
	f("Asia/Kolkata", "Mar  5 10:00:00", at(2024, 3, 5, 4, 30, 0, 0))
}

func TestWhatLooksLikeATimestampStaysText(t *testing.T) {
	for _, text := range []string{
		"Mar 32 10:00:00 x", "Mar  5 24:00:00 x", "Mar  5 10:60:00 x", "Mar  5 10:00:61 x", "Mar  5 10:0:00 x", "Mar x 10:00:00 x",
		"Marx 5 10:00:00 x", "Mar  5", "Mar  5 ten", "Feb 29 2023 10:00:00 x", "2023-02-29T10:00:00Z x", "2024-13-01T10:00:00Z x",
		"2024-03-05", "2024-03-05T", "2024-03-05X10:00:00 x", "0000-01-01T00:00:00Z x", "2024-03/05T10:00:00Z x", "Mon 10:00:00 abcde",
		"13/13/2024:10:00:00 x", "1709632800.x host", "Mar  5 10:00:00x y",
	} {
		if got := parsed("<13>" + text); got.Text != text || !got.Timestamp.IsZero() || got.Hostname != "" {
			t.Errorf("%q: %+v", text, got)
		}
	}
}

func TestTimesThatCannotBeEncodedAreNone(t *testing.T) {
	for _, stamp := range []string{"9999-12-31T23:59:59-23:00", "0001-01-01T00:00:00+14:00"} {
		got := stampOf(NewParser(nil), stamp, noon())
		if _, err := got.Timestamp.MarshalJSON(); err != nil || got.Hostname != "myhost" {
			t.Errorf("%q: %+v, %v", stamp, got, err)
		}
	}
}
