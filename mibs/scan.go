package mibs

import "strings"

// token is a word, a quoted string or a punctuation mark of a module's text.
// Comments and space are none.
type token struct {
	start, end int
	text       string // a string is `"`, whatever is in it
}

// scan cuts the text of a module into tokens. A comment reaches to the end of
// its line: hardly any vendor means the text after a second "--".
func scan(text string) (tokens []token) {
	for i := 0; i < len(text); {
		c := text[i]
		start := i
		switch {
		case strings.HasPrefix(text[i:], "--"):
			i = lineEnd(text, i)
			continue
		case isSpace(c):
			i++
			continue
		case c == '"':
			i = stringEnd(text, i)
			tokens = append(tokens, token{start, i, `"`})
			continue
		case strings.HasPrefix(text[i:], "::="):
			i += 3
		case strings.IndexByte("{}(),;|.", c) >= 0:
			i++
		default:
			for i < len(text) && isWord(text[i]) && !strings.HasPrefix(text[i:], "--") {
				i++
			}
			i = max(i, start+1)
		}
		tokens = append(tokens, token{start, i, text[start:i]})
	}
	return tokens
}

func isSpace(c byte) bool {
	return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f' || c == '\v'
}

func isWord(c byte) bool { return !isSpace(c) && strings.IndexByte(`"{}(),;|.:=`, c) < 0 }

func lineEnd(text string, i int) int {
	if n := strings.IndexByte(text[i:], '\n'); n >= 0 {
		return i + n
	}
	return len(text)
}

// stringEnd returns where the string that begins at i ends: after the next
// quote.
func stringEnd(text string, i int) int {
	if n := strings.IndexByte(text[i+1:], '"'); n >= 0 {
		return i + 1 + n + 1
	}
	return len(text)
}
