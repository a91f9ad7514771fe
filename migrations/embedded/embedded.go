// Package embedded runs a private Postgres server under the appliance's data
// directory, for machines that have no database to offer. What comes in is a
// folder and the Postgres binaries that the machine has; what goes out is the
// URL of a database that accepts connections.
//
// It promises that what was committed is never removed or made anew: a folder
// that it does not understand is an error that says what to do. The server
// dies with its parent, even with one that is killed, is started again when it
// dies alone, and never runs as root. It listens on a Unix socket that only
// its own user and root can reach.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// database is the name of the database, and of the superuser role that owns it.
	database = "pdaltagent"

	// port only names the socket, unless an operator sets listen_addresses.
	port = 5432

	stopPatience   = 30 * time.Second // for a fast shutdown, which writes a checkpoint
	quitPatience   = 15 * time.Second // for an immediate one; Postgres kills its children after 5 s
	lockPatience   = 15 * time.Second // for the last backends of a postmaster that was killed
	endingPatience = time.Second      // for a daemon that was killed just now
	firstPause     = 100 * time.Millisecond
	longestPause   = 30 * time.Second
	steadyUptime   = time.Minute // who ran as long starts again after firstPause
	readyInterval  = 10 * time.Millisecond
)

// Config says where the server lives.
type Config struct {
	// DataDir is the appliance's data directory; the cluster lives in its
	// folder "postgres". It is made where it is missing.
	DataDir string

	// BinDir holds postgres and initdb. Empty: they are searched for in PATH
	// and where packages put them.
	BinDir string

	// Settings are Postgres parameters that win over all others. They are
	// for tests: an operator's place is postgresql.conf.
	Settings map[string]string
}

// Server is a running Postgres server and whoever looks after it. Its methods
// may be called from any goroutine.
type Server struct {
	cfg     Config
	log     *slog.Logger
	dir     string // the cluster
	sockets string // the folder of its socket
	user    account
	bin     binaries
	lock    *os.File

	stop    chan context.Context
	stopped chan struct{} // closed when supervise has ended
	err     error         // of the stop; read after stopped
}

// Start returns when the server accepts connections and its database exists.
// The first start makes the cluster, which takes about a second more. A
// server that was left running by a killed daemon is stopped first. ctx ends
// the start, not the server: that runs until Stop.
func Start(ctx context.Context, cfg Config, log *slog.Logger) (*Server, error) {
	s := &Server{cfg: cfg, log: log, stop: make(chan context.Context), stopped: make(chan struct{})}
	p, err := s.start(ctx)
	if err != nil {
		if s.lock != nil {
			unlock(s.lock)
		}
		return nil, err
	}
	go s.supervise(p)
	return s, nil
}

