package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/pdaltagent/pdaltagent/cmd/internal/sender"
	"github.com/pdaltagent/pdaltagent/cmd/internal/sender/sendertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestEventsAreThoseOfPagerDutyAgent: its incident keys, so that what it opened
// is resolved by the new command.
func TestEventsAreThoseOfPagerDutyAgent(t *testing.T) {
	r := sendertest.Listen(t)
	f := func(want map[string]any, args ...string) {
		t.Helper()
		got := sendertest.Run(program(0), r.URL, "", append([]string{"-k", sendertest.Key}, args...)...)
		if want := (sendertest.Outcome{Stdout: "Event processed. Incident Key: " + want["incident_key"].(string) + "\n"}); got != want {
			t.Errorf("%+v", got)
		}
		key, path, body := r.Next(t)
		if key != sendertest.Key || path != sender.EventsV1 {
			t.Errorf("%s got %s", path, key)
		}
		if diff := cmp.Diff(any(want), body); diff != "" {
			t.Error(diff)
		}
	}
	service := []string{"-n", "service", "-f", "HOSTNAME=web 1", "-f", "SERVICEDESC=disk=/var", "-f", "SERVICESTATE=CRITICAL", "-f", "SERVICEOUTPUT=98% used; 1=2"}
	serviceDetails := map[string]any{
		"HOSTNAME": "web 1", "SERVICEDESC": "disk=/var", "SERVICESTATE": "CRITICAL", "SERVICEOUTPUT": "98% used; 1=2", "pd_nagios_object": "service",
	}
	f(map[string]any{
		"event_type": "trigger", "incident_key": "event_source=service;host_name=web 1;service_desc=disk=/var",
		"description": "SERVICEDESC=disk=/var; SERVICESTATE=CRITICAL; HOSTNAME=web 1", "details": serviceDetails,
	}, append(service, "-t", "PROBLEM")...)
	f(map[string]any{
		"event_type": "acknowledge", "incident_key": "mine",
		"description": "SERVICEDESC=disk=/var; SERVICESTATE=CRITICAL; HOSTNAME=web 1", "details": serviceDetails,
	}, append(service, "-t", "Acknowledgement", "-i", "mine")...)
	f(map[string]any{
		"event_type": "resolve", "incident_key": "event_source=host;host_name=web1",
		"description": "HOSTNAME=web1; HOSTSTATE=UP",
		"details":     map[string]any{"HOSTNAME": "web1", "HOSTSTATE": "UP", "pd_nagios_object": "host"},
	}, "--notification-type=host", "--event-type=RECOVERY", "--field=HOSTNAME=web1", "--field=HOSTSTATE=UP")
}

func TestWrongUsageNamesEveryFault(t *testing.T) {
	f := func(args []string, want ...string) {
		t.Helper()
		got := sendertest.Run(program(0), "", "", args...)
		if got.Exit != 2 || got.Stdout != "" {
			t.Errorf("%q: %+v", args, got)
		}
		for _, part := range append(want, "Try 'pd-nagios --help'.") {
			if !strings.Contains(got.Stderr, part) {
				t.Errorf("%q says %q, not %q", args, got.Stderr, part)
			}
		}
	}
	f(nil, "-k (--service-key) is required", `-n (--notification-type) must be host or service, not ""`, "-t (--event-type) must be PROBLEM")
	f([]string{"-k", sendertest.Key, "-n", "service", "-t", "PROBLEM", "-f", "HOSTNAME=web1", "-f", "odd"},
		"a service needs -f SERVICEDESC=... and -f SERVICESTATE=...", `must be KEY=VALUE, not "odd"`)
	f([]string{"-k", sendertest.Key, "-n", "host", "-t", "FLAPPINGSTART", "-f", "HOSTNAME=web1", "-f", "HOSTSTATE=UP"}, `not "FLAPPINGSTART"`, "notification options")
	f([]string{"-k", sendertest.Key, "-n", "host", "-t", "PROBLEM", "-f", "HOSTNAME=web", "1"}, `"1" belongs to no option`)
	f([]string{"--nope"}, "unknown flag: --nope")
}

func TestHelpAndTroubleAreTold(t *testing.T) {
	if got := sendertest.Run(program(0), "", "", "--help"); got.Exit != 0 || !strings.Contains(got.Stdout, "PDSEND_EVENTS_BASE_URL") || !strings.Contains(got.Stdout, "SERVICEDESC") {
		t.Errorf("%+v", got)
	}
	got := sendertest.Run(program(0), "http://127.0.0.1:1", "", "-k", sendertest.Key, "-n", "host", "-t", "PROBLEM", "-f", "HOSTNAME=web1", "-f", "HOSTSTATE=DOWN")
	if got.Exit != 1 || !strings.HasPrefix(got.Stderr, "pd-nagios: send to http://127.0.0.1:1: ") || strings.Contains(got.Stderr, sendertest.Key) {
		t.Errorf("%+v", got)
	}
}
