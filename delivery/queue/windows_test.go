package queue

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/pdaltagent/pdaltagent/delivery"
)

// rehearsal drives windows by hand, with a clock of its own.
type rehearsal struct {
	*windows
	t   *testing.T
	at  time.Time
	out []uuid.UUID
}

func rehearse(t *testing.T, most int) *rehearsal {
	t.Helper()
	r := &rehearsal{windows: newWindows(most, Places(most), Backoff{Initial: time.Second, Max: time.Minute}), t: t, at: time.Unix(1_000_000, 0)}
	r.now = func() time.Time { return r.at }
	return r
}

// offer admits n deliveries and returns how many were.
func (r *rehearsal) offer(n int) int {
	before := len(r.out)
	for range n {
		id := uuid.New()
		if r.admit("noc", id) {
			r.out = append(r.out, id)
		}
	}
	return len(r.out) - before
}

// settle ends the oldest n deliveries with a verdict.
func (r *rehearsal) settle(n int, v verdict) (pause time.Duration) {
	for range n {
		d := &delivery.Delivery{ID: r.out[0], Route: "noc"}
		r.out = r.out[1:]
		began, _ := r.settled(&delivery.Attempt{Delivery: d, Started: r.at}, v)
		pause = max(pause, began)
		r.at = r.at.Add(time.Millisecond)
	}
	return pause
}

func (r *rehearsal) want(what string, got, want int) {
	r.t.Helper()
	if got != want {
		r.t.Errorf("%s: %d, want %d", what, got, want)
	}
}

// TestAWindowGrowsWithWhatIsAccepted, as far as it may, and only while it is
// used.
func TestAWindowGrowsWithWhatIsAccepted(t *testing.T) {
	r := rehearse(t, 50)
	r.want("at first", r.offer(100), windowStart)
	r.settle(windowStart, verdict{kind: accepted})
	if got := r.sizes()["noc"]; got <= windowStart || got > 50 {
		t.Errorf("the window is %d after it was accepted in full", got)
	}
	for range 10 {
		r.offer(100)
		r.settle(len(r.out), verdict{kind: accepted})
	}
	r.want("in the end", r.offer(100), 50)
	idle := rehearse(t, 1000)
	for range 500 {
		idle.offer(1)
		idle.settle(1, verdict{kind: accepted})
	}
	idle.want("one at a time", idle.sizes()["noc"], windowStart)
}

// TestABusyRouteHalvesOnceAndPauses as long as it asks; then one goes first.
func TestABusyRouteHalvesOnceAndPauses(t *testing.T) {
	r := rehearse(t, 1000)
	r.offer(windowStart)
	started := r.at
	var pause time.Duration
	for _, id := range r.out {
		a := &delivery.Attempt{Delivery: &delivery.Delivery{ID: id, Route: "noc"}, Started: started}
		began, _ := r.settled(a, verdict{busy, 10 * time.Second})
		pause += began
		r.at = r.at.Add(time.Millisecond)
	}
	r.out = nil
	if pause != 10*time.Second {
		t.Errorf("it pauses for %s in all, want 10s once", pause)
	}
	r.want("the window", r.sizes()["noc"], windowStart/2)
	r.want("while it pauses", r.offer(1), 0)
	r.at = r.at.Add(10 * time.Second)
	r.want("after the pause", r.offer(10), 1)
	r.settle(1, verdict{kind: accepted})
	r.want("when the probe was accepted", r.offer(100), windowStart/2)
}

