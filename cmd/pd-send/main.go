// Command pd-send sends one event to pdagentd, which keeps it and delivers it
// to PagerDuty. Its options are those of PagerDuty Agent's pd-send and of
// PDaltagent's together; it exits with 0 when the event is durable, 1 when it
// could not be sent, and 2 on wrong usage.
package main

import (
	"io"
	"os"
	"strings"
)

func main() { os.Exit(run(os.Args[1:], os.Getenv, os.Stdout, os.Stderr)) }

const (
	exitSent   = 0
	exitUnsent = 1
	exitUsage  = 2
)

func run(args []string, env func(string) string, stdout, stderr io.Writer) int {
	o, err := parse(args, env)
	switch {
	case err != nil:
		complain(stderr, err)
		say(stderr, "Try 'pd-send --help'.\n")
		return exitUsage
	case o.help:
		say(stdout, "%s", usage())
		return exitSent
	}
	key, err := send(o)
	if err != nil {
		complain(stderr, err)
		return exitUnsent
	}
	if !o.quiet {
		say(stdout, "Event processed. Incident Key: %s\n", key)
	}
	return exitSent
}

// complain prints each line of an error behind the program's name.
func complain(stderr io.Writer, err error) {
	for line := range strings.Lines(strings.TrimSpace(err.Error())) {
		say(stderr, "pd-send: %s\n", strings.TrimRight(line, "\n"))
	}
}
