// Command sbom prints which modules programs are made of, as CycloneDX 1.6. It
// reads what the Go linker wrote into them: what is listed is linked in, and
// nothing else.
package main

import (
	"cmp"
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime/debug"
	"slices"
	"strings"
)

func main() {
	version := flag.String("version", "devel", "of the programs")
	flag.Parse()
	if err := write(os.Stdout, *version, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

// bom is the part of a CycloneDX document that we have something to say in.
type bom struct {
	Schema       string       `json:"$schema"`
	Format       string       `json:"bomFormat"`
	SpecVersion  string       `json:"specVersion"`
	Version      int          `json:"version"`
	Metadata     metadata     `json:"metadata"`
	Components   []component  `json:"components"`
	Dependencies []dependency `json:"dependencies"`
}

type metadata struct {
	Component component `json:"component"`
}

type component struct {
	Type    string `json:"type"`
	Ref     string `json:"bom-ref"`
	Name    string `json:"name"`
	Version string `json:"version"`
	URL     string `json:"purl"`
	Hashes  []hash `json:"hashes,omitempty"`
}

type hash struct {
	Algorithm string `json:"alg"`
	Content   string `json:"content"`
}

type dependency struct {
	Ref string   `json:"ref"`
	On  []string `json:"dependsOn"`
}

// write prints the document of the programs in files.
func write(w io.Writer, version string, files []string) error {
	modules := map[string]component{}
	var main component
	for _, file := range files {
		info, err := buildinfo.ReadFile(file)
		if err != nil {
			return err // it names the file
		}
		main = newComponent("application", info.Main.Path, version, "")
		std := newComponent("library", "std", strings.TrimPrefix(info.GoVersion, "go"), "")
		modules[std.Ref] = std
		for _, m := range info.Deps {
			c := library(m)
			modules[c.Ref] = c
		}
	}
	if len(files) == 0 {
		return errors.New("no program is named: call it as sbom -version VERSION FILE…")
	}
	refs := slices.Sorted(maps.Keys(modules))
	b := bom{
		Schema: "http://cyclonedx.org/schema/bom-1.6.schema.json", Format: "CycloneDX", SpecVersion: "1.6", Version: 1,
		Metadata: metadata{main}, Dependencies: []dependency{{main.Ref, refs}},
	}
	for _, ref := range refs {
		b.Components = append(b.Components, modules[ref])
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(b)
}

// library is a module that is linked in, with the hash that go.sum has of it.
func library(m *debug.Module) component {
	m = cmp.Or(m.Replace, m)
	return newComponent("library", m.Path, m.Version, m.Sum)
}

func newComponent(kind, path, version, sum string) component {
	url := "pkg:golang/" + path + "@" + strings.ReplaceAll(version, "+", "%2B")
	c := component{Type: kind, Ref: url, Name: path, Version: version, URL: url}
	if raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(sum, "h1:")); err == nil && len(raw) > 0 {
		c.Hashes = []hash{{"SHA-256", hex.EncodeToString(raw)}}
	}
	return c
}
