package logentry

import (
	"context"
	"errors"
	"fmt"
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

// Batch is what a window held.
type Batch struct {
	Entries   []delivery.LogEntry // oldest first, by id where two are of one instant; none twice
	Malformed []Malformed         // what could not be read; none of Entries is lost for it

	// Cursor is up to when everything was asked for: the window's end, or
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

// Fetch returns the log entries that were created in w. Its errors are
// *TokenRefused, *Unstable, *TooMany, *delivery.Busy when PagerDuty stays
// busy, *delivery.Rejected and *delivery.Failed as they say, or those of the
// network; after any of them nothing is lost if the same cursor is used again.
func (c *Client) Fetch(ctx context.Context, w Window) (Batch, error) {
	if w.Empty() {
		return Batch{Cursor: w.Until}, nil
	}
	f := fetching{client: c, seen: map[string]bool{}, batch: Batch{Cursor: w.Until}}
	now, err := c.Now(ctx)
	if err == nil {
		err = f.window(ctx, w)
	}
	if err != nil {
		return Batch{}, err
	}
	if now = now.UTC().Truncate(time.Second); now.Before(w.Until) {
		f.batch.Cursor = now
	}
	oldestFirst(f.batch.Entries)
	return f.batch, nil
}

// fetching is a Fetch under way. What any listing showed is kept, whatever
// becomes of that listing.
type fetching struct {
	client *Client
	seen   map[string]bool // ids of entries, and the text of what has none
	batch  Batch
}

// window lists w, in two parts where it has more than PagerDuty lists.
func (f *fetching) window(ctx context.Context, w Window) error {
	for range maxListings {
		how, err := f.list(ctx, w)
		if err != nil {
			return err
		}
		switch how {
		case complete:
			return nil
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

// listed tells how a listing ended.
type listed int

const (
	complete    listed = iota
	overflowing        // PagerDuty lists no further
	shifted            // entries moved towards its beginning: some may have been passed over
)

// list reads the pages of a listing. The newest entry comes first, so that what
// appears meanwhile moves others to later pages, where they are seen twice. What moves others
// to earlier pages shows by a page that does not have its predecessor's last entry.
func (f *fetching) list(ctx context.Context, w Window) (listed, error) {
	last := ""
	size, offset := pageSize, 0
	for {
		if offset+size > maxOffset {
			return overflowing, nil
		}
		p, err := f.page(ctx, w, offset, size)
		if long := (*tooLong)(nil); errors.As(err, &long) && size > 1 {
			size = max(1, size/4)
			continue
		}
		if err != nil {
			return 0, err
		}
		if p.Total != nil && *p.Total > maxOffset-pageSize {
			if _, _, ok := w.split(); ok {
				return overflowing, nil
			}
		}
		ids := f.add(p)
		if last != "" && !ids[last] {
			return shifted, nil
		}
		if !p.More {
			return complete, nil
		}
		if len(p.LogEntries) == 0 {
			return shifted, nil // more is said to come, and does not
		}
		last = key(p.LogEntries[len(p.LogEntries)-1])
		offset += len(p.LogEntries) - min(pageOverlap, len(p.LogEntries)/2)
		if len(p.LogEntries) == 1 {
			last = "" // pages of one cannot overlap
		}
	}
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
		if f.seen[k] {
			continue
		}
		f.seen[k] = true
		if e, err := Parse(raw); err != nil {
			f.batch.Malformed = append(f.batch.Malformed, Malformed{raw, err})
		} else {
			f.batch.Entries = append(f.batch.Entries, e)
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
