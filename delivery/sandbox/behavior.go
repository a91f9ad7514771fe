package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"math"
	"net"
	"net/http"
	"time"
)

// Behavior is what a Sandbox does that PagerDuty would rather not. As JSON,
// durations are text such as "1.5s".
type Behavior struct {
	Status     int           // answer this instead; 0: as PagerDuty would
	RetryAfter time.Duration // say so with Status and with Rate's refusals, in whole seconds; 0: do not
	Delay      time.Duration // wait before anything else
	Hang       bool          // never answer
	Reset      bool          // reset the connection instead of answering

	Count int     // all of this for so many requests, and then no more; 0: until it is changed
	Share float64 // Status, Delay, Hang and Reset for this share of requests, evenly spread; 0: for all
	Rate  float64 // accept so many a second for an integration key, and refuse the others; 0: all

	Path string // all of this but Rate for requests to this path only: "/log_entries"; empty: for all
}

// Validate returns an error that names the member that makes no sense.
func (b Behavior) Validate() error {
	switch {
	case b.Status != 0 && (b.Status < 200 || b.Status > 599):
		return fmt.Errorf("status %d: must be 200 to 599", b.Status)
	case b.RetryAfter < 0 || b.Delay < 0:
		return errors.New("retry_after and delay must not be negative")
	case b.Count < 0:
		return fmt.Errorf("count %d: must not be negative", b.Count)
	case b.Share < 0 || b.Share > 1:
		return fmt.Errorf("share %v: must be 0 to 1", b.Share)
	case b.Rate < 0:
		return fmt.Errorf("rate %v: must not be negative", b.Rate)
	}
	return nil
}

// behaviorJSON is Behavior's form in JSON.
type behaviorJSON struct {
	Status     int     `json:"status,omitempty"`
	RetryAfter period  `json:"retry_after,omitempty"`
	Delay      period  `json:"delay,omitempty"`
	Hang       bool    `json:"hang,omitempty"`
	Reset      bool    `json:"reset,omitempty"`
	Count      int     `json:"count,omitempty"`
	Share      float64 `json:"share,omitempty"`
	Rate       float64 `json:"rate,omitempty"`
	Path       string  `json:"path,omitempty"`
}

// period is a duration whose text is Go's.
type period time.Duration

func (p period) MarshalText() ([]byte, error) { return []byte(time.Duration(p).String()), nil }

func (p *period) UnmarshalText(text []byte) error {
	d, err := time.ParseDuration(string(text))
	*p = period(d)
	return err
}

// MarshalJSON writes the members that are set.
func (b Behavior) MarshalJSON() ([]byte, error) {
	return json.Marshal(behaviorJSON{
		b.Status, period(b.RetryAfter), period(b.Delay), b.Hang, b.Reset, b.Count, b.Share, b.Rate, b.Path,
	})
}

// UnmarshalJSON is an error for members that it does not know.
func (b *Behavior) UnmarshalJSON(text []byte) error {
	var j behaviorJSON
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&j); err != nil {
		return err
	}
	*b = Behavior{
		Status: j.Status, RetryAfter: time.Duration(j.RetryAfter), Delay: time.Duration(j.Delay),
		Hang: j.Hang, Reset: j.Reset, Count: j.Count, Share: j.Share, Rate: j.Rate, Path: j.Path,
	}
	return b.Validate()
}

// behavior is a Behavior under way.
type behavior struct {
	now     Behavior
	changed chan struct{} // closed when now is over
	share   float64       // of a fault that has come due
	seed    maphash.Seed
	buckets map[uint64]*bucket // by a key's hash
}

// bucket holds what an integration key may still send.
type bucket struct {
	tokens float64
	filled time.Time
}

// fault is what one request meets.
type fault struct {
	Behavior
	changed <-chan struct{}
}

func (b *behavior) change(next Behavior) {
	if b.changed != nil {
		close(b.changed)
	}
	*b = behavior{now: next, changed: make(chan struct{}), seed: maphash.MakeSeed(), buckets: map[uint64]*bucket{}}
}

// next takes the fault that the next request, which is to path, meets.
func (b *behavior) next(path string) fault {
	due := fault{changed: b.changed}
	if b.now.Path != "" && b.now.Path != path {
		return due
	}
	share := b.now.Share
	if share == 0 {
		share = 1
	}
	if b.share += share; b.share > 1-1e-9 {
		b.share--
		due.Behavior = b.now
	}
	switch b.now.Count {
	case 0:
	case 1:
		b.now = Behavior{} // what hangs already goes on hanging
	default:
		b.now.Count--
	}
	return due
}

// admit takes a token of key's bucket, which holds a second's worth, or one
// where that is less.
func (b *behavior) admit(key string, at time.Time) bool {
	if b.now.Rate == 0 {
		return true
	}
	size := math.Max(1, b.now.Rate)
	hash := maphash.String(b.seed, key)
	k := b.buckets[hash]
	if k == nil {
		k = &bucket{tokens: size, filled: at}
		b.buckets[hash] = k
	}
	k.tokens = math.Min(size, k.tokens+at.Sub(k.filled).Seconds()*b.now.Rate)
	k.filled = at
	if k.tokens < 1 {
		return false
	}
	k.tokens--
	return true
}

// reset ends the connection of w as a crashed peer would: with a TCP RST.
// HTTP/2 has many requests on one connection; there only the stream is reset.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	raw := conn
	if inner, ok := conn.(interface{ NetConn() net.Conn }); ok { // TLS
		raw = inner.NetConn()
	}
	if tcp, ok := raw.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // without it the end would be an orderly one
	}
	_ = raw.Close()
}
