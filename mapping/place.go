package mapping

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Place is where something stands in a rule file. Lines and columns count
// from 1, columns in characters. The zero Place is not in a file; one without a
// column is a line that must not be shown, as it may hold a secret.
type Place struct {
	File         string
	Line, Column int
}

// String returns "file:line:column", less what is not known.
func (p Place) String() string {
	switch {
	case p.Line == 0:
		return p.File
	case p.Column == 0:
		return p.File + ":" + strconv.Itoa(p.Line)
	}
	return p.File + ":" + strconv.Itoa(p.Line) + ":" + strconv.Itoa(p.Column)
}

// Text is a string of a rule file: what it says, and where and how it stands
// there, so that an error inside it can be shown at its place.
type Text struct {
	Value string
	Place Place
	Raw   string // the file's text from Place on, with quotes and escapes; empty: unknown
}

// At returns the place of the character at offset, counted in characters of
// Value. Where folding or escapes hide it, that is the place of the text.
func (t Text) At(offset int) Place {
	place, raw := t.Place, t.Raw
	for n, want := range t.Value {
		i := strings.IndexRune(raw, want)
		if i < 0 || want == utf8.RuneError {
			return t.Place
		}
		place = place.after(raw[:i])
		if offset == 0 || n >= len(t.Value) {
			return place
		}
		place = place.after(raw[i : i+utf8.RuneLen(want)])
		raw = raw[i+utf8.RuneLen(want):]
		offset--
	}
	return place
}

// after returns the place behind text that starts at p.
func (p Place) after(text string) Place {
	if i := strings.LastIndexByte(text, '\n'); i >= 0 {
		p.Line += strings.Count(text, "\n")
		p.Column = 1
		text = text[i+1:]
	}
	p.Column += utf8.RuneCountInString(text)
	return p
}

// slice returns the part of t between two byte offsets of its value.
func (t Text) slice(from, to int) Text {
	part := Text{Value: t.Value[from:to], Place: t.Place, Raw: t.Raw}
	if from == to {
		return part
	}
	part.Place = t.At(utf8.RuneCountInString(t.Value[:from]))
	part.Raw = skip(t.Raw, t.Place, part.Place)
	return part
}

// skip returns what follows in raw, which starts at from, at the place to.
func skip(raw string, from, to Place) string {
	for from.Line < to.Line {
		i := strings.IndexByte(raw, '\n')
		if i < 0 {
			return ""
		}
		raw, from = raw[i+1:], Place{Line: from.Line + 1, Column: 1}
	}
	for from.Column < to.Column && raw != "" {
		_, n := utf8.DecodeRuneInString(raw)
		raw, from.Column = raw[n:], from.Column+1
	}
	return raw
}

// Fault is one thing that is wrong with a rule file.
type Fault struct {
	Place   Place
	Message string
	Cause   error // why a file cannot be read; nil for all else
}

// Error returns "file:line:column: message".
func (f Fault) Error() string {
	if f.Place == (Place{}) {
		return f.Message
	}
	return f.Place.String() + ": " + f.Message
}

// Unwrap returns the cause.
func (f Fault) Unwrap() error { return f.Cause }

// Faults are all that is wrong with a set of rule files, sorted by place.
type Faults []Fault

// Error returns the faults, one a line.
func (fs Faults) Error() string {
	lines := make([]string, len(fs))
	for i, f := range fs {
		lines[i] = f.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the faults one by one.
func (fs Faults) Unwrap() []error {
	errs := make([]error, len(fs))
	for i, f := range fs {
		errs[i] = f
	}
	return errs
}

// Err returns the faults, sorted by place and each only once, as an error;
// nil where there are none.
func (fs Faults) Err() error {
	if len(fs) == 0 {
		return nil
	}
	return fs.Sorted()
}

// Sorted returns the faults by place, each only once. It reuses fs.
func (fs Faults) Sorted() Faults {
	slices.SortStableFunc(fs, func(a, b Fault) int {
		return cmp.Or(
			cmp.Compare(a.Place.File, b.Place.File),
			cmp.Compare(a.Place.Line, b.Place.Line),
			cmp.Compare(a.Place.Column, b.Place.Column))
	})
	return slices.CompactFunc(fs, func(a, b Fault) bool { return a.Place == b.Place && a.Message == b.Message })
}
