package mapping

import (
	"crypto/sha256"
	"encoding/hex"
	"unicode/utf8"
)

// shorten makes a key of at most 255 characters of a longer one: its first
// 222, a tilde, and 128 bits of its SHA-256. Equal keys stay equal, and
// different ones different.
func shorten(key string) string {
	if len(key) <= maxDedupKey || utf8.RuneCountInString(key) <= maxDedupKey {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	hash := hex.EncodeToString(sum[:16])
	end := 0
	for range maxDedupKey - len(hash) - 1 {
		_, n := utf8.DecodeRuneInString(key[end:])
		end += n
	}
	return key[:end] + "~" + hash
}
