package mibs

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWhatNotificationsCarryIsKnown(t *testing.T) {
	m := builtIn(t)
	f := func(oid string, known bool, want ...string) {
		t.Helper()
		got, ok := m.Carries(oid)
		if diff := cmp.Diff(want, got); diff != "" || ok != known {
			t.Errorf("%s: %v %s", oid, ok, diff)
		}
	}
	f("1.3.6.1.6.3.1.1.5.3", true, "1.3.6.1.2.1.2.2.1.1", "1.3.6.1.2.1.2.2.1.7", "1.3.6.1.2.1.2.2.1.8")
	f("1.3.6.1.6.3.1.1.5.1", true)
	f("1.3.6.1.2.1.2.2.1.1", false)
	f("1.3.6.1.4.1.99999.0.1", false)
}
