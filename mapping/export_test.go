package mapping

// Words returns the patterns and functions that rules know.
func Words() []string {
	words := append(builtins(), names(library())...)
	for _, f := range functions() {
		words = append(words, f.Name)
	}
	return words
}
