package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"

	"github.com/pdaltagent/pdaltagent/cmd/internal/site"
	"github.com/pdaltagent/pdaltagent/mapping"
	"github.com/pdaltagent/pdaltagent/mapping/rulefile"
	"github.com/pdaltagent/pdaltagent/mibs"
)

// Modules know what mapping asks of them.
var _ mapping.Namer = (*mibs.Modules)(nil)

// ruleset is what was read of rules and SMI modules.
type ruleset struct {
	rules    *mapping.Rules // nil: there are faults
	modules  *mibs.Modules  // nil: reading them was broken off
	files    int            // rule files
	faults   mapping.Faults
	warnings mapping.Faults
}

// readRules reads SMI modules and compiles the rules.
func readRules(ctx context.Context, c *config) ruleset {
	var r ruleset
	modules, warnings, err := mibs.Load(ctx, r.folders(c))
	if err != nil {
		r.fault(c.document.fault("mibs: " + err.Error()))
		return r
	}
	r.modules = modules
	for _, w := range warnings {
		r.warnings = append(r.warnings, ofModule(w))
	}
	loader := rulefile.Loader{Namer: modules, Routes: sortedKeys(c.Routes), Raw: c.History.Raw}
	if len(c.Routes) == 0 {
		loader.Routes = nil // to the sandbox leads any
	}
	for _, d := range c.Webhooks.Destinations() {
		loader.Destinations = append(loader.Destinations, d.Name)
	}
	if c.trapRules != "" {
		loader.More = append(loader.More, rulefile.File{Name: "PDAGENTD_SNMP_*", Data: []byte(c.trapRules)})
	}
	if c.scrub {
		loader.More = append(loader.More, rulefile.File{Name: "PDAGENTD_SCRUB_PII", Data: []byte(scrubRules)})
	}
	rules, suspicious, err := loader.Load(r.paths(c)...)
	r.rules = rules
	r.faults = append(r.faults, faultsOf(err)...)
	r.warnings = append(r.warnings, suspicious...)
	return r
}

func (r *ruleset) fault(f mapping.Fault) { r.faults = append(r.faults, f) }

// folders returns those folders of modules that can be read.
func (r *ruleset) folders(c *config) (folders []string) {
	for i, folder := range c.MIBs {
		if _, err := os.ReadDir(folder); err != nil {
			r.fault(c.document.fault(fmt.Sprintf("mibs[%d]: %v", i, noFolder(folder, err))))
			continue
		}
		folders = append(folders, folder)
	}
	return folders
}

func noFolder(folder string, err error) error {
	if info, statErr := os.Stat(folder); statErr == nil && !info.IsDir() {
		return fmt.Errorf("%s is a file: name the folder that it is in", folder)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no folder %s%s: create it, or take it out of this list", folder, site.Relative(folder))
	}
	return site.Unreadable(folder, err)
}

// namedBy has faults about the paths of rules say which flag named them, and
// not a place in the configuration.
func (r *ruleset) namedBy(flag string) {
	for i, f := range r.faults {
		if index, text, ok := strings.Cut(f.Message, "]: "); ok && strings.HasPrefix(index, "rules[") {
			text, _, _ = strings.Cut(text, ", or take it out of rules")
			r.faults[i] = mapping.Fault{Message: flag + ": " + text}
		}
	}
}

// paths returns those rule files and folders that can be read.
func (r *ruleset) paths(c *config) (paths []string) {
	for i, path := range c.Rules {
		files, err := rulefile.Files([]string{path})
		if err != nil {
			r.fault(c.document.fault(fmt.Sprintf("rules[%d]: %s", i, strings.TrimPrefix(err.Error(), "rules: "))))
			continue
		}
		if len(files) == 0 {
			f := c.document.fault(fmt.Sprintf("rules[%d]: %s holds no file *.yaml, so no rule comes from it", i, path))
			r.warnings = append(r.warnings, f)
		}
		paths = append(paths, path)
		r.files += len(files)
	}
	return paths
}

// ofModule returns a warning about an SMI module with its place.
func ofModule(w mibs.Warning) mapping.Fault {
	text := w.Text
	if w.Module != "" {
		text = w.Module + ": " + text
	}
	at := mapping.Place{File: w.File}
	if w.Line > 0 {
		at.Line, at.Column = w.Line, 1
	}
	return mapping.Fault{Place: at, Message: text}
}

// loadRules reads SMI modules, compiles the rules and runs their tests. What
// is only suspicious is logged, as are tests that fail: an appliance that does
// not start tells nobody of anything. Its error is *misconfigured.
func loadRules(ctx context.Context, c *config, logger *slog.Logger) (*mapping.Rules, error) {
	r := readRules(ctx, c)
	if err := misconfiguration(c.document, r.faults); err != nil {
		return nil, err
	}
	r.logWarnings(logger)
	failed, err := c.rehearse(ctx, r.rules, r.modules)
	if err != nil {
		return nil, fmt.Errorf("tests of rules: %w", err)
	}
	for _, f := range failed[:min(len(failed), shownFaults)] {
		logger.Error("a test of the rules fails; they are used all the same, as there are no others: "+f.Message, "at", f.Place.String())
	}
	logger.Info("rules loaded", "rules", r.rules.Len(), "tests", len(r.rules.Tests()), "failed", len(failed), "modules", len(r.modules.Names()))
	return r.rules, nil
}

func (r *ruleset) logWarnings(logger *slog.Logger) {
	for _, w := range r.warnings {
		logger.Warn("rules or modules look wrong: "+w.Message, "at", w.Place.String())
	}
}
