package main

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// supervisor is who started us and wants to hear how it goes: systemd, by the
// protocol of sd_notify(3). The zero supervisor is told nothing.
type supervisor struct {
	socket   string        // a datagram socket's path, or @ and its abstract name
	watchdog time.Duration // without a word for so long we are restarted; 0: never
	logger   *slog.Logger
}

// newSupervisor reads what systemd puts into a service's environment.
func newSupervisor(env func(string) string, logger *slog.Logger) supervisor {
	s := supervisor{socket: env("NOTIFY_SOCKET"), logger: logger}
	usec, err := strconv.ParseInt(env("WATCHDOG_USEC"), 10, 64)
	if pid := env("WATCHDOG_PID"); err == nil && usec > 0 && (pid == "" || pid == strconv.Itoa(os.Getpid())) {
		s.watchdog = time.Duration(usec) * time.Microsecond
	}
	return s
}

// tell sends a line for each state, such as READY=1. It does not block.
func (s supervisor) tell(states ...string) {
	if s.socket == "" {
		return
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: s.socket, Net: "unixgram"})
	if err == nil {
		_, err = conn.Write([]byte(strings.Join(states, "\n")))
		_ = conn.Close() // a datagram is sent or not
	}
	if err != nil {
		s.logger.Warn("systemd was not told how it goes, and may end this process: is NotifyAccess of the unit main?", "state", states[0], "error", err)
	}
}

// Without a watchdog, the state that systemctl status shows is this old at
// most.
const statusEvery = 30 * time.Second

// supervise tells the supervisor when events can be committed or spooled, and
// from then on, twice in each interval of the watchdog, that the loop which
// does so goes round, until ctx ends. Where that loop hangs it is silent.
func (a *appliance) supervise(ctx context.Context) {
	s := a.supervisor
	if s.socket == "" {
		return
	}
	for _, err := a.ready(); err != nil; _, err = a.ready() {
		s.tell("STATUS=" + a.status())
		if !pause(ctx, 100*time.Millisecond) {
			return
		}
	}
	s.tell("READY=1", "STATUS="+a.status())
	every := cmp.Or(s.watchdog/2, statusEvery)
	for pause(ctx, every) {
		round, cancel := context.WithTimeout(ctx, every)
		err := a.queue.Alive(round)
		cancel()
		switch {
		case err == nil:
			s.tell("WATCHDOG=1", "STATUS="+a.status())
		case ctx.Err() == nil:
			a.logger.Error("the loop that makes events durable hangs, so that the watchdog is not answered", "error", err)
		}
	}
}

// status is how it goes, in a line.
func (a *appliance) status() string {
	how, err := a.ready()
	if err != nil {
		how = "not ready: " + err.Error()
	}
	if stale := a.reloader.Stale(); stale != "" {
		how += "; rules: " + stale
	}
	return strings.ReplaceAll(how, "\n", " ")
}

// pause waits for d, and returns false when ctx ends before.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
