package main

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/pdaltagent/pdaltagent/cmd/internal/site"
	"github.com/pdaltagent/pdaltagent/delivery/history"
	"github.com/pdaltagent/pdaltagent/delivery/queue"
	"github.com/pdaltagent/pdaltagent/mapping"
	"github.com/pdaltagent/pdaltagent/migrations"
)

// queueSubcommand is 'pdagentd queue', which shows what waits and changes what
// becomes of it.
func queueSubcommand() subcommand {
	return subcommand{
		name: "queue", usage: "list|show|retry|cancel|purge …", short: "see what waits for PagerDuty, and clear it",
		config: true, args: true,
		long: "Looks into the database of an appliance that runs, and changes what becomes of deliveries.\n\n" +
			"  queue list               what waits and what is dead, the oldest first; --state says which else\n" +
			"  queue show ID            one delivery: its event, its alert, its attempts\n" +
			"  queue retry [ID…]        have dead ones sent again, in order\n" +
			"  queue cancel [ID…]       take back what is held or queued: it is never sent\n" +
			"  queue purge --older AGE  remove what was delivered, is dead or cancelled, with its attempts\n\n" +
			"Flags narrow what is meant; retry and cancel take at least one ID or flag, or --all. purge says what it\n" +
			"would remove, and removes it with --yes. A dead delivery is left dead where PagerDuty was told something\n" +
			"newer about its alert. Who changed what, when and why is in the table interventions. Exit status: 0, 1\n" +
			"when something could not be done, 2 for wrong usage.",
		prepare: prepareQueue,
	}
}

// queueFlags are the flags of 'pdagentd queue', as they were given.
type queueFlags struct {
	states, alert, route, older, newer, fault, why string
	limit                                          int
	json, all, yes, dryRun                         bool
	given                                          map[string]bool
}

// defaultRows is how many deliveries are listed unless --limit says.
const defaultRows = 50

func prepareQueue(flags *flag.FlagSet) func(context.Context, call) error {
	var f queueFlags
	flags.StringVar(&f.states, "state", "", "only deliveries in this `STATE`: "+strings.Join(stateNames(), ", ")+"; several with commas")
	flags.StringVar(&f.alert, "alert", "", "only deliveries of the alert with this dedup `KEY`")
	flags.StringVar(&f.route, "route", "", "only deliveries to this route `NAME`")
	flags.StringVar(&f.older, "older", "", "only deliveries of events that were received longer ago than this `AGE`, such as 1h or 7d")
	flags.StringVar(&f.newer, "newer", "", "only deliveries of events that were received since then: an `AGE`")
	flags.StringVar(&f.fault, "error", "", "only deliveries whose last error has this `TEXT` in it")
	flags.IntVar(&f.limit, "limit", 0, fmt.Sprintf("no more than the oldest `N`; list shows %d unless this says otherwise, and 0 is all", defaultRows))
	flags.BoolVar(&f.json, "json", false, "print JSON")
	flags.BoolVar(&f.all, "all", false, "retry, cancel: all of them")
	flags.BoolVar(&f.dryRun, "dry-run", false, "retry, cancel, purge: change nothing, say how many are meant")
	flags.BoolVar(&f.yes, "yes", false, "purge: do remove them")
	flags.StringVar(&f.why, "why", "", "retry, cancel, purge: a `TEXT` that is kept with what was done")
	return func(ctx context.Context, in call) error {
		f.given = map[string]bool{}
		flags.Visit(func(given *flag.Flag) { f.given[given.Name] = true })
		return queueCommand(ctx, in, &f)
	}
}

// queueVerb is what 'pdagentd queue' can do.
type queueVerb struct {
	flags []string // those that it takes besides --config and --json
	run   func(d *queueDesk, ctx context.Context, c history.Choice) error
}

func queueVerbs() map[string]queueVerb {
	choice := []string{"alert", "route", "older", "newer", "error", "limit"}
	change := append([]string{"dry-run", "why"}, choice...)
	return map[string]queueVerb{
		"list":   {append([]string{"state"}, choice...), (*queueDesk).list},
		"show":   {nil, (*queueDesk).show},
		"retry":  {append([]string{"all"}, change...), (*queueDesk).retry},
		"cancel": {append([]string{"all", "state"}, change...), (*queueDesk).cancel},
		"purge":  {append([]string{"yes", "state"}, change...), (*queueDesk).purge},
	}
}

// queueCommand runs 'pdagentd queue VERB …'.
func queueCommand(ctx context.Context, in call, f *queueFlags) error {
	verbs := []string{"list", "show", "retry", "cancel", "purge"}
	if len(in.args) == 0 {
		return usageError("say what to do: " + strings.Join(verbs, ", "))
	}
	name, args := in.args[0], in.args[1:]
	verb, ok := queueVerbs()[name]
	if !ok {
		return usageError(fmt.Sprintf("queue has no command %q%s", name, mapping.DidYouMean(name, verbs)))
	}
	for _, given := range sortedKeys(f.given) {
		if given != "config" && given != "json" && !slices.Contains(verb.flags, given) {
			return usageError(fmt.Sprintf("queue %s has no --%s", name, given))
		}
	}
	choice, err := f.choice(name, args, time.Now())
	if err != nil {
		return err
	}
	d, err := openDesk(ctx, in, f)
	if err != nil {
		return err
	}
	defer d.close()
	d.chosen = strings.TrimSpace("pdagentd queue " + name + " " + f.words(args))
	return verb.run(d, ctx, choice)
}

// queueDesk is the desk, and where it prints.
type queueDesk struct {
	*history.Desk
	*queueFlags
	close          func()
	chosen         string // the command, for the table of interventions
	stdout, stderr io.Writer
}

// openDesk opens the database of the configuration, whatever else is wrong with
// that.
func openDesk(ctx context.Context, in call, f *queueFlags) (*queueDesk, error) {
	c, _, err := loadConfig(in.config, os.LookupEnv)
	if c == nil || c.document.doubtful("data_dir") || c.document.doubtful("database.url") {
		return nil, err
	}
	pool, err := site.OpenDatabase(ctx, c.Database.URL, c.DataDir)
	if err != nil {
		return nil, err
	}
	return &queueDesk{history.NewDesk(pool, queue.Withdraw(migrations.RiverSchema)), f, pool.Close, "", in.stdout, in.stderr}, nil
}

// printJSON prints v as JSON.
func (d *queueDesk) printJSON(v any) error {
	e := json.NewEncoder(d.stdout)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// intervention says who does this, and why.
func (d *queueDesk) intervention() history.Intervention {
	return history.Intervention{Who: site.Operator(), Why: d.why, Chosen: d.chosen}
}

// words is how the choice was made, without what is no part of it.
func (f *queueFlags) words(args []string) string {
	words := slices.Clone(args)
	if len(words) > 20 {
		words = append(words[:20], fmt.Sprintf("and %d more", len(args)-20))
	}
	for _, flag := range []struct{ name, value string }{
		{"state", f.states},
		{"alert", f.alert},
		{"route", f.route},
		{"older", f.older},
		{"newer", f.newer},
		{"error", f.fault},
		{"limit", strings.TrimPrefix(fmt.Sprint(f.limit), "0")},
	} {
		if flag.value != "" {
			words = append(words, "--"+flag.name+" "+flag.value)
		}
	}
	if f.all {
		words = append(words, "--all")
	}
	return strings.Join(words, " ")
}

// deliveries counts them in words.
func deliveries(n int) string {
	return cmp.Or(map[int]string{1: "1 delivery"}[n], fmt.Sprintf("%d deliveries", n))
}
