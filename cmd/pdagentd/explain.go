package main

import (
	"context"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/pdaltagent/pdaltagent/cmd/internal/site"
	"github.com/pdaltagent/pdaltagent/delivery/history"
	"github.com/pdaltagent/pdaltagent/ingest"
	"github.com/pdaltagent/pdaltagent/ingest/snmptrap"
	"github.com/pdaltagent/pdaltagent/mapping"
)

// explainSubcommand is 'pdagentd explain'.
func explainSubcommand() subcommand {
	return subcommand{
		name: "explain", usage: "(--trap-hex HEX | --syslog LINE | --http PATH --body FILE | EVENT-ID)",
		short: "say which rule takes a message, why others do not, and what comes of it", config: true, args: true,
		long: "Decodes a message as the receivers do, passes it through the rules of the configuration, and says which rule\n" +
			"takes it, why those before it did not, the event that is made, and its gates. Nothing is sent or stored.\n" +
			"EVENT-ID is an event of the history, whose database must run: what was decided about it is shown, too.\n" +
			"Exit status: 0 when a rule took it, 1 when none did or something is wrong.",
		prepare: prepareExplain,
	}
}

// explainFlags are the flags of 'pdagentd explain'.
type explainFlags struct {
	trapHex, syslog, http, body, from string
	headers                           headerFlags
	json                              bool
}

// headerFlags collects --header NAME:VALUE.
type headerFlags []mapping.Entry

// String is flag.Value's.
func (h *headerFlags) String() string { return "" }

// Set is flag.Value's.
func (h *headerFlags) Set(s string) error {
	name, value, ok := strings.Cut(s, ":")
	if !ok {
		return errors.New("write NAME:VALUE")
	}
	*h = append(*h, mapping.Entry{
		Key:   mapping.Text{Value: strings.TrimSpace(name)},
		Value: mapping.Value{Text: mapping.Text{Value: strings.TrimSpace(value)}},
	})
	return nil
}

func prepareExplain(flags *flag.FlagSet) func(context.Context, call) error {
	var f explainFlags
	flags.StringVar(&f.trapHex, "trap-hex", "", "a trap's datagram as `HEX`, or @FILE: one of data_dir/quarantine, or hex in a file")
	flags.StringVar(&f.syslog, "syslog", "", "a syslog `LINE` as it comes from the wire, with its <PRI>")
	flags.StringVar(&f.http, "http", "", "the `PATH` that a body is posted to, such as /hooks/grafana or /fetch/ups")
	flags.StringVar(&f.body, "body", "", "the `FILE` with the body; - is standard input")
	flags.Var(&f.headers, "header", "a header of the request: `NAME:VALUE`; may be given more than once")
	flags.StringVar(&f.from, "from", standIn, "the `ADDRESS` that it comes from")
	flags.BoolVar(&f.json, "json", false, "print JSON")
	return func(ctx context.Context, in call) error { return explainCommand(ctx, in, &f) }
}

// check says what is wrong with how it was called.
func (f *explainFlags) check(args []string) error {
	given := len(args)
	for _, s := range []string{f.trapHex, f.syslog, f.http} {
		if s != "" {
			given++
		}
	}
	switch {
	case given != 1:
		return usageError("give one of --trap-hex, --syslog, --http and an event's id")
	case (f.http == "") != (f.body == ""):
		return usageError("--http and --body belong together: --http /hooks/NAME --body FILE")
	}
	if len(args) > 0 && uuid.Validate(args[0]) != nil {
		return usageError(fmt.Sprintf("%q is no event's id: events.id has them, such as 01956a3b-0000-7000-8000-000000000001", args[0]))
	}
	if _, err := netip.ParseAddr(f.from); err != nil {
		return usageError(fmt.Sprintf("--from is an address, and %q is none", f.from))
	}
	return nil
}

// explainer is one run of 'pdagentd explain'.
type explainer struct {
	*stage
	config *config
	flags  *explainFlags
	in     call
	record *recordedJSON // of an event of the history
	found  bool          // a rule took something
	failed error
}

func explainCommand(ctx context.Context, in call, f *explainFlags) error {
	if err := f.check(in.args); err != nil {
		return err
	}
	c, _, err := loadConfig(in.config, os.LookupEnv)
	if err != nil {
		return err
	}
	rules := readRules(ctx, c)
	if err := misconfiguration(c.document, rules.faults); err != nil {
		return err
	}
	x := &explainer{config: c, flags: f, in: in}
	if x.stage, err = c.stage(ctx, rules.rules, rules.modules, x.explain); err != nil {
		return err
	}
	pool, err := x.database(ctx)
	if err != nil {
		return err
	}
	if pool != nil {
		defer pool.Close()
	}
	if err := x.receive(ctx, pool); err != nil {
		return err
	}
	if err := errors.Join(x.failed, x.faultOf()); err != nil {
		return err
	}
	if !x.found {
		return errors.New("no rule takes it: it would be counted as unmatched")
	}
	return nil
}

