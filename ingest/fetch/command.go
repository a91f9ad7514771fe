package fetch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// Limits of what a command may print in a run.
const (
	maxOutput     = 16 << 20 // bytes of standard output; what prints more is ended
	maxErrorLines = 20       // of standard error that are logged
	maxErrorLine  = 1 << 10  // bytes; what is longer is cut
)

// grace is how long a command has to end after SIGTERM, and its output to end
// after its command.
const grace = 2 * time.Second

var (
	errTimeout = errors.New("the time-out is over")
	errTooLong = fmt.Errorf("printed more than %d MiB: it was ended, and the rest is lost", maxOutput>>20)
)

// command is a program that is started again and again.
type command struct {
	argv []string
	env  []string
	dir  string
}

func newCommand(c Config) command {
	return command{argv: c.Command, env: c.environment(os.LookupEnv), dir: c.Dir}
}

// run runs the command in a process group of its own and returns what it
// printed, also where there is an error. When its time is over, or ctx ends,
// the group gets SIGTERM, and SIGKILL after grace.
func (c command) run(ctx context.Context, timeout time.Duration, log *slog.Logger) ([]byte, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, errTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.argv[0], c.argv[1:]...)
	cmd.Env, cmd.Dir = c.env, c.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = grace
	out := &bounded{full: func() { stop(errTooLong) }}
	said := &errorLines{log: log}
	cmd.Stdout, cmd.Stderr = out, said
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s cannot be started: %w", c.argv[0], plain(err))
	}
	err := cmd.Wait()
	said.end()
	left := errors.Is(err, exec.ErrWaitDelay)
	if left || ctx.Err() != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // there may be nobody left
	}
	if left && ctx.Err() == nil {
		log.Warn("the command ended and left processes behind that held its output open; they were ended")
		err = nil
	}
	return out.kept, c.fault(err, context.Cause(ctx), timeout, said.last)
}

// fault says why a run has failed; nil: it has not.
func (c command) fault(err, cause error, timeout time.Duration, last string) error {
	switch {
	case errors.Is(cause, errTimeout):
		err = fmt.Errorf("ran longer than %s and was ended: find out what it waits for, or raise its timeout", timeout)
	case cause != nil:
		err = cause
	case err == nil:
		return nil
	}
	if last != "" {
		return fmt.Errorf("%s: %w: %s", c.argv[0], err, last)
	}
	return fmt.Errorf("%s: %w", c.argv[0], err)
}

// plain returns the reason of an error that names the file too.
func plain(err error) error {
	if path, ok := errors.AsType[*os.PathError](err); ok {
		return path.Err
	}
	return err
}

// bounded keeps what is written to it up to maxOutput, and then calls full.
type bounded struct {
	kept []byte
	full func()
}

// Write takes all of p, and keeps what there is room for.
func (b *bounded) Write(p []byte) (int, error) {
	room := min(len(p), maxOutput-len(b.kept))
	b.kept = append(b.kept, p[:room]...)
	if room < len(p) {
		b.full()
	}
	return len(p), nil
}

// errorLines logs what is written to it, line by line.
type errorLines struct {
	log    *slog.Logger
	line   []byte // so far
	last   string // that was not blank
	logged int
	more   int // lines that were not logged
}

func (e *errorLines) Write(p []byte) (int, error) {
	n := len(p)
	for {
		line, rest, whole := bytes.Cut(p, []byte("\n"))
		e.line = append(e.line, line[:min(len(line), maxErrorLine-len(e.line))]...)
		if !whole {
			return n, nil
		}
		e.flush()
		p = rest
	}
}

// end logs what is left.
func (e *errorLines) end() {
	e.flush()
	if e.more > 0 {
		e.log.Warn("the command said more", "lines_unlogged", e.more)
	}
}

func (e *errorLines) flush() {
	line := strings.TrimSpace(ingest.CleanText(string(e.line)))
	e.line = e.line[:0]
	if line == "" {
		return
	}
	e.last = line
	if e.logged == maxErrorLines {
		e.more++
		return
	}
	e.logged++
	e.log.Warn("the command said", "line", line)
}
