package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/pdaltagent/pdaltagent/cmd/internal/site"
	"github.com/pdaltagent/pdaltagent/delivery"
	"github.com/pdaltagent/pdaltagent/delivery/history"
	"github.com/pdaltagent/pdaltagent/mapping"
)

// replaySubcommand is 'pdagentd replay'.
func replaySubcommand() subcommand {
	return subcommand{
		name: "replay", usage: "--since 24h [--rules DIR]", short: "what changed rules would have made of the messages in the history", config: true,
		long: "Reads the messages that the history keeps, passes them through rules and gates as the commit would have, with\n" +
			"nothing open at the beginning, and says what differs from what was decided then. Nothing is sent or stored.\n" +
			"Of messages that no rule took, or one dropped, the history has samples only: of these the numbers are too low.",
		prepare: func(flags *flag.FlagSet) func(context.Context, call) error {
			var f replayFlags
			flags.StringVar(&f.since, "since", "24h", "messages that were received since then: an `AGE`, such as 24h or 7d")
			flags.Func("rules", "a file or folder of rules in the place of the configuration's; may be given more than once: a `PATH`", func(path string) error {
				f.rules = append(f.rules, path)
				return nil
			})
			flags.IntVar(&f.examples, "examples", 3, "how many differences of each kind are shown: `N`")
			flags.BoolVar(&f.json, "json", false, "print JSON")
			return func(ctx context.Context, in call) error { return replayCommand(ctx, in, &f) }
		},
	}
}

type replayFlags struct {
	since    string
	rules    []string
	examples int
	json     bool
}

func replayCommand(ctx context.Context, in call, f *replayFlags) error {
	since, err := parseDuration(f.since)
	if err != nil || since <= 0 {
		return usageError(fmt.Sprintf("--since: %q is no age; write 24h or 7d", f.since))
	}
	c, _, err := loadConfig(in.config, os.LookupEnv)
	if err != nil {
		return err
	}
	if len(f.rules) > 0 {
		c.Rules = f.rules
	}
	rules := readRules(ctx, c)
	if len(f.rules) > 0 {
		rules.namedBy("--rules")
	}
	if err := misconfiguration(c.document, rules.faults); err != nil {
		return err
	}
	pool, err := site.OpenDatabase(ctx, c.Database.URL, c.DataDir)
	if err != nil {
		return err
	}
	defer pool.Close()
	fillTables(ctx, pool, rules.rules)
	_, standard := c.routes()
	r := newReplay(rules.rules, standard, f.examples)
	from := time.Now().Add(-since)
	if err := history.NewDesk(pool, "").Events(ctx, from, func(e history.Recorded) error { r.take(e); return ctx.Err() }); err != nil {
		return err
	}
	r.flush()
	r.end(time.Now())
	if f.json {
		return r.printJSON(in.stdout)
	}
	return r.print(in.stdout, from)
}

// replay compares what rules make of messages with what was made of them.
type replay struct {
	rules    *mapping.Rules
	gates    *delivery.Rehearsal
	examples int

	pending []history.Recorded // events of one message
	clock   time.Time

	Messages int                   `json:"messages"`
	Lost     int                   `json:"not_kept"` // messages that the history does not have
	Errors   int                   `json:"rule_errors"`
	Rules    map[string]*tallied   `json:"rules"`       // by id; empty: no rule
	Changed  map[string]*different `json:"differences"` // by what became of what
}

// tallied counts the events of a rule, then and now.
type tallied struct {
	Before int `json:"events_then"`
	After  int `json:"events_now"`
	Sent   int `json:"sent_then"`
	Heard  int `json:"sent_now"`
}

// different is a kind of difference.
type different struct {
	Messages int        `json:"messages"`
	Examples []contrast `json:"examples"`
}

// contrast is what was made of a message, and what would be.
type contrast struct {
	EventID string    `json:"event_id"`
	At      time.Time `json:"received_at"`
	Source  string    `json:"source"`
	Then    []string  `json:"then"`
	Now     []string  `json:"now"`
}

func newReplay(rules *mapping.Rules, standard string, examples int) *replay {
	return &replay{rules: rules, gates: delivery.NewRehearsal(standard), examples: examples, Rules: map[string]*tallied{}, Changed: map[string]*different{}}
}

func (r *replay) rule(id string) *tallied {
	if r.Rules[id] == nil {
		r.Rules[id] = &tallied{}
	}
	return r.Rules[id]
}

// take takes the next event. What came at one instant may be of many messages,
// whose events stand in any order.
func (r *replay) take(e history.Recorded) {
	if n := len(r.pending); n > 0 && [8]byte(e.ID[:8]) != [8]byte(r.pending[n-1].ID[:8]) {
		r.flush()
	}
	r.pending = append(r.pending, e)
}

