package mibs

import (
	"iter"
	"strings"
)

// nearest returns the name that a writer of s most likely meant: the one that
// takes the fewest single letters to put in, take out or change, the first by
// alphabet where several do. It is empty where none is near.
func nearest(s string, names iter.Seq[string]) string {
	return nearestWithin(max(1, (len(s)+1)/3), s, names)
}

// nearestWithin is nearest among the names that take at most so many letters.
func nearestWithin(most int, s string, names iter.Seq[string]) string {
	best := ""
	lower := strings.ToLower(s)
	for name := range names {
		d := distance(lower, strings.ToLower(name), most)
		if d < most || d == most && (best == "" || name < best) {
			best, most = name, d
		}
	}
	return best
}

// distance is the Levenshtein distance of a and b, or most+1 where it is
// greater than most.
func distance(a, b string, most int) int {
	if len(a)-len(b) > most || len(b)-len(a) > most {
		return most + 1
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal, least := row[0], i+1
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
			least = min(least, row[j+1])
		}
		if least > most {
			return most + 1
		}
	}
	return row[len(b)]
}
