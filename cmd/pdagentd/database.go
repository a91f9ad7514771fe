package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pdaltagent/pdaltagent/migrations"
	"github.com/pdaltagent/pdaltagent/migrations/embedded"
)

// database is the pool, and the server under it where that is ours.
type database struct {
	pool   *pgxpool.Pool
	server *embedded.Server // nil: somebody else's
	psql   string           // the command that opens it
	url    string
}

// How long a database of somebody else's may be away when it is to be migrated,
// and how long it may take to answer. A migration takes the time that it takes.
const (
	patience     = 30 * time.Second
	answerWithin = 10 * time.Second
)

// openDatabase starts the embedded server and brings it to this version's
// schema. A configured one may be away: see prepare.
func openDatabase(ctx context.Context, c *config, logger *slog.Logger) (*database, error) {
	db := &database{url: c.Database.URL}
	if db.url == "" {
		if err := os.MkdirAll(c.DataDir, 0o755); err != nil { //nolint:gosec // the server's own user must get through
			return nil, fmt.Errorf("data_dir: %w", err)
		}
		if err := notMoved(c.DataDir); err != nil {
			return nil, err
		}
		server, err := embedded.Start(ctx, embedded.Config{DataDir: c.DataDir}, logger)
		if err != nil {
			return nil, fmt.Errorf("embedded postgres: %w", err)
		}
		db.server, db.psql, db.url = server, server.PsqlCommand(), server.URL()
	}
	if err := db.connect(ctx); err != nil {
		return nil, errors.Join(err, db.close())
	}
	return db, nil
}

// connect makes the pool; of a database that is not ours nothing is asked yet.
func (db *database) connect(ctx context.Context) error {
	conf, err := pgxpool.ParseConfig(db.url)
	if err != nil {
		return fmt.Errorf("database.url: %w", err)
	}
	if db.psql == "" {
		db.psql = fmt.Sprintf("psql -h %s -p %d -U %s %s", conf.ConnConfig.Host, conf.ConnConfig.Port, conf.ConnConfig.User, conf.ConnConfig.Database)
	}
	conf.MaxConns = poolSize
	if db.server != nil {
		if err := migrations.Up(ctx, db.url); err != nil {
			return err
		}
	}
	db.pool, err = pgxpool.NewWithConfig(ctx, conf)
	return err
}

// prepare brings a database that is not ours to this version's schema. While
// it is away, that fails: what is received meanwhile is spooled.
func (db *database) prepare(ctx context.Context) error {
	if db.server != nil {
		return nil // it was, when it started
	}
	answer, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	if err := db.pool.Ping(answer); err != nil {
		return fmt.Errorf("database at %s cannot be reached; check database.url (or DATABASE_URL) and that Postgres is up: %w", db.address(), err)
	}
	return migrations.Up(ctx, db.url)
}

// isNewer tells whether err is that the database is of a newer program, which
// no waiting changes.
func isNewer(err error) bool {
	_, newer := errors.AsType[*migrations.NewerError](err)
	return newer
}

func (db *database) address() string {
	conf := db.pool.Config().ConnConfig
	return fmt.Sprintf("%s:%d", conf.Host, conf.Port)
}

// poolSize bounds the connections besides the queue's own: to commit, to
// look after partitions, and for whoever asks.
const poolSize = 6

// close closes the pool and stops the server if it is ours.
func (db *database) close() error {
	if db.pool != nil {
		db.pool.Close()
	}
	if db.server == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return db.server.Stop(ctx)
}

// migrateCommand brings the database to this version's schema.
func migrateCommand(ctx context.Context, file string, logger *slog.Logger) error {
	c, _, err := openConfig(file, os.LookupEnv)
	if err != nil {
		return err
	}
	db, err := openDatabase(ctx, c, logger)
	if err != nil {
		return err
	}
	until := time.Now().Add(patience)
	for err = db.prepare(ctx); err != nil && !isNewer(err) && time.Now().Before(until); err = db.prepare(ctx) {
		logger.Warn("the database is not ready and is tried again", "error", err)
		if !pause(ctx, 2*time.Second) {
			break
		}
	}
	if err == nil {
		logger.Info("the database has this version's schema")
	}
	return errors.Join(err, db.close())
}
