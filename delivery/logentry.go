package delivery

import "time"

// LogEntry is something that happened to an incident at PagerDuty: it was
// triggered, acknowledged, escalated. It is what webhooks are made of.
type LogEntry struct {
	ID         string
	Type       string // as PagerDuty names it: "trigger_log_entry"
	CreatedAt  time.Time
	IncidentID string // empty: it is about no incident
	ServiceID  string // of the incident; empty: it is about none
	Raw        []byte // the JSON object that PagerDuty gave, with incident, service, teams and channel in full
}
