package queue_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/pdaltagent/pdaltagent/mapping"
	"github.com/pdaltagent/pdaltagent/migrations/pgtest"
)

// TestNoDeliveryIsForgottenBetweenCommitAndSettle: a resolve that is committed
// while its trigger is being settled is either admitted by the commit or freed
// by the settlement, whichever comes last.
func TestNoDeliveryIsForgottenBetweenCommitAndSettle(t *testing.T) {
	const alerts, rounds = 8, 60
	pool := pgtest.New(t)
	q := newQueue(t, pool, accept)
	start(t, q)
	var senders sync.WaitGroup
	for a := range alerts {
		senders.Go(func() {
			for i := range rounds {
				action := mapping.Trigger
				if i%2 == 1 {
					action = mapping.Resolve
				}
				enqueue(t, q, newEvent(action, fmt.Sprint(a)))
			}
		})
	}
	senders.Wait()
	eventually(t, pool, alerts*rounds, `SELECT count(*) FROM deliveries WHERE state = 'delivered'`)
}
