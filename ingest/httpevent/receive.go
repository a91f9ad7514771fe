package httpevent

import (
	"bytes"
	"context"
	"crypto/subtle"
	"errors"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// receive takes one request from its receipt to its answer.
func (r *Receiver) receive(e endpoint) http.HandlerFunc {
	return func(w http.ResponseWriter, q *http.Request) {
		m := newMessage(w, q)
		body := r.newBody()
		defer body.free()
		req, no := r.read(e, w, q, body)
		if no != nil {
			r.refuse(w, &m, e.path, no)
			return
		}
		handedOn(q.Context())
		m.Request = req
		r.handOn(q.Context(), e, m).write(w)
	}
}

// newMessage returns a message without its request, and tells its id to the
// sender.
func newMessage(w http.ResponseWriter, q *http.Request) ingest.Message {
	now := time.Now()
	m := ingest.Message{ID: ingest.NewID(now), ReceivedAt: now, Protocol: ingest.HTTP, Source: peer(q)}
	w.Header()["X-Request-Id"] = []string{m.ID.String()}
	return m
}

// read makes a Request of q, whose Raw lies in body, or says why not.
func (r *Receiver) read(e endpoint, w http.ResponseWriter, q *http.Request, body *body) (_ *ingest.Request, no *refusal) {
	defer func() {
		if fault := recover(); fault != nil {
			r.log.Error("panic contained", "id", w.Header().Get("X-Request-Id"), "path", e.path, "body_bytes", body.Len(), "panic", fault, "stack", string(debug.Stack()))
			no = panicked()
		}
	}()
	if !r.allow.Permits(peer(q)) {
		return nil, wrongSource()
	}
	if !r.authorized(q.Header.Get("Authorization")) {
		return nil, wrongToken()
	}
	if no := r.readBody(w, q, body); no != nil {
		return nil, no
	}
	if len(bytes.TrimSpace(body.Bytes())) == 0 {
		return nil, malformed(errEmpty.Error())
	}
	said := contentOf(q.Header.Get("Content-Type"))
	text := ingest.UTF8(body.Bytes(), said.charset)
	req := newRequest(e, q, said.media, text)
	if e.asItCame() {
		req.Raw = body.Bytes()
	}
	var err error
	if req.Body, err = e.decode(said, text); err != nil {
		return nil, malformed(err.Error())
	}
	if faults := append(req.TakeKey(), req.Check()...); len(faults) > 0 {
		return nil, malformed(faults...)
	}
	return req, nil
}

// handOn hands m on and waits until it is durable. A client that goes away,
// and a commit that takes too long, end the wait; the event may then be
// durable all the same, which a sender's retry makes harmless.
func (r *Receiver) handOn(ctx context.Context, e endpoint, m ingest.Message) answer {
	ctx, cancel := context.WithTimeout(ctx, commitWithin)
	defer cancel()
	done := make(chan ingest.Receipt, 1)
	r.handler.Handle(ctx, []ingest.Message{m}, func(got ingest.Receipt) { done <- got })
	select {
	case got := <-done:
		return r.conclude(e, m, got)
	case <-ctx.Done():
		return unavailable("the event was not committed within " + commitWithin.String() + "; it may still be")
	}
}

func (r *Receiver) conclude(e endpoint, m ingest.Message, got ingest.Receipt) answer {
	if got.Err == nil {
		return e.accept(got)
	}
	type invalidEvent interface {
		error
		InvalidEvent() []string
	}
	if fault, ok := errors.AsType[invalidEvent](got.Err); ok {
		return invalid(fault.InvalidEvent()...)
	}
	if unlogged, ok := r.refusals.next(m.ReceivedAt); ok {
		r.log.Error("event not committed", "id", m.ID, "path", m.Request.Path, "error", got.Err, "refused_unlogged", unlogged)
	}
	return unavailable("the event could not be committed; the log has the reason under id " + m.ID.String())
}

// peer is the address that q came from, without an IPv6 zone.
func peer(q *http.Request) netip.Addr {
	from, err := netip.ParseAddrPort(q.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return from.Addr().Unmap().WithZone("")
}

// authorized reports whether authorization shows the token, if there is one:
// "Bearer X", "Token X", "Token token=X".
func (r *Receiver) authorized(authorization string) bool {
	if r.token == "" {
		return true
	}
	scheme, shown, _ := strings.Cut(authorization, " ")
	shown = strings.TrimSpace(shown)
	switch strings.ToLower(scheme) {
	case "bearer":
	case "token":
		shown = strings.Trim(strings.TrimPrefix(shown, "token="), `"`)
	default:
		return false
	}
	return subtle.ConstantTimeCompare([]byte(shown), []byte(r.token.Reveal())) == 1
}

func newRequest(e endpoint, q *http.Request, media string, raw []byte) *ingest.Request {
	req := &ingest.Request{
		Path:        e.path,
		API:         e.api,
		Headers:     headers(q.Header),
		ContentType: media,
		Raw:         raw,
	}
	vars := mux.Vars(q)
	if name, ok := vars["name"]; ok {
		req.Path = "/hooks/" + ingest.CleanText(name)
	}
	req.Key = ingest.Secret(vars["routing_key"])
	if req.Key == "" {
		req.Key = ingest.Secret(q.Header.Get(routingKeyHeader)) // the body's own key replaces it
	}
	return req
}

// routingKeyHeader is where older clients of Events API v2 (pdpyras until 2021)
// put the key.
const routingKeyHeader = "X-Routing-Key"

// headers returns the headers that rules may see.
func headers(from http.Header) map[string]string {
	to := make(map[string]string, len(from))
	for name, values := range from {
		switch name {
		case "Authorization", "Proxy-Authorization", "Cookie", routingKeyHeader:
			continue
		}
		to[strings.ToLower(name)] = ingest.CleanText(strings.Join(values, ", "))
	}
	return to
}
