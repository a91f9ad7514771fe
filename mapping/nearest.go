package mapping

import "strings"

// DidYouMean returns `; did you mean "x"?` for the candidate that is nearest
// to a misspelt word, and nothing where none is near.
func DidYouMean(word string, candidates []string) string {
	best, distance := "", max(1, (len(word)+1)/3)+1
	for _, c := range candidates {
		if d := edits(strings.ToLower(word), strings.ToLower(c), distance); d < distance {
			best, distance = c, d
		}
	}
	if best == "" {
		return ""
	}
	return `; did you mean "` + best + `"?`
}

// suggestion is DidYouMean, or, where no candidate is near, all of them where
// they are few.
func suggestion(word string, candidates []string) string {
	if s := DidYouMean(word, candidates); s != "" {
		return s
	}
	const few = 8
	switch {
	case len(candidates) == 0:
		return "; there is none"
	case len(candidates) > few:
		return "; there are " + strings.Join(candidates[:few], ", ") + " and others"
	}
	return "; there is " + strings.Join(candidates, ", ")
}

// edits counts the insertions, deletions, replacements and swaps of
// neighbours that make b of a, or returns limit where that is not fewer.
func edits(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit || len(a) > 64 {
		return limit
	}
	var before, last, next [128]int
	for j := range len(b) + 1 {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		next[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			next[j] = min(last[j]+1, next[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				next[j] = min(next[j], before[j-2]+1)
			}
		}
		before, last = last, next
	}
	return last[len(b)]
}
