package mapping

import (
	"errors"
	"reflect"
	"slices"
	"unicode/utf8"
)

// extract compiles what gives names to parts of texts.
func (c *ruleCompiler) extract(r *rule, attempts []Attempt, local []string) []string {
	before := local[:len(local):len(local)]
	for _, a := range attempts {
		var all []extraction
		for i := range a {
			all = append(all, c.extraction(r, &a[i], before))
		}
		r.extract = append(r.extract, all)
	}
	return append(local, r.clear...)
}

func (c *ruleCompiler) extraction(r *rule, x *Extraction, before []string) (e extraction) {
	if x.From.Value != "" {
		e.from = c.expression(x.From, before, reflect.Invalid)
	}
	if x.Format != "" {
		e.name, e.decode, e.texts = string(x.Format), c.decoder(x), []Text{{Place: x.Place}}
		c.gives(r, Text{Value: e.name, Place: x.Place}, before)
		c.texts[e.name] = x.Format != FormatJSON
		return e
	}
	for _, p := range x.Patterns {
		g := c.grok(p)
		if g == nil {
			continue
		}
		e.groks, e.texts = append(e.groks, g), append(e.texts, p)
		for _, f := range g.Fields() {
			c.gives(r, Text{Value: f, Place: p.Place}, before)
		}
		for _, group := range g.groups {
			text, met := c.texts[group.field]
			c.texts[group.field] = (text || !met) && group.convert != "int" && group.convert != "float"
		}
	}
	return e
}

// gives makes a name known that extract gives.
func (c *ruleCompiler) gives(r *rule, name Text, before []string) {
	if !contains(r.clear, name.Value) {
		c.name(name, before)
		r.clear = append(r.clear, name.Value)
	}
}

func (c *ruleCompiler) decoder(x *Extraction) decoder {
	switch x.Format {
	case FormatJSON:
		return decodeJSON
	case FormatKV:
		equals := x.Equals.Value
		if equals == "" {
			equals = "="
		}
		return kvDecoder(x.Separator.Value, equals)
	case FormatCSV:
	}
	separator := ','
	if s := x.Separator.Value; s != "" {
		r, n := utf8.DecodeRuneInString(s)
		if n != len(s) || slices.Contains([]rune{'"', '\n', '\r', utf8.RuneError}, r) {
			c.fault(x.Separator.Place, "the separator of csv is one character, and no quote")
			r = ','
		}
		separator = r
	}
	var columns []string
	for _, t := range x.Columns {
		columns = append(columns, t.Value)
	}
	return csvDecoder(separator, columns)
}

func (c *ruleCompiler) grok(t Text) *Grok {
	if g := c.groks[t.Value]; g != nil {
		return g
	}
	g, err := compileGrok(t.Value, c.library)
	if err != nil {
		at := t.Place
		var e *GrokError
		if errors.As(err, &e) && e.Offset > 0 {
			at = t.At(e.Offset)
		}
		c.fault(at, err.Error())
		return nil
	}
	c.groks[t.Value] = g
	return g
}