// TestAnUntrustedRouteIsProbed, one delivery at a time and at least once a
// minute; its fault is told of once, and so is its end.
func TestAnUntrustedRouteIsProbed(t *testing.T) {
	r := rehearse(t, 1000)
	r.backoff.Max = 5 * time.Minute
	probe := func(fault string, v verdict) (told, over bool) {
		t.Helper()
		r.want("the probe", r.offer(10), 1)
		pause, over := r.settled(&delivery.Attempt{Delivery: &delivery.Delivery{ID: r.out[0], Route: "noc"}, Started: r.at, Error: fault}, v)
		r.out = nil
		return pause > 0, over
	}
	r.offer(windowStart)
	told := 0
	for _, id := range r.out {
		if pause, _ := r.settled(&delivery.Attempt{Delivery: &delivery.Delivery{ID: id, Route: "noc"}, Error: "expired"}, verdict{kind: untrusted}); pause > 0 {
			told++
		}
	}
	r.out = nil
	r.want("how often it is told of", told, 1)
	for range 20 {
		r.want("while it pauses", r.offer(1), 0)
		r.want("as a metric", len(r.paused()), 1)
		r.at = r.at.Add(time.Minute)
		if told, _ := probe("expired", verdict{kind: untrusted}); told {
			t.Error("the same fault is told of twice")
		}
		if left := r.routes["noc"].until.Sub(r.at); left > time.Minute || left <= 0 {
			t.Fatalf("it pauses for %s", left)
		}
	}
	r.at = r.at.Add(time.Minute)
	if told, _ := probe("wrong name", verdict{kind: untrusted}); !told {
		t.Error("another fault is not told of")
	}
	r.at = r.at.Add(time.Minute)
	if _, over := probe("", verdict{kind: accepted}); !over {
		t.Error("its end is not told of")
	}
	r.want("the window afterwards", r.offer(100), windowStart)
	r.want("the metric afterwards", len(r.paused()), 0)
}

// TestADeadRouteIsProbed: when nothing was accepted for a whole window the
// route pauses, longer each time; one bad delivery among good ones does not
// pause it.
func TestADeadRouteIsProbed(t *testing.T) {
	r := rehearse(t, 1000)
	for range 3 * windowStart {
		r.offer(2)
		if p := r.settle(1, verdict{kind: failed}); p != 0 {
			t.Fatal("one bad delivery among good ones pauses the route")
		}
		r.settle(1, verdict{kind: accepted})
	}
	r.offer(r.sizes()["noc"])
	first := r.settle(len(r.out), verdict{kind: failed})
	if first < 500*time.Millisecond || first > time.Second {
		t.Errorf("the first pause is %s", first)
	}
	r.want("while it pauses", r.offer(1), 0)
	late := &delivery.Attempt{Delivery: &delivery.Delivery{ID: uuid.New(), Route: "noc"}, Started: r.at.Add(-time.Minute)}
	r.at = r.at.Add(2 * time.Second)
	if p, _ := r.settled(late, verdict{kind: failed}); p != 0 {
		t.Errorf("what was in flight when the pause began has it pause for %s more", p)
	}
	var last time.Duration
	for range 6 {
		r.at = r.at.Add(time.Minute)
		r.want("after a pause", r.offer(10), 1)
		last = r.settle(1, verdict{kind: failed})
	}
	if last < 30*time.Second || last > time.Minute {
		t.Errorf("the seventh pause is %s", last)
	}
	r.at = r.at.Add(time.Minute)
	r.offer(1)
	r.settle(1, verdict{kind: refused})
	r.want("a refusal is an answer: paused", len(r.paused()), 0)
	r.offer(1)
	r.settle(1, verdict{kind: accepted})
	r.want("when it accepts", r.offer(10), 2)
	r.settle(2, verdict{kind: accepted})
	r.want("and again", r.offer(10), 3)
	r.settle(3, verdict{kind: accepted})
	for range patience - 1 {
		r.offer(1)
		if r.settle(1, verdict{kind: failed}) != 0 {
			t.Fatal("one bad delivery pauses a route whose window is small still")
		}
	}
}

// TestNothingOvertakesWhatWaits: while deliveries wait for their route a new
// one waits too, until none was found waiting.
func TestNothingOvertakesWhatWaits(t *testing.T) {
	r := rehearse(t, 1000)
	r.offer(1)
	r.crowd([]string{"noc"})
	r.want("while others wait", r.offer(1), 0)
	room, crowded := r.rooms(500)
	r.want("room", room["noc"], windowStart-1)
	r.crowd([]string{"noc"}) // and one more begins to, which the look did not see
	r.fill(room, crowded, nil)
	r.want("while one more waits", r.offer(1), 0)
	room, crowded = r.rooms(500)
	r.fill(room, crowded, []delivery.Admitted{{ID: uuid.New(), Route: "noc"}})
	r.want("when none waits", r.offer(100), windowStart-2)
	if room, _ := r.rooms(500); len(room) != 0 {
		t.Errorf("room for what does not wait: %v", room)
	}
}

