package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/pdaltagent/pdaltagent/mapping"
	"github.com/pdaltagent/pdaltagent/mibs"
)

// mibSubcommand is 'pdagentd mib', which shows SMI modules and makes rules of
// them.
func mibSubcommand() subcommand {
	return subcommand{
		name: "mib", usage: "list|show|rules|convert …", short: "browse SMI modules; make rules of them, or of an snmptt.conf",
		config: true, args: true,
		long: "Looks at the SMI modules that are built in and those in the folders that mibs: names.\n\n" +
			"  mib list [FILTER]        the modules, or those whose names contain FILTER, with what is wrong with them;\n" +
			"                           * stands for any text: 'mib list CISCO-*'\n" +
			"  mib show NAME|OID        what a module says of an object or a notification\n" +
			"  mib rules MODULE         a rule file to start from, one rule for each problem that the module's\n" +
			"                           notifications tell of\n" +
			"  mib convert FILE         the rules that an snmptt.conf stands for; what has no counterpart is told\n\n" +
			"Rules are printed to standard output, what to know of them to standard error. Exit status: 0, 1 when\n" +
			"something is not known or cannot be read, 2 for wrong usage.",
		prepare: func(*flag.FlagSet) func(context.Context, call) error { return mibCommand },
	}
}

// mibCommand runs 'pdagentd mib VERB …'.
func mibCommand(ctx context.Context, in call) error {
	verbs := []string{"list", "show", "rules", "convert"}
	if len(in.args) == 0 {
		return usageError("say what to do: " + strings.Join(verbs, ", "))
	}
	verb, args := in.args[0], in.args[1:]
	takes := map[string]string{"show": "the name or OID of an object or a notification", "rules": "the name of a module", "convert": "a file"}
	switch what := takes[verb]; {
	case !slices.Contains(verbs, verb):
		return usageError(fmt.Sprintf("mib has no command %q%s", verb, mapping.DidYouMean(verb, verbs)))
	case what != "" && len(args) != 1:
		return usageError("mib " + verb + " takes one argument, " + what)
	case len(args) > 1:
		return usageError("mib list takes one argument at most, a part of a module's name")
	}
	m, err := openMIBs(ctx, in)
	if err != nil {
		return err
	}
	switch verb {
	case "list":
		return m.list(strings.Join(args, ""))
	case "show":
		return m.show(ctx, args[0])
	case "rules":
		return m.rules(ctx, args[0])
	}
	return m.convert(ctx, args[0])
}

// mibBrowser is the modules that a command looks at, and where it prints.
type mibBrowser struct {
	library  *mibs.Library
	warnings []mibs.Warning
	stdout   io.Writer
	stderr   io.Writer
}

// openMIBs reads the modules of the configuration, whatever else is wrong
// with it.
func openMIBs(ctx context.Context, in call) (*mibBrowser, error) {
	c, _, err := loadConfig(in.config, os.LookupEnv)
	if c == nil || c.document.doubtful("mibs") {
		return nil, err
	}
	var r ruleset
	folders := r.folders(c)
	if err := misconfiguration(c.document, r.faults); err != nil {
		return nil, err
	}
	library, warnings, err := mibs.Open(ctx, folders)
	if err != nil {
		return nil, err
	}
	return &mibBrowser{library, warnings, in.stdout, in.stderr}, nil
}

// list prints the modules whose names contain filter, in any case, with what
// is wrong with them.
func (m *mibBrowser) list(filter string) error {
	modules := slices.DeleteFunc(m.library.List(), func(module mibs.Module) bool { return !namedLike(module.Name, filter) })
	if len(modules) == 0 {
		return fmt.Errorf("no module is called %s%s", filter, m.nearModule(filter))
	}
	warnings := map[string][]mibs.Warning{}
	for _, w := range m.warnings {
		warnings[w.Module] = append(warnings[w.Module], w)
	}
	t := tabwriter.NewWriter(m.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "MODULE\tOBJECTS\tNOTIFICATIONS\tWARNINGS\tFILE")
	objects, notifications := 0, 0
	for _, module := range modules {
		objects, notifications = objects+module.Objects, notifications+module.Notifications
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%s\n", module.Name, module.Objects, module.Notifications, len(warnings[module.Name]), fileOf(module))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(m.stdout, "%s: %s, %s\n", count(len(modules), "module"), count(objects, "object"), count(notifications, "notification"))
	m.printWarnings(modules, filter)
	return nil
}

// printWarnings says what is wrong with modules, and with files that hold
// none where all modules are listed.
func (m *mibBrowser) printWarnings(modules []mibs.Module, filter string) {
	for _, w := range m.warnings {
		listed := slices.ContainsFunc(modules, func(module mibs.Module) bool { return module.Name == w.Module })
		if listed || namedLike(w.Module, filter) {
			fmt.Fprintf(m.stderr, "%s\n", w)
		}
	}
}

// namedLike says whether a name contains filter, or is like it where it has
// stars.
func namedLike(name, filter string) bool {
	name, filter = strings.ToLower(name), strings.ToLower(filter)
	if !strings.Contains(filter, "*") {
		return strings.Contains(name, filter)
	}
	ok, err := path.Match(filter, name)
	return ok && err == nil
}

func (m *mibBrowser) nearModule(name string) string {
	hint := mapping.DidYouMean(strings.ToUpper(name), m.library.Names())
	if hint == "" {
		hint = "; 'pdagentd mib list' shows all, and mibs: in the configuration names the folders that they come from"
	}
	return hint
}

func fileOf(module mibs.Module) string {
	switch {
	case module.File == "":
		return "(part of SMI)"
	case strings.HasPrefix(module.File, "smi/"):
		return "(built in)"
	}
	return module.File
}
