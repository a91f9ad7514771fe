//go:build race

package mapping_test

// slower is how many times as long the race detector makes things take.
const slower = 20
