package logentry

import (
	"math/rand/v2"
	"testing"
	"time"
)

// TestWindowsComeOldestFirst is the table of what is asked next.
func TestWindowsComeOldestFirst(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 700e6, time.UTC)
	at := func(s string) time.Time {
		if s == "" {
			return time.Time{}
		}
		parsed, err := time.Parse(time.RFC3339Nano, "2026-03-01T"+s+"Z")
		if err != nil {
			t.Fatal(err)
		}
		return parsed
	}
	f := func(name, start, cursor, since, until string, behind bool) {
		t.Helper()
		p := Plan{Since: at(start), Overlap: 5 * time.Minute, Largest: time.Hour}
		w, b := p.Next(at(cursor), now)
		if !w.Since.Equal(at(since)) || !w.Until.Equal(at(until)) || b != behind {
			t.Errorf("%s: from %s to %s, behind %t; want %s to %s, %t", name, w.Since, w.Until, b, since, until, behind)
		}
	}
	f("the first start begins now", "", "", "12:00:00", "12:00:00", false)
	f("the first start begins where it is told to", "11:30:00", "", "11:30:00", "12:00:02", false)
	f("and catches up in pieces", "02:00:00", "", "02:00:00", "03:00:00", true)
	f("a start in the future is now", "13:00:00", "", "12:00:00", "12:00:00", false)
	f("from the cursor, with an overlap", "02:00:00", "11:59:50", "11:54:50", "12:00:02", false)
	f("after an absence", "", "08:00:00", "07:55:00", "09:00:00", true)
	f("the last piece", "", "11:00:00", "10:55:00", "12:00:02", false)
	f("a cursor within a second", "", "11:59:50.9", "11:54:50", "12:00:02", false)
	f("a cursor after now", "", "12:30:00", "11:55:00", "12:00:02", false)
}

// TestWindowsLeaveNoGap: whatever cursor, clock and plan, each window begins
// at its cursor or before, and they get to now.
func TestWindowsLeaveNoGap(t *testing.T) {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for range 500 {
		p := Plan{Overlap: time.Duration(rand.IntN(600)) * time.Second, Largest: time.Duration(rand.IntN(7200)) * time.Second / 2}
		cursor := start.Add(time.Duration(rand.Int64N(int64(3 * time.Hour))))
		now := start.Add(time.Duration(rand.Int64N(int64(6 * time.Hour))))
		for step := 0; ; step++ {
			w, behind := p.Next(cursor, now)
			if w.Since.After(cursor) || w.Until.After(now.Add(ahead)) || w.Until.Before(w.Since) {
				t.Fatalf("%+v: cursor %s, now %s: %+v", p, cursor, now, w)
			}
			if cursor = w.Until; cursor.After(now) {
				cursor = now.Truncate(time.Second) // as Fetch does
			}
			if !behind {
				break
			}
			if step > 100_000 {
				t.Fatalf("%+v never gets to %s", p, now)
			}
		}
		if now.Sub(cursor) >= time.Second {
			t.Fatalf("%+v ends at %s, now is %s", p, cursor, now)
		}
	}
}

// TestHalvesMeet, and a second has none.
func TestHalvesMeet(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, length := range []time.Duration{2, 3, 3600, 3601} {
		w := Window{at, at.Add(length * time.Second)}
		older, newer, ok := w.split()
		if !ok || older.Since != w.Since || older.Until != newer.Since || newer.Until != w.Until || older.Empty() || newer.Empty() {
			t.Errorf("%d s: %+v and %+v, %t", length, older, newer, ok)
		}
	}
	if _, _, ok := (Window{at, at.Add(time.Second)}).split(); ok {
		t.Error("a second was split")
	}
}
