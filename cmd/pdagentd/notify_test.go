package main

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// notified is the socket that systemd would listen on.
func notified(t *testing.T) (path string, next func() string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "notify") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path = filepath.Join(dir, "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return path, func() string {
		t.Helper()
		buf := make([]byte, 4096)
		if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatalf("nothing more was told: %v", err)
		}
		return string(buf[:n])
	}
}

// TestSystemdHearsHowItGoes: ready when events can be taken, alive while they
// are, reloading, and stopping, in this order.
func TestSystemdHearsHowItGoes(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	path, next := notified(t)
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", "400000")
	admin := freePort(t)
	config := settings(t, "")
	rewrite(t, config, `admin: { listen: "http://127.0.0.1:0" }`, `admin: { listen: "http://127.0.0.1:`+admin+`" }`)
	p := launch(t, built(t), config, "http://127.0.0.1:"+admin+"/readyz")
	await := func(want string) {
		t.Helper()
		for range 50 {
			said := next()
			if strings.HasPrefix(said, want) {
				return
			}
			if want != "STOPPING=1" && !strings.HasPrefix(said, "WATCHDOG=1") && !strings.HasPrefix(said, "STATUS=") {
				t.Errorf("before %s: %s", want, said)
			}
		}
		t.Errorf("%s was not told", want)
	}
	await("READY=1\nSTATUS=committing")
	began := time.Now()
	await("WATCHDOG=1\nSTATUS=committing")
	await("WATCHDOG=1")
	if took := time.Since(began); took < 300*time.Millisecond {
		t.Errorf("two words within %v; half of 400 ms apart was asked for", took)
	}
	if err := p.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	await("RELOADING=1")
	await("READY=1")
	stop(t, p)
	await("STOPPING=1")
}

// TestSupervisorReadsItsEnvironment.
func TestSupervisorReadsItsEnvironment(t *testing.T) {
	f := func(usec, pid string, want time.Duration) {
		t.Helper()
		env := map[string]string{"WATCHDOG_USEC": usec, "WATCHDOG_PID": pid}
		if got := newSupervisor(func(name string) string { return env[name] }, nil).watchdog; got != want {
			t.Errorf("%s for %s: %v, want %v", usec, pid, got, want)
		}
	}
	f("30000000", "", 30*time.Second)
	f("30000000", fmt.Sprint(os.Getpid()), 30*time.Second)
	f("30000000", "1", 0) // is for another process
	f("", "", 0)
	f("soon", "", 0)
	supervisor{}.tell("READY=1") // nobody listens, nobody is told
}

// TestSupervisorSpeaksToAbstractSockets, which systemd may give, too.
func TestSupervisorSpeaksToAbstractSockets(t *testing.T) {
	name := fmt.Sprintf("@pdaltagent-test-%d", os.Getpid())
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Skip(err)
	}
	defer conn.Close() //nolint:errcheck // only read from
	supervisor{socket: name, logger: slog.New(slog.DiscardHandler)}.tell("READY=1", "STATUS=well")
	buf := make([]byte, 100)
	if n, err := conn.Read(buf); err != nil || string(buf[:n]) != "READY=1\nSTATUS=well" {
		t.Errorf("got %q, %v", buf[:n], err)
	}
}
