package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

func (r *replay) printJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}

// print says what differs: in sum, by rule, and with examples.
func (r *replay) print(to io.Writer, since time.Time) error {
	var sent, heard int
	for _, t := range r.Rules {
		sent, heard = sent+t.Sent, heard+t.Heard
	}
	fmt.Fprintf(to, "%s since %s: PagerDuty would have heard of %s, and heard of %d then.\n",
		count(r.Messages, "message"), moment(since), count(heard, "event"), sent)
	if r.Lost > 0 {
		fmt.Fprintf(to, "%s could not be mapped again: the history does not keep their message.\n", count(r.Lost, "message"))
	}
	if r.Errors > 0 {
		fmt.Fprintf(to, "%s in rules; 'pdagentd explain EVENT-ID' shows them.\n", count(r.Errors, "error"))
	}
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "\nRULE\tEVENTS THEN\tNOW\tSENT THEN\tNOW\n")
	for _, id := range sortedKeys(r.Rules) {
		t, name := r.Rules[id], id
		if id == "" {
			name = "(none)"
		}
		mark := ""
		if t.Before != t.After || t.Sent != t.Heard {
			mark = "  *"
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d%s\n", printable(name), t.Before, t.After, t.Sent, t.Heard, mark)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if len(r.Changed) == 0 {
		fmt.Fprintln(to, "\nEach message makes the same events as then.")
	}
	for _, kind := range sortedKeys(r.Changed) {
		d := r.Changed[kind]
		fmt.Fprintf(to, "\n%s, by %s:\n", count(d.Messages, "message"), kind)
		for _, e := range d.Examples {
			fmt.Fprintf(to, "  event %s, %s, from %s\n", e.EventID, moment(e.At), printable(e.Source))
			for _, line := range e.Then {
				fmt.Fprintf(to, "    - %s\n", printable(line))
			}
			for _, line := range e.Now {
				fmt.Fprintf(to, "    + %s\n", printable(line))
			}
		}
	}
	return nil
}
