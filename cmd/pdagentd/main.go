// Command pdagentd is the appliance: it receives SNMP traps, syslog and HTTP
// events, maps them by rules to PagerDuty events, delivers those and keeps
// their history. Its other commands help whoever runs it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	_ "time/tzdata" // for machines without zone data
)

// version is set by the build.
var version = "devel"

func main() {
	boundMemory()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	os.Exit(command(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// boundMemory has the collector run as often as it takes to stay below 80 MB.
// GOMEMLIMIT says otherwise.
func boundMemory() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(80 << 20)
	}
}

const usage = `usage: pdagentd [run] [--config FILE]       run the appliance
       pdagentd check [--config FILE]       load configuration, rules and MIBs; say what is wrong
       pdagentd migrate [--config FILE]     bring the database to this version's schema
       pdagentd sandbox [--listen ADDR]     a PagerDuty stand-in, alone
       pdagentd version
Without --config: /etc/pdaltagent/pdagentd.yaml, ./pdagentd.yaml, or built-in defaults.
`

// command runs one command and returns the exit status: 0, 1 for a failure, 2
// for wrong usage.
func command(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	name := "run"
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		name, args = args[0], args[1:]
	}
	flags := flag.NewFlagSet("pdagentd "+name, flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() { fmt.Fprint(stderr, usage) }
	file := flags.String("config", "", "configuration file")
	listen := flags.String("listen", "127.0.0.1:8082", "sandbox: address")
	debug := flags.Bool("debug", false, "log at debug level")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil || flags.NArg() > 0 {
		fmt.Fprint(stderr, usage)
		return 2
	}
	var err error
	switch name {
	case "run":
		err = runCommand(ctx, *file, *debug, stdout, stderr)
	case "check":
		err = checkCommand(ctx, *file, stdout, stderr)
	case "migrate":
		err = migrateCommand(ctx, *file, newLogger(stderr, *debug))
	case "sandbox":
		err = sandboxCommand(ctx, *listen, stdout)
	case "version":
		_, err = fmt.Fprintf(stdout, "pdagentd %s %s %s/%s\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	case "help":
		_, err = fmt.Fprint(stdout, usage)
	default:
		fmt.Fprintf(stderr, "pdagentd: no command is named %q\n%s", name, usage)
		return 2
	}
	if err != nil {
		fmt.Fprintf(stderr, "pdagentd: %v\n", err)
		return 1
	}
	return 0
}

// newLogger logs text on a terminal and JSON otherwise.
func newLogger(w io.Writer, debug bool) *slog.Logger {
	options := &slog.HandlerOptions{Level: slog.LevelInfo}
	if debug {
		options.Level = slog.LevelDebug
	}
	if isTerminal(w) {
		return slog.New(slog.NewTextHandler(w, options))
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
