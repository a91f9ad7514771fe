package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/pdaltagent/pdaltagent/mapping"
	"github.com/pdaltagent/pdaltagent/mapping/rulefile"
	"github.com/pdaltagent/pdaltagent/mibs"
)

// Modules know what mapping asks of them.
var _ mapping.Namer = (*mibs.Modules)(nil)

// loadRules reads SMI modules and compiles the rules. What is only suspicious
// is logged.
func loadRules(ctx context.Context, c *config, logger *slog.Logger) (*mapping.Rules, error) {
	modules, warnings, err := mibs.Load(ctx, c.MIBs)
	if err != nil {
		return nil, fmt.Errorf("mibs: %w", err)
	}
	for _, w := range warnings {
		logger.Warn("an SMI module is not all there", "warning", w.String())
	}
	var environment []rulefile.File
	if c.trapRules != "" {
		environment = append(environment, rulefile.File{Name: "PDAGENTD_SNMP_*", Data: []byte(c.trapRules)})
	}
	rules, err := rulefile.Load(c.Rules, modules, environment...)
	if err != nil {
		return nil, err
	}
	for _, w := range rules.Warnings() {
		logger.Warn("a rule looks wrong", "warning", w.Error())
	}
	logger.Info("rules loaded", "rules", rules.Len(), "modules", len(modules.Names()))
	return rules, nil
}

// checkCommand says all that is wrong with the configuration, its rules and its
// modules.
func checkCommand(ctx context.Context, file string, stdout, stderr io.Writer) error {
	c, used, err := loadConfig(file, os.LookupEnv)
	if err != nil {
		return err
	}
	if _, _, err := c.routes(); err != nil {
		return err
	}
	rules, err := loadRules(ctx, c, slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn})))
	if err != nil {
		return err
	}
	if used == "" {
		used = "built-in defaults"
	}
	fmt.Fprintf(stdout, "%s: ok, %d rules\n", used, rules.Len())
	return nil
}
