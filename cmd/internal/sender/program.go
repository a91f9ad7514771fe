package sender

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// Patience is how long a program waits for a pdagentd that restarts. Monitoring
// systems give the commands that they run half a minute.
const Patience = 10 * time.Second

const (
	exitSent   = 0
	exitUnsent = 1
	exitUsage  = 2
)

// EventsV1 is the path of what PagerDuty Agent's programs send: integrations
// that were made for those may take nothing newer.
const EventsV1 = "/generic/2010-04-15/create_event.json"

// Event is what a program posts.
type Event struct {
	Path  string
	Body  any  // is sent as JSON
	Quiet bool // the incident key is not printed
}

// V1 is the body of an event of Events API v1.
type V1 struct {
	ServiceKey  string `json:"service_key"`
	EventType   string `json:"event_type"` // trigger, acknowledge or resolve
	IncidentKey string `json:"incident_key,omitempty"`
	Description string `json:"description,omitempty"`
	Client      string `json:"client,omitempty"`
	ClientURL   string `json:"client_url,omitempty"`
	Details     any    `json:"details,omitempty"`
}

// Cut returns s with at most 1,024 characters, as PagerDuty Agent cuts a
// description.
func Cut(s string) string {
	const most = 1024
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most])
	}
	return s
}

// Program is a command that makes one event of what it is called with, and
// posts it. It exits with 0 when the event is durable, 1 when it could not be
// sent, and 2 on wrong usage.
type Program struct {
	Name     string
	Usage    string
	Patience time.Duration // see New

	// Event returns what to post. Its error is wrong usage and names every
	// fault; pflag.ErrHelp asks for help.
	Event func(args []string, stdin io.Reader) (Event, error)
}

// Main runs the program as a process.
func (p *Program) Main() { os.Exit(p.Run(os.Args[1:], os.Getenv, os.Stdin, os.Stdout, os.Stderr)) }

// Run runs the program and returns its exit status.
func (p *Program) Run(args []string, env func(string) string, stdin io.Reader, stdout, stderr io.Writer) int {
	event, err := p.Event(args, stdin)
	if errors.Is(err, pflag.ErrHelp) {
		say(stdout, "%s%s\nExit status: 0 the event is durable, 1 it could not be sent, 2 wrong usage.\n", p.Usage, Help)
		return exitSent
	}
	client, unknown := New(p.Name, env, p.Patience)
	if err := errors.Join(err, unknown); err != nil {
		p.complain(stderr, err)
		say(stderr, "Try '%s --help'.\n", p.Name)
		return exitUsage
	}
	defer client.Close()
	key, err := client.send(event)
	if err != nil {
		p.complain(stderr, err)
		return exitUnsent
	}
	if !event.Quiet {
		say(stdout, "Event processed. Incident Key: %s\n", key)
	}
	return exitSent
}

func (c *Client) send(event Event) (incidentKey string, err error) {
	body, err := json.Marshal(event.Body)
	if err != nil {
		return "", fmt.Errorf("event: %w", err)
	}
	return c.Post(context.Background(), event.Path, body)
}

// complain prints each line of an error behind the program's name.
func (p *Program) complain(stderr io.Writer, err error) {
	for line := range strings.Lines(strings.TrimSpace(err.Error())) {
		say(stderr, "%s: %s\n", p.Name, strings.TrimRight(line, "\n"))
	}
}

// say prints; there is nobody to tell when that fails.
func say(to io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(to, format, args...) }

// Faults gathers what is wrong with what a program was called with.
type Faults []error

// Add notes a fault where there is one.
func (f *Faults) Add(wrong bool, format string, args ...any) {
	if wrong {
		*f = append(*f, fmt.Errorf(format, args...))
	}
}

// Key notes what is wrong with an integration key, which flag gives.
func (f *Faults) Key(flag, key string) {
	f.Add(key == "", "%s is required", flag)
	f.Add(key != "" && !isKey(key), "%s must be 32 letters and digits: copy the integration key from PagerDuty", flag)
}

// Fields returns the details that KEY=VALUE pairs give, which flag takes.
func (f *Faults) Fields(flag string, pairs []string) map[string]string {
	details := make(map[string]string, len(pairs))
	for _, pair := range pairs {
		name, value, ok := strings.Cut(pair, "=")
		f.Add(!ok || name == "", "%s must be KEY=VALUE, not %q", flag, pair)
		details[name] = value
	}
	return details
}

func isKey(s string) bool {
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return len(s) == 32
}
