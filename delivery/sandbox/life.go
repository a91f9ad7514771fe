package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// Life is what happens to an incident, one step after another.
type Life struct {
	// Incident is as LogEntry has it. One that is over begins anew.
	Incident string

	// Every is the time from one step to the next, the first of which is taken
	// at once; 0: 5 s.
	Every time.Duration

	// Steps are types of log entries as LogEntry has them; none: triggered,
	// acknowledged, annotated, escalated and resolved.
	Steps []string

	// Again has another life begin one step after the end of this, as long as
	// somebody reads the log.
	Again bool
}

const (
	defaultEvery = 5 * time.Second
	minEvery     = 10 * time.Millisecond
	maxSteps     = 1000
)

// PlayLife has the entries of an incident's life appear in its log when their
// time has come.
func (s *Sandbox) PlayLife(l Life) error {
	if l.Every == 0 {
		l.Every = defaultEvery
	}
	if len(l.Steps) == 0 {
		l.Steps = []string{"trigger", "acknowledge", "annotate", "escalate", "resolve"}
	}
	switch {
	case l.Incident == "":
		return fmt.Errorf(`a life needs an incident, such as {"incident": "disk-7", "every": "5s"}`)
	case l.Every < minEvery:
		return fmt.Errorf("every %s: must be at least %s", l.Every, minEvery)
	case len(l.Steps) > maxSteps:
		return fmt.Errorf("steps: %d are too many, %d are the most", len(l.Steps), maxSteps)
	}
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log.lives = append(s.log.lives, &living{Life: l, next: now})
	s.log.catchUp(now)
	return nil
}

// living is a Life under way.
type living struct {
	Life
	taken int       // of its steps
	next  time.Time // when the next is taken
}

// catchUp takes the steps whose time has come. A step that nobody asked for
// in time was taken in time all the same.
func (l *log) catchUp(now time.Time) {
	alive := l.lives[:0]
	for _, life := range l.lives {
		for life.taken < len(life.Steps) && !life.next.After(now) {
			l.step(life)
		}
		if life.taken == len(life.Steps) && life.Again {
			life.taken = 0
			if life.next.Before(now) { // nobody reads: those between are left out
				life.next = now
			}
		}
		if life.taken < len(life.Steps) {
			alive = append(alive, life)
		}
	}
	clear(l.lives[len(alive):])
	l.lives = alive
}

// step takes the next step of a life. What begins an incident assigns it and
// notifies somebody, as for an event.
func (l *log) step(life *living) {
	e := LogEntry{Type: withSuffix(life.Steps[life.taken]), Incident: life.Incident, CreatedAt: life.next}
	if e.Type == "annotate_log_entry" {
		e.Note = "The sandbox has looked into it."
	}
	l.play(e)
	if e.Type == "trigger_log_entry" {
		l.play(LogEntry{Type: "assign_log_entry", Incident: life.Incident, CreatedAt: life.next})
		l.play(LogEntry{Type: "notify_log_entry", Incident: life.Incident, CreatedAt: life.next})
	}
	life.taken++
	life.next = life.next.Add(life.Every)
}

// playLife is POST /incidents, which PagerDuty has for other ends.
func (s *Sandbox) playLife(w http.ResponseWriter, r *http.Request) {
	var from struct {
		Incident string   `json:"incident"`
		Every    period   `json:"every"`
		Steps    []string `json:"steps"`
		Again    bool     `json:"again"`
	}
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&from)
	if err == nil {
		err = s.PlayLife(Life{Incident: from.Incident, Every: time.Duration(from.Every), Steps: from.Steps, Again: from.Again})
	}
	if err != nil {
		reply(w, restAnswer(http.StatusBadRequest, 2001, "Invalid Input Provided", err.Error()))
		return
	}
	reply(w, answer{status: http.StatusCreated, body: object{"incident": from.Incident, "see": "/log_entries"}})
}
