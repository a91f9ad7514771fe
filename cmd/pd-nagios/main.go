// Command pd-nagios sends what Nagios or Icinga notifies of to pdagentd. It is
// called as PagerDuty Agent's pd-nagios is, and makes the same incident keys,
// descriptions and details.
package main

import (
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/pdaltagent/pdaltagent/cmd/internal/sender"
)

func main() { program(sender.Patience).Main() }

func program(patience time.Duration) *sender.Program {
	return &sender.Program{Name: "pd-nagios", Usage: usage(), Patience: patience, Event: parse}
}

// options is what the arguments ask for.
type options struct {
	key         string
	eventType   string
	object      string // host or service
	incidentKey string
	fields      []string
	help        bool
}

func (o *options) flags() *pflag.FlagSet {
	f := pflag.NewFlagSet("pd-nagios", pflag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.SortFlags = false
	f.StringVarP(&o.object, "notification-type", "n", "", "host or service (required)")
	f.StringVarP(&o.key, "service-key", "k", "", "integration `KEY` of 32 letters and digits (required)")
	f.StringVarP(&o.eventType, "event-type", "t", "", "`TYPE`: PROBLEM, ACKNOWLEDGEMENT or RECOVERY (required)")
	f.StringArrayVarP(&o.fields, "field", "f", nil, "`KEY=VALUE` for the details; may be repeated. A host needs HOSTNAME and\nHOSTSTATE, a service HOSTNAME, SERVICEDESC and SERVICESTATE")
	f.StringVarP(&o.incidentKey, "incident-key", "i", "", "what identifies the problem (default: made of the host and the service)")
	f.BoolVarP(&o.help, "help", "h", false, "print this")
	return f
}

func usage() string {
	return `Usage: pd-nagios -n host|service -k KEY -t PROBLEM|ACKNOWLEDGEMENT|RECOVERY -f KEY=VALUE...

Sends a notification of Nagios or Icinga to pdagentd, which keeps it and delivers
it to PagerDuty.

` + new(options).flags().FlagUsages()
}

// parse returns the event of a notification; its error names every fault.
func parse(args []string, _ io.Reader) (sender.Event, error) {
	var o options
	flags := o.flags()
	err := flags.Parse(args)
	if err == nil && o.help {
		err = pflag.ErrHelp
	}
	if err != nil {
		return sender.Event{}, err
	}
	var faults sender.Faults
	faults.Add(flags.NArg() > 0, "%q belongs to no option: quote a text with spaces", flags.Arg(0))
	v1 := o.event(&faults)
	return sender.Event{Path: sender.EventsV1, Body: v1}, errors.Join(faults...)
}

func (o *options) event(faults *sender.Faults) sender.V1 {
	types := map[string]string{"PROBLEM": "trigger", "ACKNOWLEDGEMENT": "acknowledge", "RECOVERY": "resolve"}
	objects := map[string][]string{
		"host":    {"HOSTNAME", "HOSTSTATE"},
		"service": {"SERVICEDESC", "SERVICESTATE", "HOSTNAME"},
	}
	eventType, known := types[strings.ToUpper(o.eventType)]
	named, object := objects[o.object]

	faults.Add(!object, "-n (--notification-type) must be host or service, not %q", o.object)
	faults.Key("-k (--service-key)", o.key)
	faults.Add(!known, "-t (--event-type) must be PROBLEM, ACKNOWLEDGEMENT or RECOVERY, not %q: PagerDuty knows no other; leave others out of the contact's notification options", o.eventType)
	details := faults.Fields("-f (--field)", o.fields)
	missing := slices.DeleteFunc(slices.Clone(named), func(name string) bool { _, ok := details[name]; return ok })
	faults.Add(len(missing) > 0, "a %s needs -f %s=...", o.object, strings.Join(missing, "=... and -f "))

	parts := make([]string, len(named))
	for i, name := range named {
		parts[i] = name + "=" + details[name]
	}
	id := o.incidentKey
	if id == "" {
		id = "event_source=" + o.object + ";host_name=" + details["HOSTNAME"]
		if o.object == "service" {
			id += ";service_desc=" + details["SERVICEDESC"]
		}
	}
	details["pd_nagios_object"] = o.object
	return sender.V1{
		ServiceKey: o.key, EventType: eventType, IncidentKey: id,
		Description: sender.Cut(strings.Join(parts, "; ")), Details: details,
	}
}