func (s *Server) start(ctx context.Context) (*process, error) {
	if err := s.settle(ctx); err != nil {
		return nil, err
	}
	if err := s.stopLeftover(ctx); err != nil {
		return nil, err
	}
	p, err := s.launchReady(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.createDatabase(ctx); err != nil {
		return nil, errors.Join(err, p.shutdown(ctx, s.log))
	}
	return p, nil
}

// settle finds or makes all that a start needs, and takes the lock.
func (s *Server) settle(ctx context.Context) (err error) {
	dataDir, err := prepareDataDir(s.cfg.DataDir)
	if err != nil {
		return err
	}
	if s.lock, err = lockFile(filepath.Join(dataDir, "postgres.lock")); err != nil {
		return err
	}
	s.dir = filepath.Join(dataDir, "postgres")
	major, err := clusterMajor(s.dir)
	if err != nil {
		return err
	}
	if s.bin, err = findBinaries(ctx, s.cfg.BinDir, s.dir, major); err != nil {
		return err
	}
	if s.user, err = chooseAccount(s.dir, major != 0); err != nil {
		return err
	}
	if err = s.user.checkReach(ctx, dataDir, s.bin.postgres()); err != nil {
		return err
	}
	if major == 0 {
		if err = s.createCluster(ctx); err != nil {
			return err
		}
	}
	s.sockets, err = socketDir(s.dir, s.user)
	return err
}

// launchReady launches the server and waits until it accepts connections. It
// waits, too, for the last backends of a postmaster that was killed.
func (s *Server) launchReady(ctx context.Context) (*process, error) {
	for begun := time.Now(); ; {
		p, err := s.launch()
		if err != nil {
			return nil, err
		}
		if err = s.awaitReady(ctx, p); err == nil {
			return p, nil
		}
		if !p.log.lockHeld() || time.Since(begun) > lockPatience {
			return nil, err
		}
		time.Sleep(firstPause)
	}
}

// launch starts the server's process.
func (s *Server) launch() (*process, error) {
	if err := writeSettings(s.dir, s.user); err != nil {
		return nil, err
	}
	s.log.Info("starting postgres", "version", s.bin.version, "data", s.dir, "run_as", s.user.name)
	args := []string{"-D", s.dir}
	for _, setting := range s.forcedSettings() {
		args = append(args, "-c", setting)
	}
	return startProcess(s.user.command(context.Background(), s.bin.postgres(), args...), s.log)
}

// awaitReady returns nil when p accepts connections. Crash recovery may take
// its time; ctx, or the end of p, ends the wait.
func (s *Server) awaitReady(ctx context.Context, p *process) error {
	tick := time.NewTicker(readyInterval)
	defer tick.Stop()
	for {
		if pid, ready := readPostmasterPID(s.dir); ready && pid == p.pid() {
			return nil
		}
		select {
		case <-p.exited:
			return p.reason()
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("start: %w", context.Cause(ctx)), p.shutdown(context.WithoutCancel(ctx), s.log))
		case <-tick.C:
		}
	}
}

func (s *Server) createDatabase(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, s.url("postgres"))
	if err != nil {
		return fmt.Errorf("database %s: %w", database, err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	var exists bool
	err = conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)`, database).Scan(&exists)
	if err == nil && !exists {
		_, err = conn.Exec(ctx, "CREATE DATABASE "+database)
	}
	if err != nil {
		return fmt.Errorf("database %s: %w", database, err)
	}
	return nil
}

// supervise starts the server again whenever it dies, after a growing pause,
// until Stop. It never gives up: the appliance spools while Postgres is away.
func (s *Server) supervise(p *process) {
	defer close(s.stopped)
	defer unlock(s.lock)
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		select {
		case ctx := <-s.stop:
			s.err = p.shutdown(ctx, s.log)
			return
		case <-p.exited:
		}
		if p.uptime() > steadyUptime {
			pause = firstPause
		}
		s.log.Error("postgres died", "error", p.reason(), "restart_in", pause)
		select {
		case <-s.stop:
			return
		case <-time.After(pause):
		}
		p = s.relaunch()
	}
}

// relaunch returns a process that has ended already where none could be
// launched.
func (s *Server) relaunch() *process {
	err := s.stopLeftover(context.Background())
	if err == nil {
		var p *process
		if p, err = s.launch(); err == nil {
			return p
		}
	}
	return stillborn(err)
}

// URL is for pgx: the database, as its owner.
func (s *Server) URL() string { return s.url(database) }

func (s *Server) url(name string) string {
	query := url.Values{"host": {s.sockets}, "port": {strconv.Itoa(port)}}.Encode()
	return "postgres://" + database + "@/" + name + "?" + strings.ReplaceAll(query, "+", "%20")
}

// PsqlCommand is the command line that opens the database, for root or the
// user that the server runs as.
func (s *Server) PsqlCommand() string {
	return fmt.Sprintf("psql -h %s -U %s %s", shellQuote(s.sockets), database, database)
}

func shellQuote(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return !strings.ContainsRune(shellSafe, r) }) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

const shellSafe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+:@%="

// Stop ends the server and returns when no process of it is left. Clients are
// cut off and a checkpoint is written, so that the next start is quick. When
// ctx ends before that, or after 30 s, it is ended at once, which loses
// nothing but makes the next start recover.
func (s *Server) Stop(ctx context.Context) error {
	select {
	case s.stop <- ctx:
	case <-s.stopped:
	}
	<-s.stopped
	return s.err
}
