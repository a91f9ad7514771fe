package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/pflag"

	"github.com/pdaltagent/pdaltagent/cmd/internal/site"
	"github.com/pdaltagent/pdaltagent/delivery"
	"github.com/pdaltagent/pdaltagent/ingest"
	"github.com/pdaltagent/pdaltagent/mapping"
)

// options is what the arguments ask for.
type options struct {
	command string // status or retry
	key     ingest.Secret
	all     bool
	config  string
	help    bool
}

func (o *options) flags() *pflag.FlagSet {
	f := pflag.NewFlagSet("pd-queue", pflag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.SortFlags = false
	f.StringVarP((*string)(&o.key), "service-key", "k", "", "only events of this integration `KEY`")
	f.StringVar((*string)(&o.key), "routing-key", "", "the same")
	f.BoolVarP(&o.all, "all-keys", "a", false, "retry: events of all keys")
	f.StringVar(&o.config, "config", "", "pdagentd's configuration `FILE` (default: the first of\n"+strings.Join(site.StandardFiles(), ", ")+")")
	f.BoolVarP(&o.help, "help", "h", false, "print this")
	return f
}

func usage() string {
	return `Usage: pd-queue status [-k KEY] [--config FILE]
       pd-queue retry -k KEY | -a [--config FILE]

status prints how many events of each integration key wait for PagerDuty
(Pending), were accepted (Success) and are dead (In Error). retry has dead
ones sent again, and prints how many.

` + new(options).flags().FlagUsages() + `
Environment:
  DATABASE_URL   the database, instead of the configured one

It talks to the database of the configuration or, where that names none, to the
one that pdagentd runs on this machine; then it must run as root or as the user
of pdagentd's Postgres. 'pdagentd queue' shows and changes single deliveries.

Exit status: 0 done, 1 it could not be done, 2 wrong usage.
`
}

// parse returns what is asked for.
func parse(args []string) (*options, error) {
	var o options
	flags := o.flags()
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if o.help {
		return &o, nil
	}
	commands := []string{"status", "retry"}
	switch flags.NArg() {
	case 0:
		return nil, errors.New("say what to do: status or retry")
	case 1:
		o.command = flags.Arg(0)
	default:
		return nil, fmt.Errorf("%q belongs to no option", flags.Arg(1))
	}
	switch {
	case o.command != "status" && o.command != "retry":
		return nil, fmt.Errorf("no command is named %q%s", o.command, mapping.DidYouMean(o.command, commands))
	case flags.Changed("service-key") && flags.Changed("routing-key"):
		return nil, errors.New("-k (--service-key) and --routing-key are the same: give one of them")
	case o.key == "" && (flags.Changed("service-key") || flags.Changed("routing-key")):
		return nil, errors.New("-k (--service-key) is empty: give an integration key")
	case o.key != "" && !delivery.ValidKey(o.key):
		return nil, errors.New("-k (--service-key) must be 32 letters and digits: copy the integration key from PagerDuty")
	case o.command == "retry" && o.all == (o.key != ""):
		return nil, errors.New("retry takes either -k KEY (--service-key), or -a (--all-keys) for all keys")
	case o.command == "status" && o.all:
		return nil, errors.New("status has no -a (--all-keys): it shows all keys unless -k names one")
	}
	return &o, nil
}
