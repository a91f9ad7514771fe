package syslog

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// maxBatch is how many messages are handed on at once.
const maxBatch = 512

// batch is what is handed on next. All that it holds is reused.
type batch struct {
	*Receiver
	parse parseFunc

	messages []ingest.Message
	lines    []ingest.Line // messages point into it
	ids      *ingest.IDs   // of the socket or connection that the messages are from
	refused  int
	empty    int
}

func (r *Receiver) newBatch(f Format) *batch {
	return &batch{
		Receiver: r,
		parse:    parserOf(f, r.parser),
		ids:      new(ingest.IDs),
		messages: make([]ingest.Message, 0, maxBatch),
		lines:    make([]ingest.Line, maxBatch),
	}
}

// add appends the message in raw, of which was said that it is truncated
// already, or counts why there is none. It hands on what there is when the
// batch is full.
func (b *batch) add(ctx context.Context, raw []byte, truncated bool, source netip.AddrPort, at time.Time) {
	if isEmpty(raw) {
		b.empty++
		return
	}
	if len(raw) > b.conf.MaxMessageBytes {
		raw, truncated = raw[:b.conf.MaxMessageBytes], true
	}
	if truncated {
		raw = withoutHalf(raw)
		b.truncated.Add(1)
		b.complain("line cut off: it is longer than max_message_bytes, or its connection ended in the middle of it",
			"source", source, "size", len(raw), "max_message_bytes", b.conf.MaxMessageBytes)
	}
	line := &b.lines[len(b.messages)]
	b.read(raw, source, at, line)
	b.messages = append(b.messages, ingest.Message{
		ID:         b.ids.Next(at),
		ReceivedAt: at,
		Protocol:   ingest.Syslog,
		Source:     source.Addr(),
		Host:       line.Hostname,
		Line:       line,
	})
	if len(b.messages) == maxBatch {
		b.handOn(ctx)
	}
}

// read fills line. That the parser could panic is a bug that nobody knows of,
// but one line must neither stop the program nor be lost: it is handed on as
// text.
func (b *batch) read(raw []byte, source netip.AddrPort, at time.Time, line *ingest.Line) {
	defer func() {
		if p := recover(); p != nil {
			unparsed(raw, clean(raw), line)
			sum := sha256.Sum256(raw)
			b.complain("reading a line panicked: all of it was taken for text; please report this", "source", source,
				"size", len(raw), "sha256", hex.EncodeToString(sum[:]), "panic", fmt.Sprint(p))
		}
	}()
	b.parse(raw, at, line)
}

// handOn gives the messages to the Handler, which takes as long as it likes,
// and counts those that there are not.
func (b *batch) handOn(ctx context.Context) {
	b.tally.Add(ingest.Syslog, ingest.RefusedSource, b.refused)
	b.tally.Add(ingest.Syslog, ingest.Empty, b.empty)
	b.refused, b.empty = 0, 0
	if len(b.messages) > 0 {
		b.handler.Handle(ctx, b.messages, nil)
		b.messages = b.messages[:0]
	}
}

// datagrams hands on what it takes of ds, in their order, and counts the rest.
func (b *batch) datagrams(ctx context.Context, ds []ingest.Datagram) {
	for i := range ds {
		d := &ds[i]
		if !b.conf.Allow.Permits(d.From.Addr()) {
			b.refused++
			b.complain("datagram refused: its source is not in allow", "source", d.From, "size", len(d.Data))
			continue
		}
		source := d.From
		if source.Addr().Zone() != "" {
			source = netip.AddrPortFrom(source.Addr().WithZone(""), source.Port())
		}
		b.add(ctx, d.Data, d.Truncated, source, d.At)
	}
	b.handOn(ctx)
}

// isEmpty reports whether b is nothing but blanks, line ends and NULs.
func isEmpty(b []byte) bool {
	for _, c := range b {
		switch c {
		case ' ', '\t', '\r', '\n', 0:
		default:
			return false
		}
	}
	return true
}

// withoutHalf returns b without a character at its end that is not whole.
func withoutHalf(b []byte) []byte {
	for i := len(b) - 1; i >= 0 && i >= len(b)-utf8.UTFMax; i-- {
		if utf8.RuneStart(b[i]) {
			if !utf8.FullRune(b[i:]) {
				return b[:i]
			}
			break
		}
	}
	return b
}

// quiet is how long nothing more is logged about what was logged: the counts
// say how often it is.
const quiet = 10 * time.Second

// complain logs what is wrong with what was received, each what at most once
// in ten seconds. It may be called from any goroutine.
func (r *Receiver) complain(what string, more ...any) {
	known, _ := r.complaints.LoadOrStore(what, new(atomic.Int64))
	next := known.(*atomic.Int64)
	now := time.Now()
	before := next.Load()
	if now.UnixNano() < before || !next.CompareAndSwap(before, now.Add(quiet).UnixNano()) {
		return
	}
	r.log.With(more...).Warn(what)
}
