package delivery

import (
	"strings"
	"time"

	"github.com/google/uuid"
)

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

// Webhook is what a destination is to be told about a log entry. Its delivery
// has its id.
type Webhook struct {
	ID       uuid.UUID
	Entry    string // its log entry's id
	Incident string // its id: a destination hears of each incident in order
	Route    string // of the destination: see IsWebhook
	Type     string // as the payload names what happened
	Body     []byte
}

// webhooks begins the routes of webhooks' destinations. No configured route has
// a slash.
const webhooks = "webhook/"

// WebhookRoute returns the route of the destination of that name.
func WebhookRoute(destination string) string { return webhooks + destination }

// IsWebhook reports whether a route is that of a webhooks' destination.
func IsWebhook(route string) bool { return strings.HasPrefix(route, webhooks) }

// Poll is what a look at PagerDuty's log entries brought.
type Poll struct {
	At       time.Time // ours
	Entries  []LogEntry
	Webhooks []Webhook // about Entries, in the order in which they are to be told
	Cursor   time.Time // PagerDuty's: where the next look begins
}
