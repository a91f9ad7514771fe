package syslog

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// listener turns the datagrams of one socket into messages. All that it holds
// is reused for the next batch.
type listener struct {
	*Receiver
	parse func(raw []byte, now time.Time, line *ingest.Line)

	messages []ingest.Message
	lines    []ingest.Line // messages point into it
	counts   counts
	next     time.Time // when something may be logged again
}

// counts is what became of a batch's datagrams that are not handed on.
type counts struct{ refused, empty, panicked, truncated int }

// handle hands on what it takes of ds, in their order, and counts the rest.
func (l *listener) handle(ctx context.Context, ds []ingest.Datagram) {
	l.messages = l.messages[:0]
	l.lines = slices.Grow(l.lines[:0], len(ds))
	l.counts = counts{}
	for i := range ds {
		l.take(&ds[i])
	}
	l.tally.Add(ingest.Syslog, ingest.RefusedSource, l.counts.refused)
	l.tally.Add(ingest.Syslog, ingest.Empty, l.counts.empty)
	l.tally.Add(ingest.Syslog, ingest.Panicked, l.counts.panicked)
	if l.counts.truncated > 0 {
		l.truncated.Add(uint64(l.counts.truncated))
	}
	if len(l.messages) > 0 {
		l.handler.Handle(ctx, l.messages, nil)
	}
}

// take appends the message of d, or counts why there is none. That the parser
// could panic is a bug that nobody knows of, but it must not be a way to stop
// the program with one datagram.
func (l *listener) take(d *ingest.Datagram) {
	defer func() {
		if p := recover(); p != nil {
			l.counts.panicked++
			l.complain("line dropped: reading it panicked", d, "panic", fmt.Sprint(p))
		}
	}()
	if !l.allow.Permits(d.From.Addr()) {
		l.counts.refused++
		l.complain("datagram refused: its source is not in allow", d)
		return
	}
	if len(bytes.Trim(d.Data, " \t\r\n\x00")) == 0 {
		l.counts.empty++
		return
	}
	raw := cut(d.Data, l.maxBytes)
	if len(raw) < len(d.Data) || d.Truncated {
		l.counts.truncated++
		l.complain("line cut off: it is longer than max_message_bytes", d, "max_message_bytes", l.maxBytes)
	}
	l.lines = l.lines[:len(l.messages)+1]
	line := &l.lines[len(l.messages)]
	l.parse(raw, d.At, line)
	l.messages = append(l.messages, ingest.Message{
		ID:         ingest.NewID(d.At),
		ReceivedAt: d.At,
		Protocol:   ingest.Syslog,
		Source:     d.From.Addr().WithZone(""),
		Host:       line.Hostname,
		Line:       line,
	})
}

// cut returns at most limit bytes of b, and no half of a character.
func cut(b []byte, limit int) []byte {
	if len(b) <= limit {
		return b
	}
	end := limit
	for end > limit-utf8.UTFMax && !utf8.RuneStart(b[end]) {
		end--
	}
	return b[:end]
}

// complain logs what is wrong with a datagram, at most once in ten seconds: the
// counts say how often it is.
func (l *listener) complain(what string, d *ingest.Datagram, more ...any) {
	now := time.Now()
	if now.Before(l.next) {
		return
	}
	l.next = now.Add(10 * time.Second)
	l.log.With(more...).Warn(what, "source", d.From, "size", len(d.Data))
}
