package mapping

import "strings"

// glob is a pattern in which * stands for any text.
type glob struct {
	parts []string // between the stars
	ref   ref
}

func newGlob(pattern string, r ref) glob { return glob{strings.Split(pattern, "*"), r} }

// match says whether s fits.
func (g *glob) match(s string) bool {
	first, last := g.parts[0], g.parts[len(g.parts)-1]
	if len(g.parts) == 1 {
		return s == first
	}
	if len(s) < len(first)+len(last) || !strings.HasPrefix(s, first) || !strings.HasSuffix(s, last) {
		return false
	}
	s = s[len(first) : len(s)-len(last)]
	for _, part := range g.parts[1 : len(g.parts)-1] {
		i := strings.Index(s, part)
		if i < 0 {
			return false
		}
		s = s[i+len(part):]
	}
	return true
}

// globs finds the globs that a text fits without trying them all: by what
// they start or end with, whichever is longer.
type globs struct {
	prefixes, suffixes []bucket
	floating           []glob // those that start and end with a star
}

// bucket holds the globs whose start (or end) is length bytes long.
type bucket struct {
	length int
	globs  map[string][]glob
}

func (gs *globs) add(g glob) {
	first, last := g.parts[0], g.parts[len(g.parts)-1]
	switch {
	case first == "" && last == "":
		gs.floating = append(gs.floating, g)
	case len(last) > len(first):
		gs.suffixes = put(gs.suffixes, last, g)
	default:
		gs.prefixes = put(gs.prefixes, first, g)
	}
}

func put(buckets []bucket, key string, g glob) []bucket {
	for _, b := range buckets {
		if b.length == len(key) {
			b.globs[key] = append(b.globs[key], g)
			return buckets
		}
	}
	return append(buckets, bucket{len(key), map[string][]glob{key: {g}}})
}

// match appends the refs of the globs that s fits to refs.
func (gs *globs) match(s string, refs []ref) []ref {
	for _, b := range gs.prefixes {
		if b.length <= len(s) {
			refs = matching(b.globs[s[:b.length]], s, refs)
		}
	}
	for _, b := range gs.suffixes {
		if b.length <= len(s) {
			refs = matching(b.globs[s[len(s)-b.length:]], s, refs)
		}
	}
	return matching(gs.floating, s, refs)
}

func matching(list []glob, s string, refs []ref) []ref {
	for i := range list {
		if list[i].match(s) {
			refs = append(refs, list[i].ref)
		}
	}
	return refs
}

func (gs *globs) empty() bool {
	return len(gs.prefixes) == 0 && len(gs.suffixes) == 0 && len(gs.floating) == 0
}
