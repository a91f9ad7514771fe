package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// fence is a fenced text of a page: its language, and what follows that.
type fence struct{ language, name, text string }

// fences returns those of a page of deploy, of which there is at least one.
func fences(t *testing.T, page string) (all []fence) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "deploy", page))
	if err != nil {
		t.Fatal(err)
	}
	pattern := regexp.MustCompile("(?ms)^( *)```(\\w+) ?([\\w-]*)\n(.*?)^ *```$")
	for _, m := range pattern.FindAllStringSubmatch(string(data), -1) {
		all = append(all, fence{m[2], m[3], strings.ReplaceAll("\n"+m[4], "\n"+m[1], "\n")})
	}
	if len(all) == 0 {
		t.Fatalf("%s has no example", page)
	}
	return all
}

// checked returns what check says of a configuration with these rules.
func checked(t *testing.T, rules string) (said string, ok bool) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "pdagentd.yaml")
	for name, text := range map[string]string{"rules.yaml": rules, "pdagentd.yaml": "data_dir: " + dir + "\nrules: [" + filepath.Join(dir, "rules.yaml") + "]\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out strings.Builder
	exit := execute(t.Context(), []string{"check", "--config", file}, &out, &out)
	return out.String(), exit == 0
}

// TestExamplesOfPagesLoad: rules pass check, with their tests and without a
// warning; configurations have no key that does not exist. A fence with a name
// behind yaml is another program's.
func TestExamplesOfPagesLoad(t *testing.T) {
	for page, want := range map[string]int{"gear.md": 5, "migrate.md": 4} {
		seen := 0
		for _, f := range fences(t, page) {
			if f.language != "yaml" || f.name != "" {
				continue
			}
			seen++
			if strings.Contains(f.text, "\nrules:\n") || strings.Contains(f.text, "\nmaintenance:\n") {
				if said, ok := checked(t, f.text); !ok || strings.Contains(said, "warning") {
					t.Errorf("%s: %s%s", page, said, f.text)
				}
				continue
			}
			d, c := newDocument(page, []byte(f.text)), defaults()
			if faults := d.decode(c); len(faults) > 0 {
				t.Errorf("%s: %v\n%s", page, faults, f.text)
			}
			for _, fault := range each(c.validate()) {
				if !strings.HasPrefix(fault.Error(), "ingest.fetch[0].command") { // which is not installed here
					t.Errorf("%s: %v\n%s", page, fault, f.text)
				}
			}
		}
		if seen < want {
			t.Errorf("%s has %d examples; it had %d", page, seen, want)
		}
	}
}

// TestExamplesOfLinesAreTakenAsPromised: a line that gear.md says arrives is
// taken by the rule of the packs that stands behind syslog, none or no rule.
func TestExamplesOfLinesAreTakenAsPromised(t *testing.T) {
	packs, err := filepath.Abs(filepath.Join("..", "..", "deploy", "rules.d"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "pdagentd.yaml")
	if err := os.WriteFile(file, []byte("data_dir: "+t.TempDir()+"\nrules: ["+packs+"]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, f := range fences(t, "gear.md") {
		if f.language != "syslog" {
			continue
		}
		seen++
		line := strings.TrimSpace(f.text)
		var stdout, stderr strings.Builder
		execute(t.Context(), []string{"explain", "--config", file, "--json", "--syslog", line}, &stdout, &stderr)
		var got struct{ Events []struct{ Rule string } }
		if err := json.Unmarshal([]byte(stdout.String()), &got); err != nil {
			t.Fatalf("%v: %s", err, stderr.String())
		}
		rule := "none"
		if len(got.Events) > 0 {
			rule = got.Events[0].Rule
		}
		if rule != f.name {
			t.Errorf("%s takes %s, and the page says %s", rule, line, f.name)
		}
	}
	if seen < 9 {
		t.Errorf("%d lines were tried", seen)
	}
}

// TestExampleOfSNMPTTIsConverted: what mib convert makes of it passes check.
func TestExampleOfSNMPTTIsConverted(t *testing.T) {
	seen := 0
	for _, f := range fences(t, "migrate.md") {
		if f.language != "snmptt" {
			continue
		}
		seen++
		file := filepath.Join(t.TempDir(), "snmptt.conf")
		if err := os.WriteFile(file, []byte(f.text), 0o600); err != nil {
			t.Fatal(err)
		}
		var stdout, stderr strings.Builder
		if exit := execute(t.Context(), []string{"mib", "convert", file}, &stdout, &stderr); exit != 0 || !strings.Contains(stderr.String(), "2 events, 2 rules, 1 line not carried over") {
			t.Errorf("%d %s", exit, stderr.String())
		}
		if said, ok := checked(t, stdout.String()); !ok {
			t.Errorf("%s%s", said, stdout.String())
		}
	}
	if seen != 1 {
		t.Errorf("%d snmptt.conf were tried", seen)
	}
}

// TestPagesNameWhatThereIs: links lead to files and headings.
func TestPagesNameWhatThereIs(t *testing.T) {
	heading := regexp.MustCompile(`(?m)^#+ (.*)$`)
	anchors := func(file string) map[string]bool {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Error(err)
		}
		all := map[string]bool{"": true}
		for _, m := range heading.FindAllStringSubmatch(string(data), -1) {
			text := regexp.MustCompile(`[^a-z0-9 -]`).ReplaceAllString(strings.ToLower(m[1]), "")
			all[strings.ReplaceAll(text, " ", "-")] = true
		}
		return all
	}
	for _, page := range []string{"gear.md", "migrate.md"} {
		file := filepath.Join("..", "..", "deploy", page)
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`\]\(([^)#:]*)(?:#([^)]*))?\)`).FindAllStringSubmatch(string(data), -1) {
			target := file
			if m[1] != "" {
				target = filepath.Join(filepath.Dir(file), m[1])
			}
			if _, err := os.Stat(target); err != nil || strings.HasSuffix(target, ".md") && !anchors(target)[m[2]] {
				t.Errorf("%s: there is no %s#%s", page, m[1], m[2])
			}
		}
	}
}
