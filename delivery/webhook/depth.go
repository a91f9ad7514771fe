package webhook

const (
	maxDepth = 100                     // of a payload that rules look at, in arrays and objects; they take 200
	tooDeep  = `"[nested too deeply]"` // stands where more was
)

// shallow returns a JSON text without what is nested deeper than maxDepth.
func shallow(body []byte) []byte {
	var kept []byte
	depth, from := 0, 0
	for i := 0; i < len(body); i++ {
		switch body[i] {
		case '"':
			for i++; i < len(body) && body[i] != '"'; i++ {
				if body[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			if depth++; depth == maxDepth+1 {
				kept = append(append(kept, body[from:i]...), tooDeep...)
			}
		case '}', ']':
			if depth--; depth == maxDepth {
				from = i + 1
			}
		}
	}
	return append(kept, body[from:]...)
}
