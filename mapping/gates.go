package mapping

import "time"

// Gates say what stands between an event that is Queued and PagerDuty, as far
// as its rule and the clock of its receipt can say. What depends on earlier
// events is decided by the commit, in the order of the fields. A Gates is
// never changed once it was made: the events of a rule share it.
//
// What a trigger carries is all that its rule says. Acknowledgements and
// resolves carry Flapping alone. Change events, and what is Dropped, Suppressed
// or Unmatched, carry none; posted events only what a rule's own keys name, and
// Maintenance.
type Gates struct {
	// Threshold lets an alert open only when it was triggered often enough.
	Threshold Threshold

	// Maintenance is the window that was open when the message came: what is
	// triggered waits until it ends. nil: none was.
	Maintenance *Window

	// UnlessOpen is the dedup_key of the parent: what is triggered waits
	// while an alert of that key is open on any route. It is as short as a
	// dedup_key of Event. Empty: there is no parent.
	UnlessOpen string

	// Hold is how long what is triggered waits before it is sent, counted
	// from ReceivedAt; resolved sooner it is never sent. 0: it does not wait.
	Hold time.Duration

	// Repeat is how long after its last sent trigger an open alert is sent
	// again by another trigger. 0: only when its severity rises.
	Repeat time.Duration

	// ResolveAfter is the silence after which an open alert is resolved,
	// counted from its last trigger. 0: never.
	ResolveAfter time.Duration

	// Storm bounds the alerts that one source (Event.Host) opens.
	Storm Storm

	// Flapping delays the resolves of an alert that goes to and fro.
	Flapping Flapping
}

// Threshold is how often an alert is triggered before it opens: the trigger
// that makes Count within Within opens it. A Count of 0 or 1: the first one.
type Threshold struct {
	Count  int
	Within time.Duration
}

// Storm is how many alerts a source may open within Within; those beyond it
// fold into one alert. 0 Alerts: there is no bound.
type Storm struct {
	Alerts int
	Within time.Duration
}

// Flapping is when an alert flaps: it opened and resolved Changes times, both
// counted, within Within. Its resolve then waits until there was no change
// for Quiet. 0 Changes: it never does.
type Flapping struct {
	Changes int
	Within  time.Duration
	Quiet   time.Duration
}

// Window is a maintenance window that is open.
type Window struct {
	Name  string
	Until time.Time // when it ends, and no other one follows it at once
}
