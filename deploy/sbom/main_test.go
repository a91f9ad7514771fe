package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestSBOMListsWhatIsLinkedIn: modules and Go itself, each with the hash that
// go.sum has, and nothing that only tests use; and each program, by the hash of
// its bytes, with its own modules.
func TestSBOMListsWhatIsLinkedIn(t *testing.T) {
	programs := []string{"../../bin/pdagentd", "../../bin/pd-send"}
	if _, err := os.Stat(programs[0]); err != nil {
		t.Skipf("%v: make build makes it", err)
	}
	var out bytes.Buffer
	if err := write(&out, "1.2.3+g1", programs); err != nil {
		t.Fatal(err)
	}
	var got bom
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	const whole = "pkg:golang/github.com/pdaltagent/pdaltagent@1.2.3%2Bg1"
	if c := got.Metadata.Component; c.Name != "github.com/pdaltagent/pdaltagent" || c.URL != whole {
		t.Errorf("it is about %+v", c)
	}
	on, named := map[string][]string{}, map[string]component{}
	for _, d := range got.Dependencies {
		on[d.Ref] = d.On
	}
	for _, c := range got.Components {
		named[c.Name] = c
		if c.Name != "std" && (len(c.Hashes) != 1 || len(c.Hashes[0].Content) != 64) {
			t.Errorf("%s has the hashes %v", c.Name, c.Hashes)
		}
		if c.Type == "library" && (c.Version == "" || !strings.HasPrefix(c.URL, "pkg:golang/"+c.Name+"@") || !slices.Contains(on[whole+"#cmd/pdagentd"], c.Ref)) {
			t.Errorf("%+v", c)
		}
	}
	for _, file := range programs {
		bytes, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		c := named[filepath.Base(file)]
		if c.Ref != whole+"#cmd/"+filepath.Base(file) || c.Hashes[0].Content != fmt.Sprintf("%x", sha256.Sum256(bytes)) || !slices.Contains(on[whole], c.Ref) {
			t.Errorf("%s: %+v", file, c)
		}
	}
	for _, want := range []string{"std", "github.com/riverqueue/river", "github.com/gosnmp/gosnmp", "github.com/jackc/pgx/v5"} {
		if named[want].Ref == "" {
			t.Errorf("no %s", want)
		}
	}
	if slices.Contains(on[whole+"#cmd/pd-send"], named["github.com/gosnmp/gosnmp"].Ref) {
		t.Error("pd-send is said to be made of what only pdagentd is")
	}
	if named["github.com/PagerDuty/go-pagerduty"].Ref != "" {
		t.Error("it lists what only tests use")
	}
}

// TestSBOMNeedsPrograms.
func TestSBOMNeedsPrograms(t *testing.T) {
	for _, files := range [][]string{nil, {"main.go"}, {"gone"}} {
		if err := write(&bytes.Buffer{}, "1", files); err == nil {
			t.Errorf("%v: no error", files)
		}
	}
}
