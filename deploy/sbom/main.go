// Command sbom prints which programs there are, by the hash of their bytes, and
// which modules each is made of, as CycloneDX 1.6. It reads what the Go linker
// wrote into them: what is listed is linked in, and nothing else.
package main

import (
	"cmp"
	"crypto/sha256"
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
	"path/filepath"
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

// write prints the document of the programs in files, which are of one module:
// each with the hash of its bytes, and the modules that are linked into it.
func write(w io.Writer, version string, files []string) error {
	if len(files) == 0 {
		return errors.New("no program is named: call it as sbom -version VERSION FILE…")
	}
	b := bom{Schema: "http://cyclonedx.org/schema/bom-1.6.schema.json", Format: "CycloneDX", SpecVersion: "1.6", Version: 1}
	modules := map[string]component{}
	whole := dependency{}
	for _, file := range files {
		info, err := buildinfo.ReadFile(file)
		if err != nil {
			return err // it names the file
		}
		b.Metadata.Component = newComponent("application", info.Main.Path, version, "")
		made, err := program(b.Metadata.Component, info, file)
		if err != nil {
			return err
		}
		needs := []string{}
		for _, m := range append(linked(info), newComponent("library", "std", strings.TrimPrefix(info.GoVersion, "go"), "")) {
			modules[m.Ref] = m
			needs = append(needs, m.Ref)
		}
		slices.Sort(needs)
		b.Components = append(b.Components, made)
		b.Dependencies = append(b.Dependencies, dependency{made.Ref, needs})
		whole.On = append(whole.On, made.Ref)
	}
	whole.Ref = b.Metadata.Component.Ref
	b.Dependencies = append([]dependency{whole}, b.Dependencies...)
	for _, ref := range slices.Sorted(maps.Keys(modules)) {
		b.Components = append(b.Components, modules[ref])
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(b)
}

// program is a file of a module's programs, with the hash of its bytes.
func program(of component, info *buildinfo.BuildInfo, file string) (component, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return component{}, err // it names the file
	}
	sum := sha256.Sum256(content)
	c := of
	c.Name, c.Hashes = filepath.Base(file), []hash{{"SHA-256", hex.EncodeToString(sum[:])}}
	c.URL += "#" + strings.TrimPrefix(info.Path, info.Main.Path+"/")
	c.Ref = c.URL
	return c, nil
}

// linked are the modules that are linked in, each with the hash that go.sum has
// of it.
func linked(info *buildinfo.BuildInfo) []component {
	modules := make([]component, 0, len(info.Deps))
	for _, m := range info.Deps {
		m = cmp.Or(m.Replace, m)
		modules = append(modules, newComponent("library", m.Path, m.Version, m.Sum))
	}
	return modules
}

func newComponent(kind, path, version, sum string) component {
	url := "pkg:golang/" + path + "@" + strings.ReplaceAll(version, "+", "%2B")
	c := component{Type: kind, Ref: url, Name: path, Version: version, URL: url}
	if raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(sum, "h1:")); err == nil && len(raw) > 0 {
		c.Hashes = []hash{{"SHA-256", hex.EncodeToString(raw)}}
	}
	return c
}
