package httpevent

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

// Limits of the memory that bodies take.
const (
	maxGrow     = 4 << 10         // what a Content-Length gets on trust
	maxSmall    = 32 << 10        // a body up to here is read at once, and its buffer kept for others
	maxLarge    = 32 << 20        // beyond it, requests take room of this: what they decode to can be twenty times as much
	largeWithin = 5 * time.Second // how long one waits for room
)

// body is the body of a request, gzip undone.
type body struct {
	bytes.Buffer
	r    *Receiver
	room int64 // that it takes of r.large
}

func (r *Receiver) newBody() *body {
	b, ok := r.bodies.Get().(*body)
	if !ok {
		b = &body{r: r}
	}
	return b
}

// free ends the use of b and of what aliases it.
func (b *body) free() {
	b.r.large.Release(b.room)
	b.room = 0
	if b.Cap() <= 2*maxSmall {
		b.Reset()
		b.r.bodies.Put(b)
	}
}

// readBody reads the body of q into to, at most r.maxBody bytes of it.
func (r *Receiver) readBody(w http.ResponseWriter, q *http.Request, to *body) *refusal {
	if q.ContentLength > r.maxBody {
		return tooLarge(r.maxBody)
	}
	to.Grow(int(min(max(q.ContentLength, 0), maxGrow)) + bytes.MinRead)
	from := io.Reader(http.MaxBytesReader(w, q.Body, r.maxBody))
	var err error
	switch strings.ToLower(q.Header.Get("Content-Encoding")) {
	case "", "identity":
		err = to.read(q.Context(), from)
	case "gzip", "x-gzip":
		err = r.gunzip(q.Context(), from, to)
	default:
		return unknownEncoding()
	}
	if no := r.bodyFault(err); no != nil {
		return no
	}
	if int64(to.Len()) > r.maxBody {
		return tooLarge(r.maxBody)
	}
	return nil
}

// errNoRoom ends a body that found no room within largeWithin.
var errNoRoom = errors.New("no room for a large body")

// read reads all of from. Once that is more than maxSmall, room must be found
// for the most that it can be.
func (b *body) read(ctx context.Context, from io.Reader) error {
	n, err := b.ReadFrom(io.LimitReader(from, maxSmall))
	if err != nil || n < maxSmall {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, largeWithin)
	defer cancel()
	if b.r.large.Acquire(ctx, min(b.r.maxBody, maxLarge)) != nil {
		return errNoRoom
	}
	b.room = min(b.r.maxBody, maxLarge)
	_, err = b.ReadFrom(from)
	return err
}

// gunzip writes at most one byte more than r.maxBody to to.
func (r *Receiver) gunzip(ctx context.Context, from io.Reader, to *body) error {
	zr, ok := r.gzips.Get().(*gzip.Reader)
	if !ok {
		zr = new(gzip.Reader)
	}
	defer r.gzips.Put(zr)
	if err := zr.Reset(from); err != nil {
		return err
	}
	return to.read(ctx, io.LimitReader(zr, r.maxBody+1))
}

func (r *Receiver) bodyFault(err error) *refusal {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLarge(r.maxBody)
	}
	if errors.Is(err, errNoRoom) {
		return overloaded()
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return tooSlow()
	}
	if errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) {
		return malformed("the body is not gzip, as its Content-Encoding says")
	}
	return malformed("the body could not be read to its end")
}
