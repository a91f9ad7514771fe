package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pdaltagent/pdaltagent/delivery"
	"github.com/pdaltagent/pdaltagent/ingest"
	"github.com/pdaltagent/pdaltagent/ingest/httpevent"
	"github.com/pdaltagent/pdaltagent/ingest/syslog"
	"github.com/pdaltagent/pdaltagent/mapping"
	"github.com/pdaltagent/pdaltagent/mibs"
)

// rehearse runs the tests that rules carry: real decoding, the rules, and the
// gates on a fake clock, with nothing sent. The faults say what a test expected
// and what came instead.
func (c *config) rehearse(ctx context.Context, rules *mapping.Rules, modules *mibs.Modules) (mapping.Faults, error) {
	tests := rules.Tests()
	if len(tests) == 0 {
		return nil, nil
	}
	s, err := c.stage(ctx, rules, modules, nil)
	if err != nil {
		return nil, err
	}
	for i := range tests {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		s.play(ctx, &tests[i])
	}
	return s.faults, nil
}

// stage returns a stage for rules. take is given each message; nil: it passes
// through rules and gates.
func (c *config) stage(ctx context.Context, rules *mapping.Rules, modules *mibs.Modules, take func(*ingest.Message)) (*stage, error) {
	_, standard := c.routes()
	location, err := time.LoadLocation(c.Ingest.Syslog.Timezone)
	if err != nil {
		location = time.UTC // the configuration's own fault
	}
	s := &stage{rules: rules, modules: modules, standard: standard, lines: syslog.NewParser(location), take: take}
	if take == nil {
		s.take = s.pass
	}
	s.posts, err = httpevent.New(ctx, httpevent.Config{MaxBodyBytes: c.Ingest.HTTP.MaxBodyBytes}, nil, ingest.HandlerFunc(s.handle),
		ingest.NewTally(prometheus.NewRegistry()), func() error { return nil }, slog.New(slog.DiscardHandler))
	return s, err
}

// curtain is when each test begins: a Monday, at midnight in UTC.
func curtain() time.Time { return time.Date(2024, time.January, 1, 0, 0, 0, 0, time.UTC) }

// stage is where tests are played, one after the other.
type stage struct {
	rules    *mapping.Rules
	modules  *mibs.Modules
	standard string // the default route
	lines    *syslog.Parser
	posts    *httpevent.Receiver
	take     func(*ingest.Message)
	faults   mapping.Faults

	test    *mapping.TestSpec
	step    *mapping.StepSpec
	clock   time.Time
	ids     ingest.IDs
	gates   *delivery.Rehearsal
	heard   []outcome // by PagerDuty, since the last expect
	decided []outcome // since the last expect
}

// outcome is what became of an event.
type outcome struct {
	event    *mapping.Event
	decision mapping.Decision
}

// play takes the steps of a test, up to the first that fails.
func (s *stage) play(ctx context.Context, t *mapping.TestSpec) {
	s.test, s.clock, s.gates = t, curtain(), delivery.NewRehearsal(s.standard)
	s.heard, s.decided = nil, nil
	had := len(s.faults)
	for i := range t.Steps {
		s.step = &t.Steps[i]
		s.clock = s.clock.Add(s.step.After)
		s.hear(s.gates.Advance(s.clock))
		if s.step.Kind != "" {
			s.say(ctx)
		}
		if len(s.faults) == had && s.step.Expect != nil {
			s.expect()
		}
		if len(s.faults) > had {
			return
		}
	}
}

func (s *stage) fault(at mapping.Place, format string, args ...any) {
	s.faults = append(s.faults, mapping.Fault{
		Place:   at,
		Message: fmt.Sprintf("test %q of rule %s: ", s.test.Name, s.test.Rule) + fmt.Sprintf(format, args...),
	})
}

func (s *stage) hear(all []delivery.Heard) {
	for _, h := range all {
		s.heard = append(s.heard, outcome{h.Event, mapping.Queued})
	}
}

// handle is the ingest.Handler of what steps say.
func (s *stage) handle(_ context.Context, ms []ingest.Message, done func(ingest.Receipt)) {
	for i := range ms {
		s.sign(&ms[i])
		s.take(&ms[i])
	}
	done(ingest.Receipt{Events: len(ms)})
}

// sign says who sent a message, and when.
func (s *stage) sign(m *ingest.Message) {
	m.ID, m.ReceivedAt = s.ids.Next(s.clock), s.clock
	m.Source = s.source()
	m.Host = cmp.Or(s.step.Host.Value, m.Host)
}

// pass passes a message through rules and gates.
func (s *stage) pass(m *ingest.Message) {
	var made mapping.Result
	s.rules.Apply(m, &made)
	for _, e := range made.Errors {
		s.fault(s.step.Place, "an error in rule %s: %v", e.Rule, e.Err)
	}
	if len(made.Events) == 0 {
		sample := s.rules.Sample(m, mapping.Unmatched)
		s.decided = append(s.decided, outcome{&sample, mapping.Unmatched})
	}
	for i := range made.Events {
		heard, decision := s.gates.Take(&made.Events[i])
		s.hear(heard)
		s.decided = append(s.decided, outcome{&made.Events[i], decision})
	}
}
