package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"
)

// TestFleetOrderHoldsThroughFaultsAndAKill: alerts that open and resolve all the
// time, on two nodes of which one is killed, with a PagerDuty that refuses,
// fails, resets and dawdles. It hears of each alert in order, though perhaps
// twice; and one that it takes nothing of keeps no other waiting.
// PDALTAGENT_ALERTS is how many there are (40).
func TestFleetOrderHoldsThroughFaultsAndAKill(t *testing.T) {
	f := newFleet(t, 2, "delivery: { backoff: { initial: 50ms, max: 1s } }")
	alerts, events := size(t, "PDALTAGENT_ALERTS", 40), 50
	f.pagerduty.answer = func(w http.ResponseWriter, r *http.Request, e told) bool {
		switch n := rand.IntN(1000); {
		case e.Dedup == "stuck":
			w.WriteHeader(http.StatusInternalServerError)
		case n < 5:
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
		case n < 45:
			w.WriteHeader(http.StatusInternalServerError)
		case n < 65: // it may have been accepted or not
			if n < 55 {
				f.pagerduty.accept(e)
			}
			panic(http.ErrAbortHandler)
		case n < 95:
			select {
			case <-time.After(time.Duration(n) * time.Millisecond):
			case <-r.Context().Done():
			}
			return false
		default:
			return false
		}
		return true
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	f.post(ctx, event(fmt.Sprintf("%032d", 0), "stuck", "trigger", "0", "critical"))
	var senders sync.WaitGroup
	began := time.Now()
	for a := range alerts {
		senders.Go(func() {
			for i := range events {
				action := []string{"trigger", "resolve"}[i%2]
				f.post(ctx, event(fmt.Sprintf("%032d", a%10), fmt.Sprint("alert-", a), action, fmt.Sprint(i), "error"))
			}
		})
	}
	for n := 0; n < alerts*events/4 && ctx.Err() == nil; time.Sleep(10 * time.Millisecond) {
		_, n = f.pagerduty.got()
	}
	f.kill(f.nodes[0])
	senders.Wait()
	ended := func() (n int) {
		byAlert, _ := f.pagerduty.got()
		for _, heard := range byAlert {
			if len(heard) > 0 && heard[len(heard)-1].Payload.Summary == fmt.Sprint(events-1) {
				n++
			}
		}
		return n
	}
	for ended() < alerts && ctx.Err() == nil {
		time.Sleep(20 * time.Millisecond)
	}
	byAlert, n := f.pagerduty.got()
	t.Logf("%d events of %d alerts in %s, %d accepted", alerts*events, alerts, time.Since(began).Round(time.Millisecond), n)
	for a := range alerts {
		name := fmt.Sprint("alert-", a)
		last, seen := -1, 0
		for _, e := range byAlert[name] {
			var i int
			if _, err := fmt.Sscan(e.Payload.Summary, &i); err != nil {
				t.Fatal(err)
			}
			switch {
			case i == last+1:
				seen++
			case i != last:
				t.Errorf("%s: %d came after %d", name, i, last)
			}
			last = i
		}
		if seen != events {
			t.Errorf("%s: %d of its %d events were told, up to %d", name, seen, events, last)
		}
	}
	if len(byAlert["stuck"]) != 0 {
		t.Error("the stuck alert was accepted")
	}
}

// TestFleetKill9InMidFlight kills a node while deliveries run, and starts it again:
// all are delivered, those that were interrupted within five seconds, and no
// more twice than were being sent. PDALTAGENT_EVENTS is how many there are.
func TestFleetKill9InMidFlight(t *testing.T) {
	const workers = 64
	f := newFleet(t, 1, fmt.Sprintf("delivery: { workers: %d }", workers))
	events := size(t, "PDALTAGENT_EVENTS", 4000)
	f.pagerduty.answer = func(_ http.ResponseWriter, _ *http.Request, _ told) bool {
		time.Sleep(20 * time.Millisecond)
		return false
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	senders := f.flood(ctx, events, func(i int) told { return event(testKey, fmt.Sprint("event-", i), "trigger", "s", "error") })
	for n := 0; n < events/4 && ctx.Err() == nil; time.Sleep(time.Millisecond) {
		_, n = f.pagerduty.got()
	}
	f.kill(f.nodes[0])
	rows, err := f.pool.Query(t.Context(), `SELECT dedup_key FROM deliveries d JOIN river.river_job j ON (j.args ->> 'delivery_id')::uuid = d.id WHERE j.state = 'running' AND d.state = 'queued'`)
	if err != nil {
		t.Fatal(err)
	}
	var interrupted []string
	for rows.Next() {
		var key string
		if err := rows.Scan(&key); err != nil {
			t.Fatal(err)
		}
		interrupted = append(interrupted, key)
	}
	began := time.Now()
	f.start(f.nodes[0])
	ready := time.Since(began)
	senders.Wait()
	f.settled(time.Minute)
	byAlert, n := f.pagerduty.got()
	if len(byAlert) != events {
		t.Errorf("%d of %d events arrived", len(byAlert), events)
	}
	var last time.Duration
	for _, key := range interrupted {
		if heard := byAlert[key]; len(heard) > 0 {
			last = max(last, heard[len(heard)-1].At.Sub(began))
		}
	}
	var deliveries int // a sender that was not answered has sent again
	if err := f.pool.QueryRow(t.Context(), `SELECT count(*) FROM deliveries`).Scan(&deliveries); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d were interrupted; ready again after %s, the last of them accepted after %s; %d of %d arrived twice",
		len(interrupted), ready.Round(time.Millisecond), last.Round(time.Millisecond), n-deliveries, deliveries)
	if len(interrupted) == 0 || last > 5*time.Second {
		t.Errorf("the last of %d was accepted %s after the restart, want some, and 5s at most", len(interrupted), last)
	}
	if n-deliveries > workers {
		t.Errorf("%d arrived twice, want %d at most", n-deliveries, workers)
	}
}

// TestFleetCriticalEventOvertakesABacklog of info of its route, which is accepted
// at two a second; other routes do not notice. PDALTAGENT_BACKLOG is how many
// wait (5,000).
func TestFleetCriticalEventOvertakesABacklog(t *testing.T) {
	f := newFleet(t, 1, "")
	backlog := size(t, "PDALTAGENT_BACKLOG", 5000)
	slow, quick := testKey, fmt.Sprintf("%032d", 7)
	var (
		mu     sync.Mutex
		tokens = 2.0
		filled = time.Now()
	)
	f.pagerduty.answer = func(w http.ResponseWriter, _ *http.Request, e told) bool {
		if e.Key != slow {
			return false
		}
		mu.Lock()
		defer mu.Unlock()
		tokens = min(2, tokens+2*time.Since(filled).Seconds())
		filled = time.Now()
		if tokens < 1 {
			w.WriteHeader(http.StatusTooManyRequests)
			return true
		}
		tokens--
		return false
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	f.flood(ctx, backlog, func(i int) told { return event(slow, fmt.Sprint("info-", i), "trigger", "s", "info") }).Wait()
	var took []time.Duration
	for i := range 3 {
		time.Sleep(time.Duration(rand.IntN(1500)) * time.Millisecond)
		name := fmt.Sprint("critical-", i)
		sent := time.Now()
		f.post(ctx, event(slow, name, "trigger", "s", "critical"))
		took = append(took, f.until(ctx, name).Sub(sent))
	}
	t.Logf("with %d waiting, a critical event was accepted after %s", backlog, took)
	for _, d := range took {
		if d > 3*time.Second {
			t.Errorf("a critical event took %s, want 3s at most", d)
		}
	}
	var other []time.Duration
	for i := range 100 {
		name := fmt.Sprint("other-", i)
		sent := time.Now()
		f.post(ctx, event(quick, name, "trigger", "s", "info"))
		other = append(other, f.until(ctx, name).Sub(sent))
	}
	if p := percentile(other, 0.99); p > 200*time.Millisecond {
		t.Errorf("another route's p99 is %s, want 200ms at most", p)
	} else {
		t.Logf("another route: p50 %s, p99 %s", percentile(other, 0.5), p)
	}
	if _, err := f.pool.Exec(t.Context(), `UPDATE deliveries SET state = 'cancelled', held_by = NULL WHERE state = 'held'`); err != nil {
		t.Error(err)
	}
}
