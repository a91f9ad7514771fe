package httpevent

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
)

// maxGrow is how much memory a Content-Length gets on trust.
const maxGrow = 64 << 10

// readBody reads the body of q into to, gzip undone, at most r.maxBody bytes
// of it.
func (r *Receiver) readBody(w http.ResponseWriter, q *http.Request, to *bytes.Buffer) *refusal {
	if q.ContentLength > r.maxBody {
		return tooLarge(r.maxBody)
	}
	to.Grow(int(min(max(q.ContentLength, 0), maxGrow)) + bytes.MinRead)
	body := io.Reader(http.MaxBytesReader(w, q.Body, r.maxBody))
	var err error
	switch strings.ToLower(q.Header.Get("Content-Encoding")) {
	case "", "identity":
		_, err = to.ReadFrom(body)
	case "gzip", "x-gzip":
		err = r.gunzip(body, to)
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

// gunzip writes at most one byte more than r.maxBody to to.
func (r *Receiver) gunzip(body io.Reader, to *bytes.Buffer) error {
	zr, ok := r.gzips.Get().(*gzip.Reader)
	if !ok {
		zr = new(gzip.Reader)
	}
	defer r.gzips.Put(zr)
	if err := zr.Reset(body); err != nil {
		return err
	}
	_, err := to.ReadFrom(io.LimitReader(zr, r.maxBody+1))
	return err
}

func (r *Receiver) bodyFault(err error) *refusal {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLarge(r.maxBody)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return tooSlow()
	}
	if errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) {
		return malformed("the body is not gzip, as its Content-Encoding says")
	}
	return malformed("the body could not be read to its end")
}
