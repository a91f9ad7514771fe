package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/pdaltagent/pdaltagent/cmd/internal/sender"
)

// importSubcommand is 'pdagentd import', which takes over what another agent
// has not delivered yet.
func importSubcommand() subcommand {
	return subcommand{
		name: "import", usage: "pdagent [--dry-run] [--dead] DIR", short: "take over the queue of a PagerDuty Agent", args: true,
		long: "Hands the events that wait in DIR, the queue of a PagerDuty Agent, to a pdagentd that runs: in their order,\n" +
			"one after the other. DIR is /var/lib/pdagent/outqueue, or a copy of it.\n\n" +
			"A file is moved from pdq to suc when its event is durable. So it can be ended and run again at any time: the\n" +
			"one event whose answer was lost is sent again with the same incident key, and PagerDuty adds it to the\n" +
			"alert that it opened. What is refused stays where it is, is named, and the others go on; what stops it is\n" +
			"all else, as a later event must not overtake an earlier one.\n" +
			sender.Help + "\nExit status: 0 all was handed over, 1 something was left, 2 wrong usage.",
		prepare: func(flags *flag.FlagSet) func(context.Context, call) error {
			dryRun := flags.Bool("dry-run", false, "list the events, and send nothing")
			dead := flags.Bool("dead", false, "also those in err, which PagerDuty refused or which were given up")
			return func(ctx context.Context, in call) error {
				folders := []string{"pdq"}
				if *dead {
					folders = append(folders, "err")
				}
				return importCommand(ctx, in, folders, *dryRun)
			}
		},
	}
}

func importCommand(ctx context.Context, in call, folders []string, dryRun bool) error {
	if len(in.args) == 0 || in.args[0] != "pdagent" {
		return usageError("say what to import: pdagent DIR")
	}
	if len(in.args) != 2 {
		return usageError("name one folder: /var/lib/pdagent/outqueue, or a copy of it")
	}
	queue, err := openOutqueue(in.args[1])
	if err != nil {
		return err
	}
	defer queue.close()
	i := importer{queue: queue, folders: folders, out: in.stdout, errors: in.stderr, left: make(map[string]bool)}
	if dryRun {
		return i.list()
	}
	if i.client, err = sender.New("pdagentd import", os.Getenv, sender.Patience); err != nil {
		return err
	}
	defer i.client.Close()
	if err := queue.seize(); err != nil {
		return err
	}
	err = i.send(ctx)
	fmt.Fprintf(i.out, "%s handed to %s.\n", count(i.sent, "event"), i.client.Address())
	return errors.Join(err, i.rest())
}

// importer hands the events of a queue to a pdagentd.
type importer struct {
	queue       *outqueue
	folders     []string
	client      *sender.Client
	out, errors io.Writer
	sent        int             // events that were handed over, or listed
	left        map[string]bool // files that stay, and were named
}

// pending returns what is left to do, in its order.
func (i *importer) pending() ([]queuedFile, error) {
	files, strange, err := i.queue.files(i.folders)
	for _, name := range strange {
		if !i.left[name] {
			i.leave(name, errors.New("is no event: PagerDuty Agent names them MICROSECONDS_KEY.txt"))
		}
	}
	return slices.DeleteFunc(files, func(f queuedFile) bool { return i.left[f.path()] }), err
}

func (i *importer) leave(name string, why error) {
	i.left[name] = true
	fmt.Fprintf(i.errors, "pdagentd: %s\n", masked(name+": "+why.Error()))
}

// send hands over all events, also those that are queued meanwhile.
func (i *importer) send(ctx context.Context) error {
	told := time.Now()
	for {
		files, err := i.pending()
		if err != nil || len(files) == 0 {
			return err
		}
		for n, file := range files {
			if ctx.Err() != nil {
				return errors.New("interrupted: run it again, and it goes on")
			}
			if time.Since(told) > 5*time.Second {
				fmt.Fprintf(i.errors, "%d handed over, %d to go\n", i.sent, len(files)-n)
				told = time.Now()
			}
			if err := i.sendFile(context.WithoutCancel(ctx), file); err != nil {
				return err
			}
		}
	}
}

// sendFile hands over one event. It returns an error where the next one must
// not be tried.
func (i *importer) sendFile(ctx context.Context, file queuedFile) error {
	e, err := i.queue.read(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // PagerDuty Agent has removed what is too old
	}
	if err != nil {
		i.leave(file.path(), err)
		return nil
	}
	_, err = i.client.Post(ctx, sender.EventsV1, e.body)
	if refused, ok := errors.AsType[*sender.RefusedError](err); ok {
		i.leave(file.path(), refused)
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", masked(file.path()), err)
	}
	i.sent++
	return i.queue.settle(file)
}

// rest says what was not handed over.
func (i *importer) rest() error {
	if n := i.queue.unfinished(); n > 0 {
		fmt.Fprintf(i.errors, "pdagentd: tmp has %s that was being written when its writer ended: look whether it is worth sending\n", count(n, "event"))
	}
	if len(i.left) > 0 {
		return fmt.Errorf("not handed over, and still there: %s; mend or remove what is named above, and run it again", count(len(i.left), "file"))
	}
	return nil
}

// list prints the events.
func (i *importer) list() error {
	files, err := i.pending()
	for _, file := range files {
		e, err := i.queue.read(file)
		if err != nil {
			i.leave(file.path(), err)
			continue
		}
		i.sent++
		fmt.Fprintf(i.out, "%s  %-11s  %s  %s\n", file.at.UTC().Format(time.RFC3339), e.Type, e.IncidentKey, e.Description)
	}
	fmt.Fprintf(i.out, "%s would be handed over.\n", count(i.sent, "event"))
	return errors.Join(err, i.rest())
}
