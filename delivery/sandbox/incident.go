package sandbox

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// LogEntry is an entry of an incident's log that Play writes.
type LogEntry struct {
	// Type is as PagerDuty names it: "annotate_log_entry"; the suffix may be
	// left out.
	Type string `json:"type"`

	// Incident is the dedup_key of the events that the incident is made of,
	// or its id. One that does not exist begins.
	Incident string `json:"incident"`

	// CreatedAt is when it happened; zero: now. One that lies in the past
	// appears late, as some of PagerDuty's do.
	CreatedAt time.Time `json:"created_at"`

	Summary string `json:"summary"`
	Note    string `json:"note"`
}

// incident is what PagerDuty makes of events with one key.
type incident struct {
	id, key, title, status string
	number                 int
	createdAt, changedAt   time.Time
	firstEntry             string
}

// logged is an entry with its incident.
type logged struct {
	LogEntry
	id       string
	incident *incident
}

// overview tells whether an entry is listed with is_overview.
func (l *logged) overview() bool {
	return !slices.Contains([]string{"notify_log_entry", "assign_log_entry"}, l.Type)
}

// log holds the incidents and their entries.
type log struct {
	keep      int
	entries   []*logged
	incidents map[string]*incident // by key: the newest of each
	byID      map[string]*incident
	number    int // of the last incident
	serial    int // of the last entry
	lives     []*living
}

