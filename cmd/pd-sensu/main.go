// Command pd-sensu sends the event that a Sensu handler gets on its standard
// input to pdagentd. It is called as PagerDuty Agent's pd-sensu is, and makes
// the same incident keys, descriptions and details; it reads the events of
// Sensu Go, too.
package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/pdaltagent/pdaltagent/cmd/internal/sender"
)

func main() { program(sender.Patience).Main() }

func program(patience time.Duration) *sender.Program {
	return &sender.Program{Name: "pd-sensu", Usage: usage(), Patience: patience, Event: parse}
}

// options is what the arguments ask for.
type options struct {
	key         string
	incidentKey string
	help        bool
}

func (o *options) flags() *pflag.FlagSet {
	f := pflag.NewFlagSet("pd-sensu", pflag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.SortFlags = false
	f.StringVarP(&o.key, "integration-key", "k", "", "integration `KEY` of 32 letters and digits (required)")
	f.StringVarP(&o.incidentKey, "incident-key", "i", "", "what identifies the problem (default: the client's and the check's name)")
	f.BoolVarP(&o.help, "help", "h", false, "print this")
	return f
}

func usage() string {
	return `Usage: pd-sensu -k KEY [-i KEY] < EVENT

Sends an event of Sensu, the JSON on standard input, to pdagentd, which keeps it
and delivers it to PagerDuty. The handler is of type pipe.

` + new(options).flags().FlagUsages()
}

// parse returns the event that stdin has; its error names every fault.
func parse(args []string, stdin io.Reader) (sender.Event, error) {
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
	faults.Add(flags.NArg() > 0, "%q belongs to no option", flags.Arg(0))
	faults.Key("-k (--integration-key)", o.key)
	raw, err := io.ReadAll(stdin)
	if err != nil {
		return sender.Event{}, fmt.Errorf("standard input: %w", err)
	}
	v1, err := o.event(raw)
	faults = append(faults, err)
	return sender.Event{Path: sender.EventsV1, Body: v1, Quiet: true}, errors.Join(faults...)
}

// result is what is looked at of Sensu's event. Client is Sensu Core's, Entity
// Sensu Go's; each has the names of one of both.
type result struct {
	ID     string `json:"id"`
	Action string `json:"action"` // of Sensu Core: create, resolve, flapping
	Client named  `json:"client"`
	Entity named  `json:"entity"`
	Check  *struct {
		named
		Output string `json:"output"`
		Status int    `json:"status"` // of Sensu Go 0 is the end
	} `json:"check"`
}

type named struct {
	Name     string                `json:"name"`
	Metadata struct{ Name string } `json:"metadata"`
}

func (n named) name() string { return cmp.Or(n.Name, n.Metadata.Name) }

func (o *options) event(raw []byte) (sender.V1, error) {
	var r result
	if err := json.Unmarshal(raw, &r); err != nil {
		return sender.V1{}, fmt.Errorf("standard input is no JSON of a Sensu event: %w", err)
	}
	if r.Check == nil {
		return sender.V1{}, errors.New("the event on standard input has no check")
	}
	id := o.incidentKey
	if who := cmp.Or(r.Client.name(), r.Entity.name()); id == "" && who != "" {
		id = who + "/" + r.Check.name()
	}
	if id = cmp.Or(id, r.ID); id == "" {
		return sender.V1{}, errors.New("the event on standard input has neither a client or entity with a name nor an id: give -i (--incident-key)")
	}
	eventType := "trigger"
	if r.Action == "resolve" || r.Action == "" && r.Check.Status == 0 {
		eventType = "resolve"
	}
	return sender.V1{
		ServiceKey: o.key, EventType: eventType, IncidentKey: id,
		Description: sender.Cut(id + " : " + strings.TrimRight(r.Check.Output, "\n")), Details: json.RawMessage(raw),
	}, nil
}
