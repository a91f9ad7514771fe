package main

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"

	"github.com/pdaltagent/pdaltagent/migrations"
)

// provenance is which program this is, and what it was built from.
type provenance struct {
	Version     string `json:"version"` // semver, or devel where the build did not say
	Commit      string `json:"commit"`
	Go          string `json:"go"`
	River       string `json:"river"`
	Schema      int    `json:"schema"`       // of the delivery history
	RiverSchema int    `json:"river_schema"` // of River's tables
	Platform    string `json:"platform"`
}

func versionSubcommand() subcommand {
	return subcommand{
		name: "version", usage: "[--json]", short: "say which version this is",
		long: "Prints the version, the commit that it was built from, the versions of Go and River, those of the schema that\n" +
			"it brings a database to, and the platform.",
		prepare: func(flags *flag.FlagSet) func(context.Context, call) error {
			asJSON := flags.Bool("json", false, "as JSON")
			return func(_ context.Context, in call) error {
				p, err := whichProgram()
				if err != nil {
					return err
				}
				if *asJSON {
					return json.NewEncoder(in.stdout).Encode(p)
				}
				_, err = fmt.Fprintf(in.stdout, "pdagentd %s\ncommit    %s\ngo        %s\nriver     %s\nschema    %d (River's %d)\nplatform  %s\n",
					p.Version, p.Commit, p.Go, p.River, p.Schema, p.RiverSchema, p.Platform)
				return err
			}
		},
	}
}

func whichProgram() (provenance, error) {
	schema, err := migrations.Newest()
	p := provenance{
		Version: version, Commit: commit, Go: runtime.Version(), River: "unknown",
		Schema: schema.History, RiverSchema: schema.River, Platform: runtime.GOOS + "/" + runtime.GOARCH,
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		p.Commit = cmp.Or(p.Commit, revision(info))
		if i := slices.IndexFunc(info.Deps, func(m *debug.Module) bool { return m.Path == "github.com/riverqueue/river" }); i >= 0 {
			p.River = info.Deps[i].Version
		}
	}
	p.Commit = cmp.Or(p.Commit, "unknown")
	return p, err
}

// revision is the commit that go build itself found; empty: none.
func revision(info *debug.BuildInfo) (commit string) {
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = s.Value + commit
		case s.Key == "vcs.modified" && s.Value == "true":
			commit += "-dirty"
		}
	}
	return commit
}
