package logentry

const (
	maxDepth = 5000  // of an entry, in arrays and objects; encoding/json takes 10,000
	instead  = "0e0" // stands where an entry was cut out
)

// cutDeep returns a listing without the entries that are nested too deeply to
// be read, and those. Without it one of them would hide all others.
func cutDeep(body []byte) (shallow []byte, deep [][]byte) {
	depth, deepest, begin, kept := 0, 0, 0, 0
	for i := 0; i < len(body); i++ {
		switch body[i] {
		case '"':
			i = endOfText(body, i)
		case '{', '[':
			if depth++; depth == 3 { // the listing, log_entries, an entry
				begin, deepest = i, 0
			}
			deepest = max(deepest, depth)
		case '}', ']':
			if depth--; depth == 2 && deepest > maxDepth {
				shallow = append(append(shallow, body[kept:begin]...), instead...)
				deep = append(deep, body[begin:i+1])
				kept = i + 1
			}
		}
	}
	return append(shallow, body[kept:]...), deep
}

// endOfText returns where the string ends that begins at i.
func endOfText(body []byte, i int) int {
	for i++; i < len(body) && body[i] != '"'; i++ {
		if body[i] == '\\' {
			i++
		}
	}
	return i
}