// database opens the history where it is needed: for an event, or for tables
// whose rows a query gives.
func (x *explainer) database(ctx context.Context) (*pgxpool.Pool, error) {
	queries := x.rules.Tables().Queries()
	if len(x.in.args) == 0 && len(queries) == 0 {
		return nil, nil //nolint:nilnil // nobody asks it
	}
	pool, err := site.OpenDatabase(ctx, x.config.Database.URL, x.config.DataDir)
	if err != nil {
		if len(x.in.args) > 0 {
			return nil, err
		}
		fmt.Fprintf(x.in.stderr, "pdagentd: tables whose rows a query gives are empty here: %v\n", err)
		return nil, nil //nolint:nilnil // it goes without
	}
	fillTables(ctx, pool, x.rules)
	return pool, nil
}

// fillTables runs the queries of tables once.
func fillTables(ctx context.Context, pool *pgxpool.Pool, rules *mapping.Rules) {
	q := newQueryTables(pool, prometheus.NewRegistry(), newLogger(os.Stderr, false))
	q.Use(ctx, nil, rules)
	q.Close()
}

// receive has the message explained.
func (x *explainer) receive(ctx context.Context, pool *pgxpool.Pool) error {
	x.test, x.clock = &mapping.TestSpec{Name: "explain"}, time.Now()
	x.step = &mapping.StepSpec{
		From: mapping.Text{Value: x.flags.from}, Times: 1,
		Headers: x.flags.headers, Message: mapping.Text{Value: x.flags.syslog + x.flags.http},
	}
	switch {
	case x.flags.trapHex != "":
		return x.trap()
	case x.flags.syslog != "":
		x.sayLine()
		return nil
	case x.flags.http != "":
		body, err := x.read(x.flags.body)
		if err != nil {
			return fmt.Errorf("--body: %w", err)
		}
		x.step.Body = &mapping.Value{Text: mapping.Text{Value: string(body)}}
		x.sayRequest(ctx)
		return nil
	}
	return x.event(ctx, pool, uuid.MustParse(x.in.args[0]))
}

// read returns what is in a file, or comes from standard input.
func (x *explainer) read(file string) ([]byte, error) {
	if file == "-" {
		return io.ReadAll(io.LimitReader(os.Stdin, largestShown))
	}
	data, err := os.ReadFile(file) //nolint:gosec // the operator names it
	if err != nil {
		return nil, site.Unreadable(file, err)
	}
	return data, nil
}

// trap explains a datagram.
func (x *explainer) trap() error {
	datagram, err := x.datagram()
	if err != nil {
		return fmt.Errorf("--trap-hex: %w", err)
	}
	from := netip.AddrPortFrom(netip.MustParseAddr(x.flags.from), 162)
	m, err := snmptrap.Decode(x.config.Ingest.SNMP, ingest.Datagram{Data: datagram, From: from, At: x.clock})
	if err != nil {
		return fmt.Errorf("this datagram is not taken: %w", err)
	}
	x.explain(&m)
	return nil
}

// datagram reads hex as people copy it: with spaces, colons, line ends or 0x.
func (x *explainer) datagram() ([]byte, error) {
	text := x.flags.trapHex
	if file, ok := strings.CutPrefix(text, "@"); ok {
		data, err := x.read(file)
		if err != nil {
			return nil, err
		}
		if len(data) > 0 && data[0] == 0x30 && (len(data) < 2 || data[1] != 'x' && !isHexText(data)) {
			return data, nil // as it came: a SEQUENCE
		}
		text = string(data)
	}
	text = strings.NewReplacer("0x", "", "0X", "", ":", "", "-", "").Replace(text)
	text = strings.Join(strings.Fields(text), "")
	if len(text)%2 == 1 {
		return nil, fmt.Errorf("there are %d hex digits, and it takes an even number: is the end missing?", len(text))
	}
	data, err := hex.DecodeString(text)
	if err != nil {
		return nil, errors.New("this is no hex: write pairs of 0-9 and a-f, or @FILE")
	}
	return data, nil
}

func isHexText(data []byte) bool {
	return strings.Trim(string(data), "0123456789abcdefABCDEFxX:- \t\r\n") == ""
}

// event explains an event of the history, beside what was decided about it.
func (x *explainer) event(ctx context.Context, pool *pgxpool.Pool, id uuid.UUID) error {
	desk := history.NewDesk(pool, "")
	e, err := desk.Event(ctx, id)
	if errors.Is(err, history.ErrUnknown) {
		return fmt.Errorf("there is no event %s: it may be older than history.keep", id)
	}
	if err != nil {
		return err
	}
	x.recorded(e)
	if e.DeliveryID != nil {
		told, err := desk.Show(ctx, *e.DeliveryID)
		if err == nil {
			x.told(told)
		}
	}
	m, err := mapping.Restore(storedOf(e))
	if err != nil {
		return fmt.Errorf("event %s: %w", id, err)
	}
	x.explain(&m)
	return nil
}

func storedOf(e history.Recorded) mapping.Stored {
	return mapping.Stored{ID: e.ID, ReceivedAt: e.ReceivedAt, Protocol: e.Protocol, Source: e.Source, Host: e.Host, Message: e.Message}
}
