package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// TestLogsHaveDurationsAsPeopleReadThem, not in nanoseconds.
func TestLogsHaveDurationsAsPeopleReadThem(t *testing.T) {
	var out bytes.Buffer
	newLogger(&out, false).Info("a route pauses", "pause", 54_070_906_756*time.Nanosecond, "again_in", 100*time.Millisecond, "events", 3)
	if got := out.String(); !strings.Contains(got, `"pause":"54.070907s","again_in":"100ms","events":3`) {
		t.Error(got)
	}
}
