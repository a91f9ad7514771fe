// Package sandbox stands in for events.pagerduty.com and api.pagerduty.com:
// for demonstrations, for tests, and for those who write rules. What comes in
// are the requests of the Events API, v1 and v2, change events, Event
// Orchestration's and Nagios'; what goes out are PagerDuty's answers, or the
// faults that it was told to show, and the log entries of the incidents that
// the events made. It remembers the last requests, without their keys, in
// memory only.
package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/mux"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// MaxBody is the longest event that PagerDuty takes, in bytes.
const MaxBody = 512 << 10

// Config says how much a Sandbox remembers.
type Config struct {
	Keep int // requests, and log entries; 0: 10,000. The oldest is forgotten first.

	Token ingest.Secret // that GET /log_entries asks for; empty: any will do
}

// Sandbox is an http.Handler. Its methods may be called from any goroutine.
type Sandbox struct {
	router *mux.Router
	token  ingest.Secret

	mu       sync.Mutex
	journal  journal
	log      log
	rest     restLimit
	behavior behavior
}

// New returns a Sandbox that behaves as PagerDuty does on a good day.
func New(cfg Config) *Sandbox {
	if cfg.Keep <= 0 {
		cfg.Keep = 10_000
	}
	s := &Sandbox{router: mux.NewRouter(), token: cfg.Token, journal: journal{keep: cfg.Keep}, log: log{keep: cfg.Keep}}
	s.log.clear()
	s.behavior.change(Behavior{})
	for path, read := range endpoints() {
		s.router.Handle(path, s.endpoint(path, read)).Methods(http.MethodPost)
	}
	s.router.HandleFunc("/", s.overview).Methods(http.MethodGet)
	s.router.HandleFunc("/events", s.list).Methods(http.MethodGet)
	s.router.HandleFunc("/events", s.forget).Methods(http.MethodDelete)
	s.router.HandleFunc("/log_entries", s.listLogEntries).Methods(http.MethodGet)
	s.router.HandleFunc("/log_entries", s.playLogEntry).Methods(http.MethodPost)
	s.router.HandleFunc("/incidents", s.playLife).Methods(http.MethodPost)
	s.router.HandleFunc("/behavior", s.showBehavior).Methods(http.MethodGet)
	s.router.HandleFunc("/behavior", s.putBehavior).Methods(http.MethodPut)
	s.router.HandleFunc("/behavior", s.resetBehavior).Methods(http.MethodDelete)
	return s
}

// ServeHTTP answers as PagerDuty does, or as Behave was told.
func (s *Sandbox) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.router.ServeHTTP(w, r) }

// Events returns what was accepted and is still remembered, in the order in
// which it was accepted. An event is in it before its sender has the answer.
func (s *Sandbox) Events() []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	var accepted []Event
	for e := range s.journal.all() {
		if e.Accepted() {
			accepted = append(accepted, *e)
		}
	}
	return accepted
}

// Behave changes how requests are answered from now on; the zero Behavior is
// PagerDuty's on a good day. Requests that hang are cut off.
func (s *Sandbox) Behave(b Behavior) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.behavior.change(b)
}

// endpoint serves one path of the API.
func (s *Sandbox) endpoint(path string, read reader) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		received := time.Now()
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
		if tooLong := new(http.MaxBytesError); errors.As(err, &tooLong) {
			s.record(Event{ReceivedAt: received, Endpoint: path, Status: http.StatusRequestEntityTooLarge})
			reply(w, answer{status: http.StatusRequestEntityTooLarge, body: problem{
				Status: "invalid event", Message: "Event is too large",
				Errors: []string{fmt.Sprintf("the body is longer than %d bytes", MaxBody)},
			}})
			return
		}
		if err != nil {
			return // the client left
		}
		req := read(r, body)
		req.event.ReceivedAt, req.event.Endpoint, req.event.RoutingKeySuffix = received, path, suffix(req.key)
		s.serve(w, r, req)
	})
}

// serve misbehaves if it was told to, and else decides, records and answers.
func (s *Sandbox) serve(w http.ResponseWriter, r *http.Request, req request) {
	s.mu.Lock()
	fault := s.behavior.next(r.URL.Path)
	s.mu.Unlock()
	s.misbehave(w, r, fault, func() { reply(w, s.decide(req, fault)) }, func() { s.record(req.event) })
}

// misbehave waits, hangs or resets as fault has it, and else lets the request
// be answered. unanswered is called where it is not.
func (s *Sandbox) misbehave(w http.ResponseWriter, r *http.Request, fault fault, answered, unanswered func()) {
	if fault.Delay > 0 {
		timer := time.NewTimer(fault.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
			unanswered()
			return
		}
	}
	switch {
	case fault.Hang:
		unanswered()
		select {
		case <-fault.changed:
		case <-r.Context().Done():
		}
		panic(http.ErrAbortHandler)
	case fault.Reset:
		unanswered()
		reset(w)
	default:
		answered()
	}
}

// decide settles how req is answered, and records it with that answer.
func (s *Sandbox) decide(req request, fault fault) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := req.accepted()
	switch {
	case fault.Status != 0:
		a = answer{status: fault.Status, retryAfter: fault.RetryAfter, body: problemOf(fault.Status)}
	case len(req.errors) > 0:
		a = answer{status: http.StatusBadRequest, body: problem{
			Status: "invalid event", Message: "Event object is invalid", Errors: req.errors,
		}}
	case !s.behavior.admit(req.key, time.Now()):
		a = answer{status: req.busy(), retryAfter: s.behavior.now.RetryAfter, body: problemOf(http.StatusTooManyRequests)}
	}
	req.event.Status = a.status
	s.journal.add(req.event)
	s.log.follow(req.event)
	return a
}

func (s *Sandbox) record(e Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.journal.add(e)
}

// answer is what a client is told.
type answer struct {
	status     int
	retryAfter time.Duration // 0: not said
	header     http.Header   // more of it
	body       any
}

// success is PagerDuty's answer to an event that it takes.
type success struct {
	Status      string `json:"status"`
	Message     string `json:"message"`
	DedupKey    string `json:"dedup_key,omitempty"`
	IncidentKey string `json:"incident_key,omitempty"`
}

// problem is PagerDuty's answer to all others.
type problem struct {
	Status  string   `json:"status"`
	Message string   `json:"message"`
	Errors  []string `json:"errors,omitempty"`
}

func problemOf(status int) problem {
	if status == http.StatusTooManyRequests {
		return problem{
			Status: "throttle exceeded", Message: "Requests for this service are arriving too quickly. Please retry later.",
			Errors: []string{"Enqueue throttle limit exceeded"},
		}
	}
	return problem{Status: "error", Message: http.StatusText(status)}
}

func reply(w http.ResponseWriter, a answer) {
	if a.retryAfter > 0 {
		seconds := (a.retryAfter + time.Second - 1) / time.Second // RFC 9110 section 10.2.3: whole seconds
		w.Header().Set("Retry-After", fmt.Sprint(int64(seconds)))
	}
	maps.Copy(w.Header(), a.header)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(a.status)
	if a.body != nil {
		_ = json.NewEncoder(w).Encode(a.body) // a client that left does not want it
	}
}
