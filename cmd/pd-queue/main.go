// Command pd-queue says how many events of each integration key wait, were
// delivered or are dead, and has dead ones sent again. Its options are those of
// PagerDuty Agent's pd-queue. It looks into the database of pdagentd; 'pdagentd
// queue' does the same for single deliveries. It exits with 0 when it could,
// 1 when it could not, and 2 on wrong usage.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.LookupEnv, os.Stdout, os.Stderr))
}

const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

func run(ctx context.Context, args []string, env func(string) (string, bool), stdout, stderr io.Writer) int {
	o, err := parse(args)
	switch {
	case err != nil:
		complain(stderr, err)
		fmt.Fprintln(stderr, "Try 'pd-queue --help'.")
		return exitUsage
	case o.help:
		fmt.Fprint(stdout, usage())
		return exitDone
	}
	if err := o.do(ctx, env, stdout, stderr); err != nil {
		complain(stderr, err)
		return exitFailed
	}
	return exitDone
}

func (o *options) do(ctx context.Context, env func(string) (string, bool), stdout, stderr io.Writer) error {
	ledger, err := open(ctx, o.config, env)
	if err != nil {
		return err
	}
	defer ledger.close()
	if o.command == "retry" {
		return ledger.retry(ctx, o.key, stdout, stderr)
	}
	return ledger.status(ctx, o.key, stdout, stderr)
}

// complain prints each line of an error behind the program's name.
func complain(stderr io.Writer, err error) {
	if errors.Is(err, context.Canceled) {
		err = errors.New("interrupted")
	}
	for line := range strings.Lines(strings.TrimSpace(err.Error())) {
		fmt.Fprintf(stderr, "pd-queue: %s\n", strings.TrimRight(line, "\n"))
	}
}
