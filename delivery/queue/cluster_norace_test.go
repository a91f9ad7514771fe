//go:build !race

package queue_test

// clusterMessages is how many messages a cluster takes in a test.
const clusterMessages = 100_000
