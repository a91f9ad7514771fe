package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/pdaltagent/pdaltagent/cmd/internal/site"
	"github.com/pdaltagent/pdaltagent/mapping"
)

// call is what a command is run with.
type call struct {
	args           []string // what is no flag
	config         string   // --config; empty: the standard files
	stdout, stderr io.Writer
}

// subcommand is one of pdagentd's commands.
type subcommand struct {
	name   string
	usage  string // what follows the name
	short  string // for the list of commands
	long   string // for its own help
	config bool   // it has --config
	args   bool   // it takes arguments besides flags

	// prepare adds the command's own flags and returns what runs it. It returns
	// a usageError where it was called the wrong way.
	prepare func(flags *flag.FlagSet) func(context.Context, call) error
}

// usageError is about how a command was called; its text says what is wrong.
type usageError string

// Error returns what is wrong.
func (e usageError) Error() string { return string(e) }

// execute runs one command and returns the exit status: 0, 1 for a failure, 2
// for wrong usage.
func execute(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	name := "run"
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		name, args = args[0], args[1:]
	} else if len(args) > 0 {
		switch strings.TrimLeft(args[0], "-") {
		case "h", "help":
			name, args = "help", args[1:]
		case "version":
			name, args = "version", args[1:]
		}
	}
	if name == "help" {
		return help(args, stdout, stderr)
	}
	all := commands()
	i := slices.IndexFunc(all, func(c subcommand) bool { return c.name == name })
	if i < 0 {
		return unknown(name, stderr)
	}
	return all[i].execute(ctx, args, stdout, stderr)
}

// unknown says what may have been meant by something that is no command.
func unknown(name string, stderr io.Writer) int {
	hint := mapping.DidYouMean(name, names(commands()))
	if isYAML(name) {
		hint = "; write pdagentd --config " + name
	}
	fmt.Fprintf(stderr, "pdagentd: no command is named %q%s\nTry 'pdagentd --help'.\n", name, hint)
	return 2
}

func isYAML(name string) bool {
	return strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml")
}

func names(all []subcommand) []string {
	list := []string{"help"}
	for _, c := range all {
		list = append(list, c.name)
	}
	return list
}

func (c *subcommand) execute(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet(c.name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	in := call{stdout: stdout, stderr: stderr}
	run := c.flags(flags, &in)
	err := flags.Parse(args)
	for err == nil && c.args && flags.NArg() > 0 { // flags may follow arguments
		in.args = append(in.args, flags.Arg(0))
		err = flags.Parse(flags.Args()[1:])
	}
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, c.help())
		return 0
	case err != nil:
		return c.misused(stderr, misspelt(err, flags))
	case flags.NArg() > 0:
		return c.misused(stderr, c.stray(flags))
	}
	err = run(ctx, in)
	if wrong, ok := errors.AsType[usageError](err); ok {
		return c.misused(stderr, wrong.Error())
	}
	if err != nil {
		failed(stderr, err)
		return 1
	}
	return 0
}

func (c *subcommand) flags(flags *flag.FlagSet, in *call) func(context.Context, call) error {
	if c.config {
		flags.StringVar(&in.config, "config", "", "the configuration `FILE`; without it the first of "+strings.Join(site.StandardFiles(), ", ")+" and the built-in defaults")
	}
	return c.prepare(flags)
}

// failed prints why a command could not do its work.
func failed(stderr io.Writer, err error) {
	if m, ok := errors.AsType[*misconfigured](err); ok {
		newReport(stderr, m.document).errors(m.Faults)
		err = fmt.Errorf("%s: %s; nothing was started", m.document.name(), count(len(m.Faults), "fault"))
	}
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintf(stderr, "pdagentd: %s\n", strings.TrimRight(line, "\n"))
	}
}

func (c *subcommand) misused(stderr io.Writer, reason string) int {
	fmt.Fprintf(stderr, "pdagentd %s: %s\nusage: pdagentd %s\nTry 'pdagentd %s --help'.\n", c.name, reason, c.synopsis(), c.name)
	return 2
}

