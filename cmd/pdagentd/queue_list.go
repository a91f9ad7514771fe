package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/pdaltagent/pdaltagent/delivery"
	"github.com/pdaltagent/pdaltagent/delivery/history"
)

// shownError is how much of an error a row shows, in its last column: PagerDuty
// gives its reason last. show has all of it.
const shownError = 200

// list prints a row for each delivery that is meant.
func (d *queueDesk) list(ctx context.Context, c history.Choice) error {
	list, more, err := d.List(ctx, c)
	if err != nil {
		return err
	}
	if d.json {
		if list == nil {
			list = []history.Listed{}
		}
		err = d.printJSON(list)
	} else {
		err = d.table(list)
	}
	if more {
		fmt.Fprintf(d.stderr, "pdagentd: there are more than these %d: narrow them down, or add --limit 0 for all\n", len(list))
	}
	return err
}

func (d *queueDesk) table(list []history.Listed) error {
	if len(list) == 0 {
		fmt.Fprintln(d.stdout, d.none())
		return nil
	}
	now := time.Now()
	t := tabwriter.NewWriter(d.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tSTATE\tWAITS FOR\tAGE\tROUTE\tSEVERITY\tACTION\tALERT\tATTEMPTS\tLAST ERROR")
	for _, l := range list {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\n", l.ID, l.State, waitsFor(l, now), age(now.Sub(l.ReceivedAt)),
			l.Route, l.Severity, l.Action, printable(l.DedupKey), l.Attempts, cut(printable(l.LastError), shownError))
	}
	return t.Flush()
}

// none says that nothing is listed, and what was looked for.
func (d *queueDesk) none() string {
	for _, narrowed := range []string{"state", "alert", "route", "older", "newer", "error"} {
		if d.given[narrowed] {
			return "no such delivery"
		}
	}
	return "nothing waits, and nothing is dead"
}

// waitsFor says what a delivery waits for.
func waitsFor(l history.Listed, now time.Time) string {
	until := ""
	if l.DueAt != nil {
		until = " for " + age(l.DueAt.Sub(now)) + " more"
	}
	switch l.HeldBy {
	case delivery.ByAlert:
		if l.Behind != nil {
			id := l.Behind.String()
			return "alert: …" + id[len(id)-12:] + " goes first"
		}
		return "alert: an earlier one goes first"
	case delivery.ByRoute:
		return "route: room"
	case delivery.ByParent:
		return "parent: " + printable(l.Parent)
	case delivery.ByTime, delivery.ByMaintenance:
		return string(l.HeldBy) + until
	}
	if l.State == delivery.Queued && l.Attempts > 0 {
		return "its next attempt"
	}
	return "-"
}

// show prints all that is known of a delivery.
func (d *queueDesk) show(ctx context.Context, c history.Choice) error {
	told, err := d.Show(ctx, c.IDs[0])
	if errors.Is(err, history.ErrUnknown) {
		return fmt.Errorf("no delivery has the ID %s: it may have been removed since (history.keep), or the event was not sent at all", c.IDs[0])
	}
	if err != nil {
		return err
	}
	if d.json {
		return d.printJSON(told)
	}
	p := page{w: d.stdout, width: columnsOf(d.stdout)}
	d.showDelivery(&p, told.Delivery)
	d.showAround(&p, told)
	for _, a := range told.Attempts {
		p.field("attempt", fmt.Sprintf("%d at %s on %s, %.0f ms: %s", a.Number, moment(a.StartedAt), a.Node, a.DurationMS, resultOf(a)))
		p.paragraphs("answer", printable(a.Response))
	}
	return nil
}

func (d *queueDesk) showDelivery(p *page, l history.Listed) {
	fmt.Fprintln(d.stdout, l.ID)
	p.field("state", string(l.State))
	if l.State == delivery.Held || l.State == delivery.Queued {
		p.field("waits for", waitsFor(l, time.Now()))
	}
	if l.Behind != nil {
		p.field("behind", l.Behind.String())
	}
	p.field("route", l.Route)
	p.field("says", fmt.Sprintf("%s %s, %s", l.Action, printable(l.DedupKey), l.Severity))
	p.field("summary", printable(l.Summary))
	p.field("received", moment(l.ReceivedAt))
	if l.DeliveredAt != nil {
		p.field("delivered", moment(*l.DeliveredAt))
	}
	p.field("error", printable(l.LastError))
}

// showAround prints what a delivery is about: its event, its alert, and what
// somebody did to it.
func (d *queueDesk) showAround(p *page, told history.Told) {
	if i := told.Intervention; i != nil {
		done := map[string]string{"retry": "retried", "cancel": "cancelled"}
		p.field(done[i.What], strings.TrimSuffix(moment(i.At)+" by "+printable(i.Who)+": "+printable(i.Why), ": "))
	}
	if a := told.Alert; a != nil {
		p.field("alert", fmt.Sprintf("%s since %s, %s, last %s: %s", a.Status, moment(a.FirstAt), count(int(a.Occurrences), "time"), moment(a.LastAt), printable(a.Summary)))
	}
	if e := told.Event; e != nil {
		p.field("from", strings.Join(strings.Fields(e.Protocol+" "+e.Source+" "+printable(e.Host)), " "))
		p.field("rule", printable(e.Rule))
		p.field("payload", jsonLine(e.Payload))
		p.field("message", jsonLine(e.Message))
	}
}

func resultOf(a history.ToldAttempt) string {
	switch {
	case a.Error != "":
		return printable(a.Error)
	case a.Status != 0:
		return "accepted with " + strconv.Itoa(a.Status)
	}
	return "no answer"
}

// jsonLine is JSON on one line.
func jsonLine(text json.RawMessage) string {
	var b bytes.Buffer
	if json.Compact(&b, text) != nil {
		return ""
	}
	return printable(b.String())
}

// moment is a time in the zone of whoever looks.
func moment(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05 MST") }

// age is a duration in at most two units.
func age(d time.Duration) string {
	d = max(d, 0)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm%ds", d/time.Minute, d%time.Minute/time.Second)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%dd%dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
}

// printable is a text that others wrote, without what a terminal would obey.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
}

// cut is the beginning of a text.
func cut(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}
