package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/pdaltagent/pdaltagent/mapping"
)

// report prints what is wrong as compilers do: file:line:column, what it is,
// and the line with a mark under the place.
type report struct {
	w       io.Writer
	sources map[string][]string // files' lines
}

// newReport returns a report to w. document is the configuration, of which
// secrets are not shown; it may be nil.
func newReport(w io.Writer, document *document) *report {
	r := &report{w: w, sources: map[string][]string{}}
	if document != nil {
		r.sources[document.file] = document.lines()
	}
	return r
}

func (r *report) errors(faults mapping.Faults) {
	for _, f := range faults {
		r.print(f.Place, f.Message)
	}
}

func (r *report) warnings(faults mapping.Faults) {
	for _, f := range faults {
		r.print(f.Place, "warning: "+f.Message)
	}
}

func (r *report) print(at mapping.Place, message string) {
	fmt.Fprintln(r.w, mapping.Fault{Place: at, Message: message}.Error())
	r.excerpt(at)
}

// widest is how much of a line is shown, in characters.
const widest = 120

// excerpt prints the line at a place, where there is anything to see on it.
func (r *report) excerpt(at mapping.Place) {
	lines := r.lines(at.File)
	if at.Column < 1 || at.Line < 1 || at.Line > len(lines) {
		return
	}
	line := []rune(strings.TrimRight(lines[at.Line-1], " \t\r"))
	column := at.Column - 1
	if column >= len(line) {
		return
	}
	if column > widest*2/3 {
		cut := column - widest/2
		line, column = append([]rune("…"), line[cut:]...), widest/2+1
	}
	if len(line) > widest {
		line = append(line[:widest:widest], '…')
	}
	indent := strings.Map(func(c rune) rune {
		if c == '\t' {
			return c
		}
		return ' '
	}, string(line[:column]))
	number := strconv.Itoa(at.Line)
	fmt.Fprintf(r.w, "%5s | %s\n%5s | %s^\n", number, string(line), "", indent)
}

// largestShown bounds what is read of a file to show a line of it.
const largestShown = 4 << 20

func (r *report) lines(file string) []string {
	lines, known := r.sources[file]
	if known || file == "" {
		return lines
	}
	if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() && info.Size() <= largestShown {
		if data, err := os.ReadFile(file); err == nil { //nolint:gosec // a rule file
			lines = strings.Split(strings.TrimPrefix(string(data), "\ufeff"), "\n")
		}
	}
	r.sources[file] = lines
	return lines
}

// count returns "1 fault", "2 faults".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}
