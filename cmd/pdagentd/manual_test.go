package main

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// TestManualAndCompletionKnowEveryFlag: of all three programs, in the page and
// in the completion of each shell, and no other.
func TestManualAndCompletionKnowEveryFlag(t *testing.T) {
	page := func(file string) string {
		t.Helper()
		data, err := os.ReadFile(filepath.Join("../../deploy", file))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	f := func(program string, words map[string]bool) {
		t.Helper()
		for _, file := range []string{"man/" + program + ".1", "completion/pdaltagent.bash", "completion/_pdagentd", "completion/" + program + ".fish"} {
			text := page(file)
			known := map[string]bool{}
			for _, m := range regexp.MustCompile(`(?:--|[-,] -|Fl -|-l )([a-z][a-z-]+)|\b([a-z]+)\b`).FindAllStringSubmatch(text, -1) {
				known["--"+m[1]], known[m[2]] = true, true
			}
			for word := range words {
				if !known[word] {
					t.Errorf("%s has no %s", file, word)
				}
			}
		}
		for _, m := range regexp.MustCompile(`(?m)^complete .* -l ([a-z-]+)`).FindAllStringSubmatch(page("completion/"+program+".fish"), -1) {
			if !words["--"+m[1]] && m[1] != "help" {
				t.Errorf("%s has no --%s, but its completion does", program, m[1])
			}
		}
	}
	words := map[string]bool{}
	for _, c := range commands() {
		words[c.name] = true
		flags := flag.NewFlagSet(c.name, flag.ContinueOnError)
		c.flags(flags, &call{})
		flags.VisitAll(func(f *flag.Flag) { words["--"+f.Name] = true })
	}
	f("pdagentd", words)
	for _, program := range []string{"pd-send", "pd-queue"} {
		out, err := exec.CommandContext(t.Context(), "go", "run", "../"+program, "--help").Output()
		if err != nil {
			t.Fatal(err)
		}
		words := map[string]bool{}
		for _, m := range regexp.MustCompile(`(?m)^ +(?:-., )? *(--[a-z-]+)`).FindAllStringSubmatch(string(out), -1) {
			words[m[1]] = true
		}
		if len(words) < 4 {
			t.Errorf("%s has the flags %v only", program, words)
		}
		f(program, words)
	}
}
