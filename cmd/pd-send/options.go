package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/pdaltagent/pdaltagent/cmd/internal/sender"
)

// options is what the arguments and the environment ask for.
type options struct {
	key         string
	eventType   string
	description string
	incidentKey string
	severity    string
	source      string
	component   string
	group       string
	class       string
	client      string
	clientURL   string
	fields      []string
	quiet       bool
	help        bool
}

// flags binds o to the command line. --routing-key is PDaltagent's name for
// PagerDuty Agent's --service-key.
func (o *options) flags() *pflag.FlagSet {
	f := pflag.NewFlagSet("pd-send", pflag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.SortFlags = false
	f.StringVarP(&o.key, "service-key", "k", "", "integration `KEY` of 32 letters and digits (required)")
	f.StringVar(&o.key, "routing-key", "", "the same")
	f.StringVarP(&o.eventType, "event-type", "t", "", "`TYPE`: trigger, acknowledge or resolve (required)")
	f.StringVarP(&o.description, "description", "d", "", "what is wrong, in one line (required to trigger)")
	f.StringVarP(&o.incidentKey, "incident-key", "i", "", "what identifies the problem (required to acknowledge and to resolve;\na trigger without one gets one, which is printed)")
	f.StringVarP(&o.severity, "severity", "s", "critical", "critical, error, warning or info")
	f.StringVarP(&o.source, "source", "o", "", "what is affected (default: this host's name)")
	f.StringVarP(&o.component, "component", "m", "", "which part of it")
	f.StringVarP(&o.group, "group", "g", "", "which group it belongs to")
	f.StringVarP(&o.class, "class", "l", "", "the kind of event")
	f.StringVarP(&o.client, "client", "c", "", "the name of the program that noticed")
	f.StringVarP(&o.clientURL, "client-url", "u", "", "its `URL`")
	f.StringArrayVarP(&o.fields, "field", "f", nil, "`KEY=VALUE` for the details; may be repeated")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print nothing but errors")
	f.BoolVarP(&o.help, "help", "h", false, "print this")
	return f
}

func usage() string {
	return `Usage: pd-send -k KEY -t trigger -d DESCRIPTION [-i KEY] [option]...
       pd-send -k KEY -t acknowledge|resolve -i KEY [option]...

Sends one event to pdagentd, which keeps it and delivers it to PagerDuty.

` + new(options).flags().FlagUsages()
}

// parse returns the event that is asked for; its error names every fault.
func parse(args []string, _ io.Reader) (sender.Event, error) {
	var o options
	flags := o.flags()
	if err := flags.Parse(args); err != nil {
		return sender.Event{}, err
	}
	if o.help {
		return sender.Event{}, pflag.ErrHelp
	}
	if flags.NArg() > 0 {
		return sender.Event{}, fmt.Errorf("%q belongs to no option: quote a text with spaces", flags.Arg(0))
	}
	if o.source == "" {
		o.source, _ = os.Hostname()
	}
	faults, details := o.check()
	return sender.Event{Path: "/v2/enqueue", Body: o.event(details), Quiet: o.quiet}, errors.Join(faults...)
}

// check returns what is wrong, and the details that the fields give.
func (o *options) check() (faults sender.Faults, details map[string]string) {
	types := []string{"trigger", "acknowledge", "resolve"}
	severities := []string{"critical", "error", "warning", "info"}
	known := slices.Contains(types, o.eventType)

	faults.Key("-k (--service-key)", o.key)
	faults.Add(o.eventType == "", "-t (--event-type) is required: trigger, acknowledge or resolve")
	faults.Add(o.eventType != "" && !known, "-t (--event-type) must be trigger, acknowledge or resolve, not %q", o.eventType)
	faults.Add(o.eventType == "trigger" && strings.TrimSpace(o.description) == "", "event type trigger requires -d (--description)")
	faults.Add(known && o.eventType != "trigger" && o.incidentKey == "", "event type %s requires -i (--incident-key)", o.eventType)
	faults.Add(!slices.Contains(severities, o.severity), "-s (--severity) must be critical, error, warning or info, not %q", o.severity)
	details = faults.Fields("-f (--field)", o.fields)
	return faults, details
}
