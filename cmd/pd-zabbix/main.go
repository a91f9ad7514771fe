// Command pd-zabbix sends what a media type of Zabbix is called with to
// pdagentd. It is called as PagerDuty Agent's pd-zabbix is, and makes the same
// incident keys, descriptions and details.
package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/pdaltagent/pdaltagent/cmd/internal/sender"
)

func main() { program(sender.Patience).Main() }

func program(patience time.Duration) *sender.Program {
	return &sender.Program{Name: "pd-zabbix", Usage: usage, Patience: patience, Event: parse}
}

const usage = `Usage: pd-zabbix KEY trigger|acknowledge|resolve MESSAGE

Sends an alert of Zabbix to pdagentd, which keeps it and delivers it to PagerDuty.
Its media type has the script parameters {ALERT.SENDTO}, {ALERT.SUBJECT} and
{ALERT.MESSAGE}: an integration key of 32 letters and digits, what to do, and lines
of NAME:VALUE, of which name, id, status and hostname are required. incident_key is
what identifies the problem (default: id and hostname), url where to look.
`

// parse returns the event of an alert; its error names every fault.
func parse(args []string, _ io.Reader) (sender.Event, error) {
	if slices.Contains(args, "-h") || slices.Contains(args, "--help") {
		return sender.Event{}, pflag.ErrHelp
	}
	if len(args) != 3 {
		return sender.Event{}, fmt.Errorf("called with %d arguments instead of 3: give the media type the script parameters {ALERT.SENDTO}, {ALERT.SUBJECT} and {ALERT.MESSAGE}", len(args))
	}
	v1, faults := event(args[0], args[1], args[2])
	return sender.Event{Path: sender.EventsV1, Body: v1, Quiet: true}, errors.Join(faults...)
}

func event(key, eventType, message string) (v1 sender.V1, faults sender.Faults) {
	faults.Key("the first argument, {ALERT.SENDTO},", key)
	faults.Add(!slices.Contains([]string{"trigger", "acknowledge", "resolve"}, eventType),
		"the second argument, {ALERT.SUBJECT}, must be trigger, acknowledge or resolve, not %q: set the subject in the action's operations", eventType)
	details := parseMessage(message)
	for _, name := range []string{"name", "id", "status", "hostname"} {
		_, ok := details[name]
		faults.Add(!ok, "the third argument, {ALERT.MESSAGE}, has no line %s:", name)
	}
	// Zabbix tells of an alert whose host, trigger or action was disabled by
	// another trigger, and never of its end.
	if note := details["NOTE"]; eventType == "trigger" && strings.Contains(note, "Escalation cancelled") {
		eventType = "resolve"
		details["NOTE"] = note + " (sent as resolve)"
	}
	v1 = sender.V1{
		ServiceKey: key, EventType: eventType, IncidentKey: details["incident_key"],
		Description: sender.Cut(details["name"] + " : " + details["status"] + " for " + details["hostname"]),
		ClientURL:   details["url"], Details: details,
	}
	if v1.IncidentKey == "" {
		v1.IncidentKey = details["id"] + "-" + details["hostname"]
	}
	if v1.ClientURL != "" {
		v1.Client = "Zabbix"
	}
	return v1, faults
}

// parseMessage returns what the lines say. One without a colon goes on with the
// value before it; at the beginning it names itself.
func parseMessage(message string) map[string]string {
	details, last := make(map[string]string), ""
	for line := range strings.Lines(strings.TrimSpace(message)) {
		line = strings.TrimSpace(line)
		name, value, pair := strings.Cut(line, ":")
		switch {
		case pair:
			last = name
			details[name] = value
		case last != "":
			details[last] += line
		case line != "":
			details[line] = line
		}
	}
	return details
}
