package pgtest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pdaltagent/pdaltagent/migrations"
	"github.com/pdaltagent/pdaltagent/migrations/embedded"
)

// dirPrefix begins the names of our servers' folders; the test process's id follows.
const dirPrefix = "pdaltagent-pgtest-"

// server is where the databases are. It starts on first use.
type server struct {
	once sync.Once
	err  error

	base    url.URL          // of a database to administer from
	prefix  string           // of the databases' names, so that processes can share a server
	private *embedded.Server // nil: it is not ours
	dir     string           // the private server's

	numbers atomic.Int64

	mu   sync.Mutex
	conn *pgx.Conn // to base; nil until it is needed
}

// start starts the server, once, and prepares the template.
func (s *server) start() error {
	s.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		s.prefix = fmt.Sprintf("pgtest_%d_%x", os.Getpid(), time.Now().UnixNano())
		address := os.Getenv("PDALTAGENT_TEST_DATABASE_URL")
		if address == "" {
			address, s.err = s.startPrivate(ctx)
		}
		if s.err == nil {
			s.err = s.prepare(ctx, address)
		}
	})
	return s.err
}

// startPrivate starts a server in a folder that the user that it runs as can
// reach, which testing's own temporary folders are not when we are root.
func (s *server) startPrivate(ctx context.Context) (string, error) {
	sweep()
	dir, err := os.MkdirTemp("", dirPrefix+strconv.Itoa(os.Getpid())+"-")
	if err != nil {
		return "", err
	}
	s.dir = dir
	if err := os.Chmod(dir, 0o711); err != nil { // Postgres' user must pass
		return "", err
	}
	settings := map[string]string{"max_connections": "300"}
	if os.Getenv("PDALTAGENT_TEST_FSYNC") != "on" {
		settings["fsync"] = "off"
		settings["full_page_writes"] = "off"
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	s.private, err = embedded.Start(ctx, embedded.Config{DataDir: dir, Settings: settings}, log)
	if err != nil {
		return "", err
	}
	return s.private.URL(), nil
}

// prepare makes the template that all databases are copied from.
func (s *server) prepare(ctx context.Context, address string) error {
	base, err := url.Parse(address)
	if err != nil || !strings.HasPrefix(base.Scheme, "postgres") {
		return errors.New("PDALTAGENT_TEST_DATABASE_URL must be like postgres://user@host/database")
	}
	s.base = *base
	if err := s.exec(ctx, "CREATE DATABASE "+s.template()); err != nil {
		return err
	}
	if err := migrations.Up(ctx, s.url(s.template())); err != nil {
		return fmt.Errorf("template: %w", err)
	}
	return nil
}

func (s *server) template() string { return s.prefix + "_template" }

func (s *server) url(name string) string { return withDatabase(s.base, name) }

// create makes a database and returns its name.
func (s *server) create(migrated bool) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	template := "template0"
	if migrated {
		template = s.template()
	}
	name := fmt.Sprintf("%s_%d", s.prefix, s.numbers.Add(1))
	return name, s.exec(ctx, "CREATE DATABASE "+name+" TEMPLATE "+template)
}

// drop removes a database, whoever is still connected to it.
func (s *server) drop(name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return s.exec(ctx, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
}

// exec runs a statement on a connection that is kept, since connecting costs as
// much as most of them. It has no goroutine that a check for leaks would find.
func (s *server) exec(ctx context.Context, sql string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == nil || s.conn.IsClosed() {
		conn, err := pgx.Connect(ctx, s.base.String())
		if err != nil {
			return err
		}
		s.conn = conn
	}
	if _, err := s.conn.Exec(ctx, sql); err != nil {
		return fmt.Errorf("%s: %w", sql, err)
	}
	return nil
}

// stop leaves nothing of what start made.
func (s *server) stop() error {
	var errs []error
	if s.conn != nil {
		errs = append(errs, s.drop(s.template()), s.conn.Close(context.Background()))
	}
	if s.private != nil {
		errs = append(errs, s.private.Stop(context.Background()))
	}
	if s.dir != "" {
		errs = append(errs, os.RemoveAll(s.dir))
	}
	return errors.Join(errs...)
}

// sweep removes the folders of test processes that were killed. What another
// sweeps at the same time, or another user owns, is not worth a word.
func sweep() {
	dirs, err := filepath.Glob(filepath.Join(os.TempDir(), dirPrefix+"*"))
	if err != nil {
		return
	}
	for _, dir := range dirs {
		id, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), dirPrefix), "-")
		pid, err := strconv.Atoi(id)
		if err != nil || !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			continue
		}
		if old(dir) {
			_ = os.RemoveAll(dir)
		}
	}
}

// old reports whether dir's server was started a while ago. One that lost its
// parent has shut down by then.
func old(dir string) bool {
	info, err := os.Stat(filepath.Join(dir, "postgres", "postmaster.pid"))
	if errors.Is(err, fs.ErrNotExist) {
		info, err = os.Stat(dir)
	}
	return err == nil && time.Since(info.ModTime()) > time.Minute
}
