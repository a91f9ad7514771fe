package logentry

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pdaltagent/pdaltagent/delivery"
)

// maxName is how long an id or a type may be, in bytes. PagerDuty's ids have
// 14 to 26 letters and digits.
const maxName = 64

// Malformed is an element of a listing that is no log entry.
type Malformed struct {
	Raw []byte
	Err error
}

// Parse reads one log entry. It needs an id, a type and the time at which the
// entry was created, whatever else is in it; raw is kept, not copied.
func Parse(raw []byte) (delivery.LogEntry, error) {
	var from struct {
		ID        string    `json:"id"`
		Type      string    `json:"type"`
		CreatedAt string    `json:"created_at"`
		Service   reference `json:"service"`
		Incident  struct {
			reference
			Service reference `json:"service"`
		} `json:"incident"`
	}
	if err := json.Unmarshal(raw, &from); err != nil {
		if from.ID == "" {
			return delivery.LogEntry{}, fmt.Errorf("log entry that begins with %.80q: %w", raw, err)
		}
		return delivery.LogEntry{}, fmt.Errorf("log entry %.80q: %w", from.ID, err)
	}
	for _, name := range []string{from.ID, from.Type} {
		if !isName(name) {
			return delivery.LogEntry{}, fmt.Errorf("log entry %.80q of type %.80q: id and type must be 1 to %d letters, digits, hyphens and underscores", from.ID, from.Type, maxName)
		}
	}
	at, err := time.Parse(time.RFC3339, from.CreatedAt)
	if err != nil || at.Year() < 2000 || at.Year() > 9999 {
		return delivery.LogEntry{}, fmt.Errorf("log entry %s: created_at %.80q is no time such as 2026-03-01T12:00:00Z", from.ID, from.CreatedAt)
	}
	e := delivery.LogEntry{
		ID: from.ID, Type: from.Type, CreatedAt: at.UTC(),
		IncidentID: from.Incident.ID, ServiceID: from.Incident.Service.ID, Raw: raw,
	}
	if e.ServiceID == "" {
		e.ServiceID = from.Service.ID
	}
	for _, id := range []string{e.IncidentID, e.ServiceID} {
		if id != "" && !isName(id) {
			return delivery.LogEntry{}, fmt.Errorf("log entry %s: %.80q is no id of an incident or a service", e.ID, id)
		}
	}
	return e, nil
}

type reference struct {
	ID string `json:"id"`
}

func isName(s string) bool {
	return len(s) > 0 && len(s) <= maxName && strings.IndexFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-'
	}) < 0
}

// page is one answer of PagerDuty's.
type page struct {
	LogEntries []json.RawMessage `json:"log_entries"`
	More       bool              `json:"more"`
	Total      *int              `json:"total"`
}

func parsePage(body []byte) (page, error) {
	var p page
	if err := json.Unmarshal(body, &p); err != nil {
		shallow, deep := cutDeep(body)
		if len(deep) == 0 || json.Unmarshal(shallow, &p) != nil {
			return page{}, fmt.Errorf("the answer is no listing of log entries: %w", err)
		}
		for i, raw := range p.LogEntries {
			if string(raw) == instead && len(deep) > 0 {
				p.LogEntries[i], deep = deep[0], deep[1:]
			}
		}
	}
	if p.LogEntries == nil {
		return page{}, errors.New("the answer has no log_entries: is pagerduty.api_url PagerDuty's REST API, https://api.pagerduty.com?")
	}
	return p, nil
}

// oldestFirst sorts entries as they happened; those of one instant by id.
func oldestFirst(entries []delivery.LogEntry) {
	slices.SortFunc(entries, func(a, b delivery.LogEntry) int {
		if c := a.CreatedAt.Compare(b.CreatedAt); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
}
