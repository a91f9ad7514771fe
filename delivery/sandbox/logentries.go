package sandbox

import (
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	maxListed   = 100    // entries of a page
	maxOffset   = 10_000 // of offset and limit together
	maxRequests = 960    // a minute, of the REST API
)

// restProblem is the REST API's answer to what it does not answer.
type restProblem struct {
	Error struct {
		Message string   `json:"message"`
		Code    int      `json:"code"`
		Errors  []string `json:"errors,omitempty"`
	} `json:"error"`
}

func restAnswer(status, code int, message string, errors ...string) answer {
	var p restProblem
	p.Error.Message, p.Error.Code, p.Error.Errors = message, code, errors
	return answer{status: status, body: p}
}

// listLogEntries is GET /log_entries of the REST API.
func (s *Sandbox) listLogEntries(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	fault := s.behavior.next(r.URL.Path)
	s.mu.Unlock()
	s.misbehave(w, r, fault, func() {
		s.mu.Lock()
		a := s.answerListing(r, fault)
		s.mu.Unlock()
		reply(w, a)
	}, func() {})
}

// answerListing is called under the lock.
func (s *Sandbox) answerListing(r *http.Request, fault fault) answer {
	left, reset := s.rest.take(time.Now())
	headers := http.Header{
		"Ratelimit-Limit": {strconv.Itoa(maxRequests)}, "Ratelimit-Remaining": {strconv.Itoa(left)},
		"Ratelimit-Reset": {strconv.Itoa(reset)},
	}
	a := s.listing(r)
	switch {
	case fault.Status != 0:
		a = restAnswer(fault.Status, 2020, http.StatusText(fault.Status))
		a.retryAfter = fault.RetryAfter
	case left < 0:
		headers.Set("Ratelimit-Remaining", "0")
		a = restAnswer(http.StatusTooManyRequests, 2020, "Rate Limit Exceeded")
		a.retryAfter = time.Duration(reset) * time.Second
	}
	a.header = headers
	return a
}

// restLimit counts the requests of a minute.
type restLimit struct {
	minute time.Time
	made   int
}

// take counts a request, and returns how many are left (-1: it was one too
// many) and for how many seconds.
func (l *restLimit) take(now time.Time) (left, reset int) {
	if minute := now.Truncate(time.Minute); !minute.Equal(l.minute) {
		*l = restLimit{minute: minute}
	}
	l.made++
	return max(maxRequests-l.made, -1), int(l.minute.Add(time.Minute).Sub(now)/time.Second) + 1
}

// authorized looks at the token: any, or the one that was configured.
func (s *Sandbox) authorized(header string) bool {
	token, ok := strings.CutPrefix(header, "Token token=")
	if !ok {
		token, ok = strings.CutPrefix(header, "Bearer ")
	}
	return ok && token != "" && (s.token == "" || subtle.ConstantTimeCompare([]byte(token), []byte(s.token.Reveal())) == 1)
}

func (s *Sandbox) listing(r *http.Request) answer {
	if !s.authorized(r.Header.Get("Authorization")) {
		return restAnswer(http.StatusUnauthorized, 2006, "Unauthorized")
	}
	q, err := parseListing(r.URL.Query())
	if err != nil {
		return restAnswer(http.StatusBadRequest, 2001, "Invalid Input Provided", err.Error())
	}
	s.log.catchUp(time.Now())
	found := s.log.listed(q)
	page := []json.RawMessage{}
	for _, l := range found[min(q.offset, len(found)):min(q.offset+q.limit, len(found))] {
		page = append(page, l.listing(q.includes))
	}
	body := object{"log_entries": page, "limit": q.limit, "offset": q.offset, "more": q.offset+len(page) < len(found), "total": nil}
	if q.total {
		body["total"] = len(found)
	}
	return answer{status: http.StatusOK, body: body}
}

// query is what a listing is asked for.
type query struct {
	since, until  time.Time
	limit, offset int
	overview      bool
	total         bool
	includes      []string
}

func parseListing(values url.Values) (q query, err error) {
	q = query{
		limit: 25, includes: values["include[]"], total: values.Get("total") == "true",
		overview: values.Get("is_overview") == "true",
	}
	for name, to := range map[string]*time.Time{"since": &q.since, "until": &q.until} {
		if text := values.Get(name); text != "" {
			if *to, err = time.Parse(time.RFC3339, text); err != nil {
				return q, fmt.Errorf("%s is not a valid ISO 8601 date", name)
			}
		}
	}
	for name, to := range map[string]*int{"limit": &q.limit, "offset": &q.offset} {
		if text := values.Get(name); text != "" {
			if *to, err = strconv.Atoi(text); err != nil || *to < 0 {
				return q, fmt.Errorf("%s must be a number, 0 or more", name)
			}
		}
	}
	q.limit = max(1, min(q.limit, maxListed))
	if q.offset+q.limit > maxOffset {
		return q, fmt.Errorf("offset and limit together must not be more than %d", maxOffset)
	}
	return q, nil
}

// listed returns the entries that q asks for, the newest first.
func (l *log) listed(q query) []*logged {
	var found []*logged
	for _, e := range l.entries {
		if (q.since.IsZero() || !e.CreatedAt.Before(q.since)) && (q.until.IsZero() || !e.CreatedAt.After(q.until)) && (!q.overview || e.overview()) {
			found = append(found, e)
		}
	}
	slices.SortFunc(found, func(a, b *logged) int {
		if c := b.CreatedAt.Compare(a.CreatedAt); c != 0 {
			return c
		}
		return strings.Compare(b.id, a.id)
	})
	return found
}

// playLogEntry is POST /log_entries, which PagerDuty does not have.
func (s *Sandbox) playLogEntry(w http.ResponseWriter, r *http.Request) {
	var e LogEntry
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10))
	decoder.DisallowUnknownFields()
	id, problem := "", decoder.Decode(&e)
	if problem != nil {
		problem = fmt.Errorf("this is no log entry such as {\"type\": \"acknowledge\", \"incident\": \"KEY\"}, with created_at, summary and note where you like: %w", problem)
	} else {
		id, problem = s.Play(e)
	}
	if problem != nil {
		reply(w, restAnswer(http.StatusBadRequest, 2001, "Invalid Input Provided", problem.Error()))
		return
	}
	reply(w, answer{status: http.StatusCreated, body: object{"id": id}})
}
