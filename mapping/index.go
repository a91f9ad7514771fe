package mapping

import (
	"slices"
	"strings"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// ref points to an arm of a rule: refs sort in the order in which rules are
// tried.
type ref int32

func newRef(rule, arm int) ref    { return ref(rule*arms + arm) }
func (r ref) rule() int           { return int(r) / arms }
func (r ref) arm() int            { return int(r) % arms }
func (r ref) bit() armSet         { return 1 << r.arm() }
func (s armSet) has(arm int) bool { return s&(1<<arm) != 0 }

// armSet is a set of arms of one rule.
type armSet uint8

// selector finds the arms that look at a kind of text: exactly, by globs, or,
// after all others, whatever it is.
type selector struct {
	exact map[string][]ref
	globs globs
	any   []ref
}

func (x *selector) add(pattern string, r ref) {
	switch {
	case pattern == "*":
		x.any = append(x.any, r)
	case strings.Contains(pattern, "*"):
		x.globs.add(newGlob(pattern, r))
	default:
		if x.exact == nil {
			x.exact = map[string][]ref{}
		}
		x.exact[pattern] = append(x.exact[pattern], r)
	}
}

// index finds the arms that can match a message, before any expression runs.
type index struct {
	traps   selector          // by OID
	labels  globs             // trap globs by label, whatever the module
	modules map[string]*globs // trap globs by module, then by label
	names   globs             // trap globs by MODULE::label, where the module has a star too
	syslog  selector          // by app name and mnemonic
	http    selector          // by path
	webhook selector          // by the type of what happened
}

// candidates returns the arms that can match m, in order, perhaps more than
// once, and after them those of a bare *. It appends to buf where it must.
func (x *index) candidates(m *ingest.Message, namer Namer, buf []ref) (refs, last []ref) {
	switch {
	case m.Trap != nil:
		refs = x.trap(m.Trap.OID, namer, buf)
		return refs, x.traps.any
	case m.Line != nil:
		s := &x.syslog
		globs := buf
		if !s.globs.empty() {
			globs = s.globs.match(m.Line.AppName, globs)
			if m.Line.Mnemonic != "" {
				globs = s.globs.match(m.Line.Mnemonic, globs)
			}
		}
		return merge(s.exact[m.Line.AppName], s.exact[m.Line.Mnemonic], globs), s.any
	case m.Request != nil:
		return x.http.find(m.Request.Path, buf)
	}
	return nil, nil
}

// find returns the arms that look at a text, in order, and those of a bare *.
func (x *selector) find(s string, buf []ref) (refs, last []ref) {
	return merge(x.exact[s], nil, x.globs.match(s, buf)), x.any
}

func (x *index) trap(oid string, namer Namer, buf []ref) []ref {
	globs := x.traps.globs.match(oid, buf)
	if x.labels.empty() && x.names.empty() && x.modules == nil {
		return merge(x.traps.exact[oid], nil, globs)
	}
	if module, label, instance, ok := namer.Name(oid); ok && instance == "" {
		globs = x.labels.match(label, globs)
		if gs := x.modules[module]; gs != nil {
			globs = gs.match(label, globs)
		}
		if !x.names.empty() {
			globs = x.names.match(module+"::"+label, globs)
		}
	}
	return merge(x.traps.exact[oid], nil, globs)
}

// addTrap adds a pattern that is not a name: an OID, or a glob of OIDs or of
// names.
func (x *index) addTrap(pattern string, r ref, namer Namer) {
	if isOID(pattern) || pattern == "*" {
		x.traps.add(pattern, r)
		if twin := twinOf(pattern, namer); twin != "" {
			x.traps.add(twin, r)
		}
		return
	}
	module, label, qualified := strings.Cut(pattern, "::")
	switch {
	case !qualified:
		x.labels.add(newGlob(pattern, r))
	case strings.Contains(module, "*"):
		x.names.add(newGlob(pattern, r))
	default:
		if x.modules == nil {
			x.modules = map[string]*globs{}
		}
		if x.modules[module] == nil {
			x.modules[module] = &globs{}
		}
		x.modules[module].add(newGlob(label, r))
	}
}

// twinOf returns the other OID that agents send the notification at oid with:
// enterprise.0.N for enterprise.N, or the other way round (RFC 3584 section
// 3.1). It is empty where that is a notification of its own, or unknown.
func twinOf(oid string, namer Namer) string {
	i := strings.LastIndexByte(oid, '.')
	if i < 0 || strings.Contains(oid, "*") {
		return ""
	}
	twin, zero := strings.CutSuffix(oid[:i], ".0")
	if !zero {
		twin += ".0"
	}
	twin += oid[i:]
	if defined, err := namer.OID(twin); err != nil || defined != oid {
		return ""
	}
	return twin
}

// isOID says whether s is dotted decimal, perhaps with stars.
func isOID(s string) bool {
	return s != "" && strings.Trim(s, "0123456789.*") == "" && s[0] != '*'
}

// merge returns the refs of all three in order. globs may be overwritten.
func merge(a, b, globs []ref) []ref {
	if len(globs) == 0 {
		if len(b) == 0 {
			return a
		}
		if len(a) == 0 {
			return b
		}
	}
	globs = append(append(globs, a...), b...)
	slices.Sort(globs)
	return globs
}
