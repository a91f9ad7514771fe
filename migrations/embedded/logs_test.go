package embedded

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// logged writes parts to a logWriter, one after the other, and returns what is
// logged, without times.
func logged(w *logWriter, parts ...string) string {
	var out bytes.Buffer
	w.log = slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))
	for _, part := range parts {
		_, _ = w.Write([]byte(part))
	}
	return out.String()
}

func TestReportsAreLoggedWhole(t *testing.T) {
	f := func(want string, parts ...string) {
		t.Helper()
		if diff := cmp.Diff(want, logged(&logWriter{}, parts...)); diff != "" {
			t.Errorf("%q: %s", parts, diff)
		}
	}
	f("level=WARN msg=\"postgres: relation \\\"x\\\" does not exist\" postgres_pid=7 sqlstate=42P01 statement=\"SELECT\\n1\"\n",
		"7 42P01 ERROR:  relation \"x\" does not exist\n7 42P01 STATEMENT:  SELECT\n\t1\n")
	f("level=WARN msg=\"postgres: a\\nb\" postgres_pid=7 sqlstate=42601 detail=d hint=h\n",
		"7 42601 ERROR:  a\n\tb\n7 42601 DETAIL:  d\n7 42601 HINT:  h\n")
	f("level=INFO msg=\"postgres: one\" postgres_pid=7\nlevel=INFO msg=\"postgres: two\" postgres_pid=8\n",
		"7 00000 LOG:  one\n8 00000 LOG:  two\n")
	f("level=INFO msg=\"postgres: one\" postgres_pid=7\n", "7 00000 L", "OG:  on", "e\n")
	f("level=INFO msg=\"postgres: libpq.so.5: not found\" postgres_pid=\"\"\n", "libpq.so.5: not found\n")
}

func TestReportsHaveTheLevelOfWhoShouldReadThem(t *testing.T) {
	f := func(want, line string) {
		t.Helper()
		got := logged(&logWriter{}, "7 "+line+"\n")
		if !strings.HasPrefix(got, "level="+want+" ") {
			t.Errorf("%q: %s, want %s", line, got, want)
		}
	}
	f("DEBUG", "00000 DEBUG1:  x")
	f("DEBUG", "00000 LOG:  starting PostgreSQL 15.18 on x86_64-pc-linux-gnu")
	f("DEBUG", "00000 LOG:  received fast shutdown request")
	f("INFO", "00000 LOG:  database system is ready to accept connections")
	f("INFO", "00000 LOG:  duration: 6000.123 ms  execute x: SELECT 1")
	f("WARN", "00000 LOG:  server process (PID 9) was terminated by signal 9: Killed")
	f("WARN", "00000 LOG:  database system was not properly shut down; automatic recovery in progress")
	f("WARN", "53100 LOG:  could not write temporary file: No space left on device")
	f("DEBUG", "08006 LOG:  could not send data to client: Broken pipe")
	f("DEBUG", "08006 FATAL:  connection to client lost")
	f("WARN", "01000 WARNING:  x")
	f("WARN", "22012 ERROR:  division by zero")
	f("WARN", "3D000 FATAL:  database \"x\" does not exist")
	f("DEBUG", "57P03 FATAL:  the database system is starting up")
	f("ERROR", "57P01 FATAL:  terminating connection due to administrator command")
	f("ERROR", "53300 FATAL:  sorry, too many clients already")
	f("ERROR", "XX000 PANIC:  could not write to file")
}

func TestClientsCutOffByAStopAreNoNews(t *testing.T) {
	w := &logWriter{}
	w.expectEnd()
	if got := logged(w, "7 57P01 FATAL:  terminating connection due to administrator command\n"); !strings.HasPrefix(got, "level=DEBUG ") {
		t.Error(got)
	}
}

func TestLongStatementsAreShortened(t *testing.T) {
	got := logged(&logWriter{}, "7 42601 ERROR:  x\n7 42601 STATEMENT:  "+strings.Repeat("ä", 50_000)+"\n")
	if len(got) > 2*longestText || !strings.Contains(got, "ä…") {
		t.Errorf("%d bytes are logged", len(got))
	}
}

func TestLineWithoutEndIsBounded(t *testing.T) {
	w := &logWriter{}
	for range 100 {
		logged(w, strings.Repeat("x", 10_000))
	}
	if len(w.partial) > 128<<10 {
		t.Errorf("%d bytes are kept", len(w.partial))
	}
}

func TestLastWordsExplainADeath(t *testing.T) {
	w := &logWriter{}
	logged(w, "7 00000 LOG:  starting PostgreSQL 15\n",
		"7 F0001 FATAL:  pre-existing shared memory block is still in use\n7 F0001 HINT:  Terminate any old server processes.\n",
		"7 00000 LOG:  database system is shut down\n")
	want := "pre-existing shared memory block is still in use (Terminate any old server processes.)"
	if got := w.last(); got != want || !w.lockHeld() {
		t.Errorf("last() = %q, lockHeld() = %v", got, w.lockHeld())
	}
}