// TestWhatComesInGoesFirst: while there is much of it, few new deliveries take
// a place at once, however much room there is.
func TestWhatComesInGoesFirst(t *testing.T) {
	r := rehearse(t, 1024)
	f := func(busy bool, want int) {
		t.Helper()
		r.tick(busy)
		got := r.offer(30)
		if got != want {
			t.Errorf("busy %v: %d of 30 are admitted, want %d", busy, got, want)
		}
		r.settle(got, verdict{kind: accepted})
	}
	f(false, 30)
	f(true, busyAdmits)
	f(true, busyAdmits)
	f(false, 30)
}

// TestARouteThatHangsLeavesOthersRoom: no route takes more places than it leaves
// free, however many of them take what they can.
func TestARouteThatHangsLeavesOthersRoom(t *testing.T) {
	w := newWindows(64, Places(64), Backoff{Initial: time.Second, Max: time.Minute})
	take := func(route string) (n int) {
		w.route(route).size = 64
		for w.admit(route, uuid.New()) {
			n++
		}
		return n
	}
	for i, want := range []int{64, 64, 64, 32, 16, 8, 4, 2, 1, 1, 0} {
		if got := take(string(rune('a' + i))); got != want {
			t.Errorf("route %d that hangs takes %d places, want %d", i+1, got, want)
		}
	}
}

// TestRoomIsGivenOnce: what is given to one route of several is not given to
// another, and those that have the least come first.
func TestRoomIsGivenOnce(t *testing.T) {
	w := newWindows(64, 64, Backoff{Initial: time.Second, Max: time.Minute})
	w.crowd([]string{"a", "b", "c"})
	room, _ := w.rooms(500)
	sum := 0
	for _, n := range room {
		sum += n
	}
	if sum != 32+16+8 {
		t.Errorf("%d places of 64 are given: %v", sum, room)
	}
	beside := 0
	for w.admit("d", uuid.New()) {
		beside++
	}
	if beside != 4 {
		t.Errorf("%d places of the 8 that are left are taken, want 4", beside)
	}
	if again, _ := w.rooms(500); again["a"] != 0 {
		t.Errorf("%d places more are given while what has 32 is being admitted", again["a"])
	} else {
		w.fill(again, nil, nil)
	}
	w.fill(room, nil, nil)
	for _, id := range w.outstanding() {
		w.leave(id)
	}
	for range 20 {
		w.take(w.route("a"), "a", uuid.New())
		w.take(w.route("b"), "b", uuid.New())
	}
	if room, _ := w.rooms(500); room["c"] != 12 || room["a"]+room["b"] != 0 {
		t.Errorf("with 24 places free: %v", room)
	}
}

// TestWhatIsTriedAgainNeedsRoom: a second attempt takes a place, so that a route
// that takes nothing is asked by its probes alone; a first one has its place.
func TestWhatIsTriedAgainNeedsRoom(t *testing.T) {
	r := rehearse(t, 2)
	again := func() *delivery.Delivery { return &delivery.Delivery{ID: uuid.New(), Route: "noc", Attempts: 1} }
	f := func(what string, d *delivery.Delivery, want bool) {
		t.Helper()
		if got := r.enter(d); got != want {
			t.Errorf("%s: %v", what, got)
		}
	}
	first := again()
	f("with room", first, true)
	f("the same", first, true)
	r.offer(10)
	f("without room", again(), false)
	f("a first attempt, before its admission is known here", &delivery.Delivery{ID: uuid.New(), Route: "noc"}, true)
	r.routes["noc"].pause(r.at, r.backoff, 0, whyFailing)
	f("while it pauses", first, false)
	r.at = r.at.Add(time.Minute)
	f("after the pause, beside a probe", again(), false)
	f("the probe", first, true)
}
