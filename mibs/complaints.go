package mibs

import (
	"fmt"
	"slices"
	"strings"

	"github.com/golangsnmp/gomib/mib"
)

// complaints are what the model says is wrong with the modules of folders and
// takes names or meanings away. What is of one kind in one module is told
// once, with how often it comes.
func complaints(model *mib.Mib, folders *source, names []string) []Warning {
	type kind struct{ module, code, from string }
	seen := map[kind]int{} // index into warnings
	var warnings []Warning
	var more []int
	for _, d := range model.Diagnostics() {
		module := folders.module(d.Module)
		if module == nil || !slices.Contains(names, d.Module) || !d.Severity.AtLeast(mib.SeverityError) || isStyle(d) {
			continue
		}
		k := kind{d.Module, d.Code, missingModule(d)}
		if i, ok := seen[k]; ok {
			more[i]++
			continue
		}
		seen[k] = len(warnings)
		warnings = append(warnings, Warning{Module: d.Module, File: module.path, Line: d.Line, Text: complaint(d, k.from)})
		more = append(more, 0)
	}
	for i, n := range more {
		if n > 0 {
			warnings[i].Text += fmt.Sprintf(" (and %d more of this kind)", n)
		}
	}
	for _, name := range names {
		if m := folders.module(name); m != nil && model.Module(name) == nil {
			warnings = append(warnings, Warning{Module: name, File: m.path, Text: "is left out: its beginning could not be read"})
		}
	}
	slices.SortStableFunc(warnings, func(a, b Warning) int { return strings.Compare(a.File, b.File) })
	return warnings
}

// isStyle says whether what is wrong takes nothing away.
func isStyle(d mib.Diagnostic) bool { return strings.HasPrefix(d.Code, "identifier-") }

func complaint(d mib.Diagnostic, missing string) string {
	if missing != "" {
		return "imports from " + missing + ", which is missing: put its file in one of the folders"
	}
	return d.Message
}

// missingModule is the module that an import asks for in vain, which only the
// message says.
func missingModule(d mib.Diagnostic) string {
	if d.Code != "import-module-not-found" {
		return ""
	}
	_, from, _ := strings.Cut(d.Message, " from ")
	name, _, _ := strings.Cut(from, " ")
	return name
}
