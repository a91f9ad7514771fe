package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/pdaltagent/pdaltagent/cmd/internal/site"
	"github.com/pdaltagent/pdaltagent/mapping"
)

// checkCommand says all that is wrong with the configuration, its secrets, its
// rules and its modules, at once; and, where that is nothing, what it has
// looked at.
func checkCommand(ctx context.Context, file string, stdout, stderr io.Writer) error {
	c, _, err := openConfig(file, os.LookupEnv)
	if c == nil {
		return err
	}
	used := c.document.name()
	faults := faultsOf(err)
	rules, variables := ruleset{}, variablesOf(os.Environ())
	if !c.document.doubtful("rules") && !c.document.doubtful("mibs") {
		rules = readRules(ctx, c)
	}
	faults = c.document.sort(append(faults, rules.faults...))
	warnings := append(append(variables.warnings(c.document), c.warnings()...), rules.warnings...)
	r := newReport(stderr, c.document)
	r.errors(faults)
	r.warnings(warnings)
	if len(faults) > 0 {
		return fmt.Errorf("%s: %s%s; pdagentd would not start with it", used, count(len(faults), "fault"), and(warnings))
	}
	failed, err := c.rehearse(ctx, rules.rules, rules.modules)
	if err != nil {
		return fmt.Errorf("the tests of the rules: %w", err)
	}
	r.errors(failed)
	if len(failed) > 0 {
		return fmt.Errorf("%s: of %s of the rules %d failed; a running pdagentd would keep the rules that it has",
			used, count(len(rules.rules.Tests()), "test"), len(failed))
	}
	orphans := c.orphans(ctx, rules.rules)
	r.warnings(orphans)
	fmt.Fprintf(stdout, "%s: ok%s: %s%s\n", used, and(append(warnings, orphans...)), c.inventory(&rules), variables.heeded(c.document))
	return nil
}

// orphans warns of rules that open alerts are of and that are no more, where
// the database runs that knows them.
func (c *config) orphans(ctx context.Context, rules *mapping.Rules) (warnings mapping.Faults) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	pool, err := site.OpenDatabase(ctx, c.Database.URL, c.DataDir)
	if err != nil {
		return nil
	}
	defer pool.Close()
	lost, _ := findOrphans(ctx, pool, rules) // or what was found of them
	for _, o := range lost {
		warnings = append(warnings, c.document.fault("rules: "+o.Error()))
	}
	return warnings
}

func and(warnings mapping.Faults) string {
	if len(warnings) == 0 {
		return ""
	}
	return ", " + count(len(warnings), "warning")
}

// inventory says what a configuration consists of.
func (c *config) inventory(r *ruleset) string {
	_, standard := c.routes()
	listeners := append(append(append([]string(nil), c.Ingest.SNMP.Listen...), c.Ingest.Syslog.Listen...), c.Ingest.HTTP.Listen...)
	for i, address := range c.Ingest.SNMP.Listen {
		listeners[i] = "snmp://" + address
	}
	routes := "no route, so that events go to the built-in sandbox"
	if len(c.Routes) > 0 {
		routes = fmt.Sprintf("%s (default: %s)", count(len(c.Routes), "route"), standard)
	}
	return fmt.Sprintf("%s in %s, %s of them passed, %s, %s, %s (%s)",
		count(r.rules.Len(), "rule"), count(r.files, "file"), count(len(r.rules.Tests()), "test"), routes, count(len(r.modules.Names()), "SMI module"),
		count(len(listeners), "listener"), strings.Join(listeners, " "))
}

// warnings are what is no fault, but hardly meant.
func (c *config) warnings() (warnings mapping.Faults) {
	warn := func(message string) { warnings = append(warnings, c.document.fault(message)) }
	if c.document.doubtful("") {
		return nil
	}
	if c.unusedURL && !c.document.doubtful("routes") {
		warn("pagerduty.events_url: is not used while there is no route: events go to the built-in sandbox; add routes")
	}
	token := c.PagerDuty.APIToken != "" || c.document.has("pagerduty.api_token_file") || c.document.has("pagerduty.api_token_env")
	if c.Webhooks.URL != "" && !token && c.PagerDuty.EventsURL != sandboxURL && !c.document.doubtful("pagerduty") {
		warn("webhooks.url: is called by nobody without pagerduty.api_token_file, a read-only API key to ask PagerDuty with")
	}
	if len(c.Rules) == 0 && !c.document.doubtful("rules") {
		warnings = append(warnings, mapping.Fault{
			Place: mapping.Place{File: c.document.file}, Message: "rules: there are none, so that traps, syslog lines and hooks make no events: name files or folders of *.yaml",
		})
	}
	return warnings
}
