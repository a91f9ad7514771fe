//go:build !race

package mapping_test

// slower is how many times as long things may take on a busy machine.
const slower = 2
