package selfwatch

import (
	"sync/atomic"
	"time"

	"github.com/pdaltagent/pdaltagent/delivery"
)

// kind is one kind of trouble, and what is known of it.
type kind struct {
	key    string
	shared bool // it is not one node's: the database knows of it
	looks  int  // for how many looks it must hold: 1 for what has happened, 2 for what is so
	see    func(*sight) *delivery.Trouble

	bad, quiet int // looks, one after the other, at which it was there, and was not
	up         bool
	trouble    delivery.Trouble // as it was last seen

	told     delivery.Trouble
	toldAt   time.Time // zero: since it came up nobody was told
	resolved time.Time
	refused  atomic.Bool // the queue did not take the last event
}

// learn takes in what is seen of the trouble. It comes up when it has held for
// as many looks as it must, and goes down when it was gone for quietLooks.
func (k *kind) learn(s *sight) {
	if k.refused.Swap(false) {
		k.toldAt, k.resolved = time.Time{}, time.Time{}
	}
	t := k.see(s)
	if t == nil {
		k.bad, k.quiet = 0, k.quiet+1
		k.up = k.up && !k.over()
		return
	}
	t.Key = k.key
	k.bad, k.quiet, k.trouble = k.bad+1, 0, *t
	if !k.up && k.bad >= k.looks {
		k.up, k.toldAt, k.resolved = true, time.Time{}, time.Time{}
	}
}

// over reports whether the trouble has been gone for long enough.
func (k *kind) over() bool { return k.quiet >= quietLooks }

// untold reports whether the trouble is to be told: for the first time, since
// it has become worse, or since it lasts.
func (k *kind) untold(now time.Time) bool {
	return k.up && (k.toldAt.IsZero() || k.bad > 0 && now.Sub(k.toldAt) >= refresh ||
		delivery.Priority(k.trouble.Severity) < delivery.Priority(k.told.Severity))
}

// kindsOf are all kinds of trouble, as node sees them.
func kindsOf(node string) []*kind {
	own, all := "self/"+node+"/", "self/"
	return []*kind{
		{key: own + "spool", looks: 2, see: (*sight).spool},
		{key: own + "lost", looks: 1, see: (*sight).lost},
		{key: own + "damage", looks: 1, see: (*sight).damage},
		{key: own + "drops", looks: 1, see: (*sight).drops},
		{key: own + "rules", looks: 1, see: (*sight).ruleErrors},
		{key: own + "reload", looks: 2, see: (*sight).staleRules},
		{key: all + "backlog", shared: true, looks: 2, see: (*sight).backlog},
		{key: all + "dead", shared: true, looks: 1, see: (*sight).dead},
	}
}
