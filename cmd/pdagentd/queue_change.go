package main

import (
	"context"
	"fmt"

	"github.com/pdaltagent/pdaltagent/delivery/history"
)

// refusalsShown bounds how many refusals are printed one by one.
const refusalsShown = 10

func (d *queueDesk) retry(ctx context.Context, c history.Choice) error {
	if d.dryRun {
		return d.rehearse(ctx, c, "dead, and would be sent again unless PagerDuty was told something newer")
	}
	done, err := d.Retry(ctx, c, d.intervention())
	return d.changed(c, done, err, "go again, as soon as their routes have room", "dead")
}

func (d *queueDesk) cancel(ctx context.Context, c history.Choice) error {
	if d.dryRun {
		return d.rehearse(ctx, c, "held or queued, and would be cancelled")
	}
	done, err := d.Cancel(ctx, c, d.intervention())
	return d.changed(c, done, err, "cancelled", "held or queued")
}

func (d *queueDesk) purge(ctx context.Context, c history.Choice) error {
	if d.dryRun || !d.yes {
		if err := d.rehearse(ctx, c, "would be removed, with their attempts"); err != nil || d.dryRun {
			return err
		}
		fmt.Fprintln(d.stderr, "pdagentd: nothing was removed: add --yes to do it")
		return nil
	}
	done, err := d.Purge(ctx, c, d.intervention())
	return d.changed(c, done, err, "removed", "delivered, dead or cancelled")
}

// rehearse says how many deliveries are meant.
func (d *queueDesk) rehearse(ctx context.Context, c history.Choice, what string) error {
	n, err := d.Count(ctx, c)
	if err != nil {
		return err
	}
	if d.json {
		return d.printJSON(map[string]any{"deliveries": n, "dry_run": true})
	}
	fmt.Fprintf(d.stdout, "%s: %s\n", deliveries(n), what)
	return nil
}

// changed says what a change came to. It fails where not one of the deliveries
// that somebody named was changed.
func (d *queueDesk) changed(c history.Choice, done history.Changed, err error, what, state string) error {
	if err != nil {
		return err
	}
	if d.json {
		if done.Refused == nil {
			done.Refused = []history.Refusal{}
		}
		err = d.printJSON(done)
	} else {
		fmt.Fprintf(d.stdout, "%s: %s\n", deliveries(done.Deliveries), what)
		d.explain(done)
	}
	if missing := len(c.IDs) - done.Deliveries - len(done.Refused); missing > 0 {
		return fmt.Errorf("%s of those that you named: not on record, or not %s; 'pdagentd queue show ID' tells", deliveries(missing), state)
	}
	if done.Deliveries == 0 && len(done.Refused) > 0 {
		return fmt.Errorf("nothing was changed; %s left as they were", deliveries(len(done.Refused)))
	}
	return err
}

// explain says what was left as it was, and why.
func (d *queueDesk) explain(done history.Changed) {
	for i, r := range done.Refused {
		if i == refusalsShown {
			fmt.Fprintf(d.stderr, "%d more were left as they were; --json names all\n", len(done.Refused)-i)
			return
		}
		fmt.Fprintf(d.stderr, "left: %s %s %s: %s\n", r.ID, r.Route, printable(r.DedupKey), r.Reason)
	}
}
