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

func TestMisspeltLabelsAreKnownToBe(t *testing.T) {
	m := builtIn(t)
	f := func(label, wantNear string, want bool) {
		t.Helper()
		if near, known := m.NearLabel(label), m.HasLabel(label); near != wantNear || known != want {
			t.Errorf("%s: %q %v, want %q %v", label, near, known, wantNear, want)
		}
	}
	f("ifAdminStatus", "ifAdminStatus", true)
	f("ifAdminStaus", "ifAdminStatus", false)
	f("completelyOtherThings", "", false)
}

// TestAFarFetchedModuleIsNotGuessed: nearly all names end with -MIB.
func TestAFarFetchedModuleIsNotGuessed(t *testing.T) {
	m := builtIn(t)
	f := func(name, want string) {
		t.Helper()
		if _, err := m.OID(name); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
	f("NOSUCH-MIB::x", "no module NOSUCH-MIB; put its file in a folder named by mibs:")
	f("ACME-MIB::x", "no module ACME-MIB; put its file in a folder named by mibs:")
	f("BRIGDE-MIB::x", "no module BRIGDE-MIB; did you mean BRIDGE-MIB? else put its file in a folder named by mibs:")
	f("RFC1231-MIB::x", "no module RFC1231-MIB; did you mean RFC1213-MIB? else put its file in a folder named by mibs:")
}
