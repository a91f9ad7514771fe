// Command pd-send sends one event to pdagentd, which keeps it and delivers it
// to PagerDuty. Its options are those of PagerDuty Agent's pd-send and of
// PDaltagent's together; it exits with 0 when the event is durable, 1 when it
// could not be sent, and 2 on wrong usage.
package main

import (
	"io"
	"os"
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
		say(stderr, "pd-send: %v\nTry 'pd-send --help'.\n", err)
		return exitUsage
	case o.help:
		say(stdout, "%s", usage())
		return exitSent
	}
	key, err := send(o)
	if err != nil {
		say(stderr, "pd-send: %v\n", err)
		return exitUnsent
	}
	if !o.quiet {
		say(stdout, "Event processed. Incident Key: %s\n", key)
	}
	return exitSent
}
