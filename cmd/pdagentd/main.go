// Command pdagentd is the appliance: it receives SNMP traps, syslog and HTTP
// events, maps them by rules to PagerDuty events, delivers those and keeps
// their history. Its other commands help whoever runs it.
package main

import (
	"context"
	"flag"
	"io"
	"log"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"
	_ "time/tzdata" // for machines without zone data
)

// version and commit are set by the build.
var (
	version = "devel"
	commit  string //nolint:gochecknoglobals // the linker's -X sets nothing else
)

func main() {
	boundMemory()
	log.SetOutput(io.Discard) // net/http quotes there what others say, who may repeat a key
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	os.Exit(execute(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// boundMemory has the collector run as often as it takes to stay below 120 MB.
// GOMEMLIMIT says otherwise.
func boundMemory() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(120 << 20)
	}
}

// commands are all of pdagentd's commands.
func commands() []subcommand {
	return []subcommand{
		{
			name: "run", short: "run the appliance", config: true,
			long: "Runs the appliance until Ctrl-C or SIGTERM, which end it gracefully. SIGHUP reads rules, SMI modules\n" +
				"and certificates anew, which also happens when their files change.\n" +
				"It logs to standard error: text on a terminal, JSON otherwise.",
			prepare: func(flags *flag.FlagSet) func(context.Context, call) error {
				debug := flags.Bool("debug", false, "log at debug level, too")
				return func(ctx context.Context, in call) error {
					signal.Ignore(syscall.SIGHUP) // until there is something to reload
					return runCommand(ctx, in.config, *debug, in.stdout, in.stderr)
				}
			},
		},
		{
			name: "check", short: "say what is wrong with configuration, rules and MIBs", config: true,
			long: "Loads the configuration with its secrets, the rules and the SMI modules, starts nothing, and says all that\n" +
				"is wrong: FILE:LINE:COLUMN: what it is. Warnings are marked as such. Exit status: 0 when pdagentd would\n" +
				"start, 1 when there are faults.",
			prepare: func(*flag.FlagSet) func(context.Context, call) error {
				return func(ctx context.Context, in call) error { return checkCommand(ctx, in.config, in.stdout, in.stderr) }
			},
		},
		{
			name: "migrate", short: "bring the database to this version's schema", config: true,
			long: "Applies the migrations that the database does not have yet. 'pdagentd run' does so, too.",
			prepare: func(flags *flag.FlagSet) func(context.Context, call) error {
				debug := flags.Bool("debug", false, "log at debug level, too")
				return func(ctx context.Context, in call) error {
					return migrateCommand(ctx, in.config, newLogger(in.stderr, *debug))
				}
			},
		},
		{
			name: "sandbox", usage: "[--listen ADDR] [--play EVERY]", short: "a PagerDuty stand-in, alone",
			long: "Runs a stand-in for PagerDuty that keeps what it gets in memory and can be told to fail.",
			prepare: func(flags *flag.FlagSet) func(context.Context, call) error {
				address := flags.String("listen", "127.0.0.1:8082", "the `ADDR`ess to listen on, 127.0.0.1:8082 if it is left out")
				play := flags.Duration("play", 0, "have incidents come and go, a step `EVERY` so often, such as 5s; none if it is left out")
				return func(ctx context.Context, in call) error { return sandboxCommand(ctx, *address, *play, in.stdout) }
			},
		},
		moveSubcommand(),
		mibSubcommand(),
		explainSubcommand(),
		replaySubcommand(),
		queueSubcommand(),
		importSubcommand(),
		healthSubcommand(),
		versionSubcommand(),
	}
}

// newLogger logs text on a terminal and JSON otherwise, durations as people
// read them.
func newLogger(w io.Writer, debug bool) *slog.Logger {
	options := &slog.HandlerOptions{Level: slog.LevelInfo}
	if debug {
		options.Level = slog.LevelDebug
	}
	if isTerminal(w) {
		return slog.New(slog.NewTextHandler(w, options))
	}
	options.ReplaceAttr = func(_ []string, a slog.Attr) slog.Attr {
		if a.Value.Kind() == slog.KindDuration {
			a.Value = slog.StringValue(a.Value.Duration().Round(time.Microsecond).String())
		}
		return a
	}
	return slog.New(slog.NewJSONHandler(w, options))
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
