//go:build race

package queue_test

// clusterMessages is how many messages a cluster takes in a test: the race
// detector makes each several times as dear.
const clusterMessages = 20_000
