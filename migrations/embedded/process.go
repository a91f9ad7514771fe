package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// process is one run of the postmaster.
type process struct {
	cmd    *exec.Cmd
	log    *logWriter
	begun  time.Time
	exited chan struct{} // closed when it has ended and all that it said is logged
	err    error         // of its end; read after exited
}

// startProcess starts cmd, whose standard error is written to log.
//
// The kernel sends a child its death signal when the thread that started it
// ends, not when the whole process does; so that thread is kept for as long
// as the child lives.
func startProcess(cmd *exec.Cmd, log *slog.Logger) (*process, error) {
	p := &process{cmd: cmd, log: &logWriter{log: log}, begun: time.Now(), exited: make(chan struct{})}
	cmd.Stderr = p.log
	cmd.WaitDelay = 5 * time.Second // orphaned backends hold standard error, too
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
			close(p.exited)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("run %s: %w", cmd.Path, err)
	}
	return p, nil
}

// runToEnd runs cmd on a thread that outlives it.
func runToEnd(cmd *exec.Cmd) ([]byte, error) {
	var out []byte
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		var err error
		out, err = cmd.CombinedOutput()
		done <- err
	}()
	err := <-done
	return out, err
}

// stillborn is a process that could not be started.
func stillborn(err error) *process {
	p := &process{cmd: &exec.Cmd{}, log: &logWriter{}, begun: time.Now(), exited: make(chan struct{}), err: err}
	close(p.exited)
	return p
}

func (p *process) pid() int { return p.cmd.Process.Pid }

func (p *process) uptime() time.Duration { return time.Since(p.begun) }

// reason says why p has ended: its exit status and the last that it said.
func (p *process) reason() error {
	err := p.err
	if err == nil || errors.Is(err, exec.ErrWaitDelay) {
		err = errors.New("it ended without an error")
	}
	if said := p.log.last(); said != "" {
		return fmt.Errorf("%w: %s", err, said)
	}
	return err
}

// shutdown ends p: fast, and at once when ctx ends or stopPatience is over.
func (p *process) shutdown(ctx context.Context, log *slog.Logger) error {
	select {
	case <-p.exited:
		return nil
	default:
	}
	ctx, cancel := context.WithTimeout(ctx, stopPatience)
	defer cancel()
	signal := func(s os.Signal) {
		if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
			log.Error("signalling postgres", "signal", s, "error", err)
		}
	}
	p.log.expectEnd()
	signal(syscall.SIGINT)
	select {
	case <-p.exited:
		return nil
	case <-ctx.Done():
	}
	log.Warn("postgres did not stop in time and is ended at once; its next start recovers", "pid", p.pid())
	signal(syscall.SIGQUIT)
	select {
	case <-p.exited:
		return nil
	case <-time.After(quitPatience):
		return fmt.Errorf("postgres process %d does not stop: end it with kill -QUIT %d", p.pid(), p.pid())
	}
}