// flush maps the messages of the pending events again.
func (r *replay) flush() {
	var messages [][]history.Recorded
	for _, e := range r.pending {
		t := r.rule(e.Rule)
		if e.DeliveryID != nil && e.State != string(delivery.Cancelled) {
			t.Sent++
		}
		if len(e.Message) == 0 {
			continue // one of our own: a storm, or the end of a silence; the gates make it again
		}
		t.Before++
		i := slices.IndexFunc(messages, func(m []history.Recorded) bool { return mapping.SameMessage(m[0].ID, e.ID) })
		if i < 0 {
			i, messages = len(messages), append(messages, nil)
		}
		messages[i] = append(messages[i], e)
	}
	r.pending = r.pending[:0]
	for _, m := range messages {
		r.apply(m)
	}
}

// apply maps one message again.
func (r *replay) apply(then []history.Recorded) {
	first := then[0]
	if first.ReceivedAt.After(r.clock) {
		r.clock = first.ReceivedAt
	}
	r.hear(r.gates.Advance(r.clock))
	m, err := mapping.Restore(storedOf(first))
	if err != nil {
		r.Lost++
		return
	}
	m.ReceivedAt = r.clock // clocks of nodes differ by a little; that of the gates goes on
	r.Messages++
	var made mapping.Result
	r.rules.Apply(&m, &made)
	r.Errors += len(made.Errors)
	if len(made.Events) == 0 {
		made.Events = append(made.Events, r.rules.Sample(&m, mapping.Unmatched))
	}
	for i := range made.Events {
		e := &made.Events[i]
		r.rule(e.Rule).After++
		heard, _ := r.gates.Take(e)
		r.hear(heard)
	}
	r.compare(then, made.Events)
}

// end lets what is held go.
func (r *replay) end(now time.Time) { r.hear(r.gates.Advance(now)) }

func (r *replay) hear(all []delivery.Heard) {
	for _, h := range all {
		r.rule(h.Event.Rule).Heard++
	}
}

// compare keeps an example of what differs.
func (r *replay) compare(then []history.Recorded, now []mapping.Event) {
	before, after := make([]string, len(then)), make([]string, len(now))
	rulesThen, rulesNow := make([]string, len(then)), make([]string, len(now))
	for i, e := range then {
		before[i] = madeWords(e.Rule, e.Decision, e.Action, e.Severity, e.DedupKey, e.Summary)
		rulesThen[i] = ruleWord(e.Rule)
	}
	for i := range now {
		e := &now[i]
		after[i] = madeWords(e.Rule, e.Decision, e.Action, e.Severity, e.DedupKey, e.Summary)
		rulesNow[i] = ruleWord(e.Rule)
	}
	slices.Sort(before)
	slices.Sort(after)
	if slices.Equal(before, after) {
		return
	}
	kind := changeOf(rulesThen, rulesNow)
	d := r.Changed[kind]
	if d == nil {
		d = &different{}
		r.Changed[kind] = d
	}
	d.Messages++
	if len(d.Examples) < r.examples {
		d.Examples = append(d.Examples, contrast{then[0].ID.String(), then[0].ReceivedAt, cmp.Or(then[0].Host, then[0].Source.String()), before, after})
	}
}

// changeOf names a kind of difference by the rules of both sides.
func changeOf(then, now []string) string {
	for _, rules := range []*[]string{&then, &now} {
		slices.Sort(*rules)
		*rules = slices.Compact(*rules)
	}
	if slices.Equal(then, now) {
		return fmt.Sprintf("%s, with another event", joined(then))
	}
	return fmt.Sprintf("%s, then %s", joined(now), joined(then))
}

func joined(rules []string) string {
	text := rules[0]
	for _, r := range rules[1:] {
		text += " and " + r
	}
	return text
}

// madeWords is what rules decide of an event: whether gates folded or held it
// then depends on what was open.
func madeWords(rule string, d mapping.Decision, a mapping.Action, s mapping.Severity, key, summary string) string {
	aside := ""
	switch d {
	case mapping.Unmatched, mapping.Dropped:
		return string(d) + " by " + ruleWord(rule)
	case mapping.Suppressed:
		aside = "not sent: "
	case mapping.Queued, mapping.Folded, mapping.Held, mapping.Maintenance, mapping.Inhibited:
	}
	return fmt.Sprintf("%s%s %s %q, dedup_key %s, by %s", aside, a, s, summary, key, ruleWord(rule))
}