// misspelt says what is wrong with a flag, and which one may be meant.
func misspelt(err error, flags *flag.FlagSet) string {
	if m := regexp.MustCompile(`^flag needs an argument: -(\S+)`).FindStringSubmatch(err.Error()); m != nil {
		value, _ := flag.UnquoteUsage(flags.Lookup(m[1]))
		return fmt.Sprintf("--%s needs a value: write --%s %s", m[1], m[1], strings.ToUpper(value))
	}
	m := regexp.MustCompile(`^flag provided but not defined: -(\S+)`).FindStringSubmatch(err.Error())
	if m == nil {
		return misvalued(err.Error())
	}
	var known []string
	flags.VisitAll(func(f *flag.Flag) { known = append(known, f.Name) })
	for i, name := range known {
		known[i] = "--" + name
	}
	return "no flag is named --" + m[1] + strings.ReplaceAll(mapping.DidYouMean("--"+m[1], known), `"`, "")
}

// misvalued says what is wrong with a flag's value.
func misvalued(text string) string {
	m := regexp.MustCompile(`(?s)^invalid (boolean )?value (".*") for (?:flag )?-(\S+): (.*)$`).FindStringSubmatch(text)
	switch {
	case m == nil:
		return text
	case m[1] != "":
		return fmt.Sprintf("--%s is there or not, and takes no value such as %s", m[3], m[2])
	case m[4] == "parse error":
		return fmt.Sprintf("--%s is a number, and %s is none", m[3], m[2])
	case m[4] == "value out of range":
		return fmt.Sprintf("--%s: %s is too large", m[3], m[2])
	}
	return fmt.Sprintf("--%s: %s: %s", m[3], m[2], m[4])
}

// stray says what may have been meant by an argument that belongs to nothing.
func (c *subcommand) stray(flags *flag.FlagSet) string {
	word := flags.Arg(0)
	if slices.Contains(names(commands()), word) {
		return fmt.Sprintf("%q comes too late: the command comes first, as in 'pdagentd %s --config FILE'", word, word)
	}
	if isYAML(word) {
		return fmt.Sprintf("%q belongs to no flag: write --config %s", word, word)
	}
	return fmt.Sprintf("%q belongs to no flag", word)
}

func (c *subcommand) synopsis() string {
	name := c.name
	if name == "run" {
		name = "[run]"
	}
	config := ""
	if c.config {
		config = " [--config FILE]"
	}
	return strings.TrimRight(name+config+" "+c.usage, " ")
}

// help is what 'pdagentd NAME --help' prints.
func (c *subcommand) help() string {
	var b strings.Builder
	fmt.Fprintf(&b, "usage: pdagentd %s\n\n%s\n", c.synopsis(), c.long)
	flags := flag.NewFlagSet(c.name, flag.ContinueOnError)
	c.flags(flags, &call{})
	heading := "\nFlags:\n"
	flags.VisitAll(func(f *flag.Flag) {
		value, what := flag.UnquoteUsage(f)
		fmt.Fprintf(&b, "%s  %-18s %s\n", heading, strings.TrimRight("--"+f.Name+" "+value, " "), what)
		heading = ""
	})
	return b.String()
}

// help prints the help of all, or of one command.
func help(args []string, stdout, stderr io.Writer) int {
	all := commands()
	if len(args) > 0 {
		i := slices.IndexFunc(all, func(c subcommand) bool { return c.name == args[0] })
		if i < 0 {
			return unknown(args[0], stderr)
		}
		fmt.Fprint(stdout, all[i].help())
		return 0
	}
	fmt.Fprint(stdout, "pdagentd stands between everything that can shout and PagerDuty: it receives SNMP traps,\nsyslog and HTTP events, and delivers what rules make of them.\n\nusage:\n")
	for _, c := range all {
		fmt.Fprintf(stdout, "  pdagentd %-38s %s\n", c.synopsis(), c.short)
	}
	fmt.Fprintf(stdout, "\n'pdagentd help COMMAND' says more. Without --config: the first of %s, else built-in defaults.\n", strings.Join(site.StandardFiles(), ", "))
	return 0
}
