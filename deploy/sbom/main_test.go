package main

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestSBOMListsWhatIsLinkedIn: modules and Go itself, each with the hash that
// go.sum has, and nothing that only tests use.
func TestSBOMListsWhatIsLinkedIn(t *testing.T) {
	const program = "../../bin/pdagentd"
	if _, err := os.Stat(program); err != nil {
		t.Skipf("%v: make build makes it", err)
	}
	var out bytes.Buffer
	if err := write(&out, "1.2.3+g1", []string{program}); err != nil {
		t.Fatal(err)
	}
	var got bom
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if c := got.Metadata.Component; c.Name != "github.com/pdaltagent/pdaltagent" || c.URL != "pkg:golang/github.com/pdaltagent/pdaltagent@1.2.3%2Bg1" {
		t.Errorf("it is about %+v", c)
	}
	names := []string{}
	for _, c := range got.Components {
		names = append(names, c.Name)
		if c.Name != "std" && (len(c.Hashes) != 1 || len(c.Hashes[0].Content) != 64) {
			t.Errorf("%s has the hashes %v", c.Name, c.Hashes)
		}
		if c.Version == "" || !strings.HasPrefix(c.URL, "pkg:golang/"+c.Name+"@") || !slices.Contains(got.Dependencies[0].On, c.Ref) {
			t.Errorf("%+v", c)
		}
	}
	for _, want := range []string{"std", "github.com/riverqueue/river", "github.com/gosnmp/gosnmp", "github.com/jackc/pgx/v5"} {
		if !slices.Contains(names, want) {
			t.Errorf("no %s in %v", want, names)
		}
	}
	if slices.Contains(names, "github.com/PagerDuty/go-pagerduty") {
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
