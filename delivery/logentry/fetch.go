package logentry

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"strconv"
	"time"

	"github.com/pdaltagent/pdaltagent/delivery"
)

const (
	pageSize    = 100    // entries, the most that PagerDuty gives at once
	pageOverlap = 10     // entries of a page that the next one has again
	maxOffset   = 10_000 // the most that PagerDuty takes of offset and limit together
	maxListings = 4      // of a window whose listing changes while it is read
)

// Batch is what a window held, or a part of it.
type Batch struct {
	Entries   []delivery.LogEntry // oldest first, by id where two are of one instant; none twice
	Malformed []Malformed         // what could not be read; none of Entries is lost for it

	// Cursor is up to when everything was asked for: the part's end, or
	// PagerDuty's time when it was asked, if that is earlier.
	Cursor time.Time
}

// Unstable says that a window's listing changed so much, each time that it was
// read, that entries may be missing.
type Unstable struct{ Window Window }

// Error says what to do, which is nothing.
func (e *Unstable) Error() string {
	return fmt.Sprintf("log entries from %s to %s: the listing changed %d times while it was read; it is read again with the next poll",
		stamp(e.Window.Since), stamp(e.Window.Until), maxListings)
}

// TooMany says that a second has more entries than PagerDuty lets be read.
type TooMany struct{ Window Window }

// Error names the mend.
func (e *TooMany) Error() string {
	return fmt.Sprintf("log entries of the second %s: more than the %d that PagerDuty lists; set webhooks.all_log_entries: false, or move the cursor past it", stamp(e.Window.Since), maxOffset)
}

// Fetch hands the log entries that were created in w to take, the oldest first:
// in parts where they are more than PagerDuty lists at once, or than should be in
// memory. None comes twice. Its errors are those of take, *TokenRefused, *Unstable,
// *TooMany, *delivery.Busy when PagerDuty stays busy, *delivery.Rejected and
// *delivery.Failed as they say, or those of the network; after any of them nothing
// is lost if the Cursor of the last part that was taken is used again.
func (c *Client) Fetch(ctx context.Context, w Window, take func(Batch) error) error {
	if w.Empty() {
		return take(Batch{Cursor: w.Until})
	}
	now, err := c.Now(ctx)
	if err != nil {
		return err
	}
	f := fetching{client: c, now: now.UTC().Truncate(time.Second), take: take, taken: map[string]bool{}}
	return f.window(ctx, w)
}

// fetching is a Fetch under way.
type fetching struct {
	client *Client
	now    time.Time
	take   func(Batch) error
	taken  map[string]bool // ids of entries of former parts
	part   part
}

// part is what was read of a window. What any of its listings showed is kept,
// whatever becomes of that listing.
type part struct {
	batch Batch
	seen  map[string]bool // ids of entries, and the text of what has none
	bytes int             // of entries
}

// window lists w, in two parts where it has more than can be listed or kept.
func (f *fetching) window(ctx context.Context, w Window) error {
	f.part = part{seen: map[string]bool{}}
	for range maxListings {
		how, err := f.list(ctx, w)
		if err != nil {
			return err
		}
		switch how {
		case complete:
			return f.hand(w.Until)
		case overflowing:
			older, newer, ok := w.split()
			if !ok {
				return &TooMany{w}
			}
			if err := f.window(ctx, older); err != nil {
				return err
			}
			return f.window(ctx, newer)
		case shifted:
		}
	}
	return &Unstable{w}
}

// hand hands on what was read of a window that ends at until.
func (f *fetching) hand(until time.Time) error {
	b := f.part.batch
	f.part = part{}
	if b.Cursor = until; f.now.Before(until) {
		b.Cursor = f.now
	}
	for _, e := range b.Entries {
		f.taken[e.ID] = true
	}
	oldestFirst(b.Entries)
	return f.take(b)
}

// listed tells how a listing ended.
type listed int

const (
	complete    listed = iota
	overflowing        // PagerDuty lists no further, or no more should be kept
	shifted            // entries moved towards its beginning: some may have been passed over
)

// list reads the pages of a listing. The newest entry comes first, so that what
// appears meanwhile moves others to later pages, where they are seen twice. What
// moves others to earlier pages shows by a page that does not have its predecessor's
// last entry. A page that has nothing else, though more are said to come, is none.
func (f *fetching) list(ctx context.Context, w Window) (listed, error) {
	known, last := map[string]bool{}, ""
	size, read := pageSize, 0 // read is how many entries of the listing were
	for {
		overlap := min(pageOverlap, size/2, read) // none for pages of one
		offset := read - overlap
		if offset+size > maxOffset {
			return overflowing, nil
		}
		p, err := f.page(ctx, w, offset, size)
		if long := (*tooLong)(nil); errors.As(err, &long) {
			if size == 1 {
				f.part.batch.Malformed = append(f.part.batch.Malformed, Malformed{[]byte(long.Error()), err})
				read, last, size = read+1, "", pageSize
			}
			size = max(1, size/4)
			continue
		}
		if err != nil {
			return 0, err
		}
		keys := f.add(p)
		if f.tooMuch(w, p) {
			return overflowing, nil
		}
		before := len(known)
		maps.Copy(known, keys)
		switch {
		case overlap > 0 && last != "" && !keys[last]:
			return shifted, nil
		case !p.More:
			return complete, nil
		case len(known) == before:
			return shifted, nil
		}
		last, read = key(p.LogEntries[len(p.LogEntries)-1]), offset+len(p.LogEntries)
	}
}

// tooMuch reports whether w should be read in two parts, as far as a page of it
// tells. What cannot be split is read whole.
func (f *fetching) tooMuch(w Window, p page) bool {
	if _, _, divisible := w.split(); !divisible {
		return false
	}
	expected := f.part.bytes
	if p.Total != nil && len(p.LogEntries) > 0 {
		expected = max(expected, expected/len(p.LogEntries)**p.Total)
	}
	return expected > f.client.maxPart || p.Total != nil && *p.Total > maxOffset-pageSize
}

func (f *fetching) page(ctx context.Context, w Window, offset, size int) (page, error) {
	query := url.Values{
		"since": {stamp(w.Since)}, "until": {stamp(w.Until)}, "time_zone": {"UTC"},
		"is_overview": {strconv.FormatBool(!f.client.config.AllEntries)},
		"include[]":   {"incidents", "services", "teams", "channels"},
		"limit":       {strconv.Itoa(size)}, "offset": {strconv.Itoa(offset)},
	}
	if offset == 0 {
		query.Set("total", "true") // once: counting is slow
	}
	body, err := f.client.get(ctx, query)
	if err != nil {
		return page{}, err
	}
	return parsePage(body)
}

// add keeps what is new of p, and returns the keys of all of it.
func (f *fetching) add(p page) map[string]bool {
	keys := make(map[string]bool, len(p.LogEntries))
	for _, raw := range p.LogEntries {
		k := key(raw)
		keys[k] = true
		if f.part.seen[k] || f.taken[k] {
			continue
		}
		f.part.seen[k] = true
		f.part.bytes += len(raw)
		if e, err := Parse(raw); err != nil {
			f.part.batch.Malformed = append(f.part.batch.Malformed, Malformed{raw, err})
		} else {
			f.part.batch.Entries = append(f.part.batch.Entries, e)
		}
	}
	return keys
}

// key returns what an element of a listing is known by: its id, or all of it
// where it is malformed.
func key(raw []byte) string {
	if e, err := Parse(raw); err == nil {
		return e.ID
	}
	return string(raw)
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