// Play writes an entry into an incident's log, as if somebody at PagerDuty had
// acted, and returns its id. Acknowledging and the like change the incident.
func (s *Sandbox) Play(e LogEntry) (id string, err error) {
	if e.Type == "" || e.Incident == "" {
		return "", fmt.Errorf("a log entry needs type and incident, such as {\"type\": \"annotate\", \"incident\": \"KEY\"}")
	}
	e.Type = withSuffix(e.Type)
	if e.CreatedAt.IsZero() {
		e.CreatedAt = time.Now()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log.catchUp(time.Now())
	return s.log.play(e).id, nil
}

func withSuffix(kind string) string { return strings.TrimSuffix(kind, "_log_entry") + "_log_entry" }

// follow lets an accepted event change its incident as PagerDuty does: a
// trigger begins one and notifies somebody, unless it is under way.
func (l *log) follow(e Event) {
	if e.DedupKey == "" || !e.Accepted() {
		return
	}
	at := e.ReceivedAt
	l.catchUp(at)
	open := l.incidents[e.DedupKey]
	if open != nil && open.status == "resolved" {
		open = nil
	}
	switch {
	case e.Action == "trigger" && open == nil:
		trigger := l.play(LogEntry{Type: "trigger_log_entry", Incident: e.DedupKey, CreatedAt: at})
		if e.Summary != "" {
			trigger.incident.title = e.Summary
		}
		l.play(LogEntry{Type: "assign_log_entry", Incident: e.DedupKey, CreatedAt: at})
		l.play(LogEntry{Type: "notify_log_entry", Incident: e.DedupKey, CreatedAt: at})
	case e.Action == "acknowledge" && open != nil && open.status == "triggered":
		l.play(LogEntry{Type: "acknowledge_log_entry", Incident: e.DedupKey, CreatedAt: at})
	case e.Action == "resolve" && open != nil:
		l.play(LogEntry{Type: "resolve_log_entry", Incident: e.DedupKey, CreatedAt: at})
	}
}

func (l *log) play(e LogEntry) *logged {
	l.serial++
	e.CreatedAt = e.CreatedAt.UTC().Truncate(time.Second)
	entry := &logged{LogEntry: e, id: fmt.Sprintf("R%013dSANDBOX", l.serial)}
	entry.incident = l.find(e)
	entry.incident.change(e)
	if entry.incident.firstEntry == "" {
		entry.incident.firstEntry = entry.id
	}
	l.entries = append(l.entries, entry)
	if over := len(l.entries) - l.keep; over > l.keep/4 { // now and then
		l.forget(over)
	}
	return entry
}

// forget drops the oldest entries, and the incidents that nothing is left of.
func (l *log) forget(n int) {
	l.entries = slices.Clone(l.entries[n:])
	l.incidents, l.byID = map[string]*incident{}, map[string]*incident{}
	for _, e := range l.entries {
		l.incidents[e.incident.key], l.byID[e.incident.id] = e.incident, e.incident
	}
}

// find returns the incident that an entry belongs to, which may begin with it.
func (l *log) find(e LogEntry) *incident {
	if i := l.incidents[e.Incident]; i != nil && (i.status != "resolved" || e.Type != "trigger_log_entry") {
		return i
	}
	if i := l.byID[e.Incident]; i != nil {
		return i
	}
	l.number++
	i := &incident{
		id: fmt.Sprintf("Q%08dSANDBX", l.number), key: e.Incident, title: e.Incident,
		number: l.number, status: "triggered", createdAt: e.CreatedAt,
	}
	l.incidents[i.key], l.byID[i.id] = i, i
	return i
}

func (i *incident) change(e LogEntry) {
	status := map[string]string{
		"trigger_log_entry": "triggered", "unacknowledge_log_entry": "triggered", "reopen_log_entry": "triggered",
		"acknowledge_log_entry": "acknowledged", "resolve_log_entry": "resolved",
	}[e.Type]
	if status != "" {
		i.status, i.changedAt = status, e.CreatedAt
	}
}

func (l *log) clear() {
	*l = log{keep: l.keep, incidents: map[string]*incident{}, byID: map[string]*incident{}}
}

// object is part of an answer.
type object map[string]any

func reference(kind, id, summary string) object {
	plural := map[string]string{"policy": "escalation_policies"}[kind]
	if plural == "" {
		plural = kind + "s"
	}
	name := map[string]string{"policy": "escalation_policy"}[kind]
	if name == "" {
		name = kind
	}
	return object{
		"id": id, "type": name + "_reference", "summary": summary,
		"self":     "https://api.pagerduty.com/" + plural + "/" + id,
		"html_url": "https://sandbox.pagerduty.com/" + plural + "/" + id,
	}
}

func serviceReference() object { return reference("service", "PSANDBOX", "Sandbox") }
func teamReference() object    { return reference("team", "PSBTEAM", "Sandbox Team") }
func userReference() object    { return reference("user", "PSBUSER", "Sandy Box") }
func policyReference() object  { return reference("policy", "PSBPLCY", "Sandbox Policy") }

// full returns a reference as the object itself, with what else is in it.
func full(ref, more object) object {
	ref["type"] = strings.TrimSuffix(ref["type"].(string), "_reference")
	for name, value := range more {
		ref[name] = value
	}
	return ref
}

func (i *incident) reference() object {
	return reference("incident", i.id, fmt.Sprintf("[#%d] %s", i.number, i.title))
}

func (i *incident) full() object {
	assignments := []object{}
	if i.status != "resolved" {
		assignments = append(assignments, object{"at": i.createdAt, "assignee": userReference()})
	}
	return full(i.reference(), object{
		"incident_number": i.number, "title": i.title, "description": i.title, "status": i.status,
		"incident_key": i.key, "created_at": i.createdAt, "last_status_change_at": i.changedAt, "urgency": "high",
		"service": serviceReference(), "teams": []object{teamReference()}, "escalation_policy": policyReference(),
		"assignments": assignments, "acknowledgements": []object{}, "pending_actions": []object{},
		"first_trigger_log_entry": object{"id": i.firstEntry, "type": "trigger_log_entry_reference"},
		"alert_counts":            object{"all": 0, "triggered": 0, "resolved": 0},
	})
}

// listing returns the entry as GET /log_entries has it; includes says what is
// written in full.
func (l *logged) listing(includes []string) json.RawMessage {
	service, incident, team := serviceReference(), l.incident.reference(), teamReference()
	if slices.Contains(includes, "services") {
		service = full(service, object{"name": "Sandbox", "status": "active", "description": "of the PagerDuty stand-in"})
	}
	if slices.Contains(includes, "incidents") {
		incident = l.incident.full()
	}
	if slices.Contains(includes, "teams") {
		team = full(team, object{"name": "Sandbox Team"})
	}
	verb := strings.ReplaceAll(strings.TrimSuffix(l.Type, "_log_entry"), "_", " ")
	summary := l.Summary
	if summary == "" {
		summary = "Sandbox: " + verb
	}
	o := object{
		"id": l.id, "type": l.Type, "summary": summary, "created_at": l.CreatedAt,
		"self": "https://api.pagerduty.com/log_entries/" + l.id, "html_url": nil,
		"agent": userReference(), "channel": object{"type": "website"}, "contexts": []object{},
		"service": service, "incident": incident, "teams": []object{team},
		"event_details": object{"description": l.incident.title},
	}
	if l.Type == "trigger_log_entry" {
		o["agent"], o["channel"] = serviceReference(), object{"type": "api", "summary": l.incident.title}
	}
	if l.Note != "" {
		o["note"], o["channel"] = l.Note, object{"type": "note", "summary": l.Note}
	}
	if slices.Contains([]string{"assign_log_entry", "escalate_log_entry", "delegate_log_entry"}, l.Type) {
		o["assignees"] = []object{userReference()}
	}
	text, err := json.Marshal(o)
	if err != nil {
		return json.RawMessage("null") // cannot be: all of it is text and numbers
	}
	return text
}
