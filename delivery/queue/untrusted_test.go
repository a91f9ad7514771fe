package queue_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/pdaltagent/pdaltagent/delivery"
	"github.com/pdaltagent/pdaltagent/delivery/queue"
	"github.com/pdaltagent/pdaltagent/mapping"
	"github.com/pdaltagent/pdaltagent/migrations/pgtest"
)

// lockedBuffer may be written to and read at once.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestABadCertificatePausesItsRoute: deliveries wait, and none dies; it is said
// once why, and shown as a metric and in last_error; when the certificate is
// good again they are sent, and that is said, too.
func TestABadCertificatePausesItsRoute(t *testing.T) {
	const events = 40
	var (
		bad  atomic.Bool
		logs lockedBuffer
		pool = pgtest.New(t)
		r    = prometheus.NewRegistry()
	)
	bad.Store(true)
	q := newQueueThat(t, false, pool, func(ctx context.Context, d *delivery.Delivery) (delivery.Answer, error) {
		if bad.Load() {
			return delivery.Answer{}, &delivery.Untrusted{Host: "events.pagerduty.com", Fault: "it has expired", Mend: "renew it"}
		}
		return accept(ctx, d)
	}, r, queue.Config{Node: "n1", GiveUpAfter: time.Hour}, slog.New(slog.NewTextHandler(&logs, nil)))
	start(t, q)
	for i := range events {
		enqueue(t, q, newEvent(mapping.Trigger, fmt.Sprint("k", i)))
	}
	eventually(t, pool, events, `SELECT count(*) FROM deliveries WHERE state = 'held' AND held_by = 'route'`)
	eventually(t, pool, 1, `SELECT (count(*) > 5)::int FROM attempts`) // it is probed
	eventually(t, pool, 0, `SELECT count(*) FROM deliveries WHERE state = 'dead'
		OR attempts > 0 AND last_error IS DISTINCT FROM 'no TLS with events.pagerduty.com: it has expired; renew it'`)
	const paused = `
		# HELP pdaltagent_route_paused 1 while a route pauses: busy (429), failing (nothing is accepted) or certificate (it cannot be trusted).
		# TYPE pdaltagent_route_paused gauge
		pdaltagent_route_paused{reason="certificate",route="noc"} 1
		`
	if err := testutil.GatherAndCompare(r, strings.NewReader(paused), "pdaltagent_route_paused"); err != nil {
		t.Error(err)
	}
	bad.Store(false)
	eventually(t, pool, events, `SELECT count(*) FROM deliveries WHERE state = 'delivered'`)
	if err := testutil.GatherAndCompare(r, strings.NewReader(""), "pdaltagent_route_paused"); err != nil {
		t.Error(err)
	}
	said := logs.String()
	if n := strings.Count(said, "level=ERROR"); n != 1 || !strings.Contains(said, "no TLS with events.pagerduty.com: it has expired; renew it") {
		t.Errorf("%d errors, want 1 with what is wrong:\n%s", n, said)
	}
	if n := strings.Count(said, "a route takes deliveries again"); n != 1 || strings.Contains(said, "level=WARN") {
		t.Errorf("the end is told of %d times:\n%s", n, said)
	}
}

// TestABadCertificateIsGivenUpInTheEnd: after give_up_after a delivery that is
// probed is dead, with the reason.
func TestABadCertificateIsGivenUpInTheEnd(t *testing.T) {
	pool := pgtest.New(t)
	q := newQueueWith(t, pool, func(context.Context, *delivery.Delivery) (delivery.Answer, error) {
		return delivery.Answer{}, &delivery.Untrusted{Host: "h", Fault: "it has expired", Mend: "renew it"}
	}, prometheus.NewRegistry(), 300*time.Millisecond)
	start(t, q)
	enqueue(t, q, newEvent(mapping.Trigger, "a"), newEvent(mapping.Trigger, "b"))
	eventually(t, pool, 2, `SELECT count(*) FROM deliveries WHERE state = 'dead' AND last_error LIKE '%it has expired%'`)
}
