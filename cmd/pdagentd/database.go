package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pdaltagent/pdaltagent/migrations"
	"github.com/pdaltagent/pdaltagent/migrations/embedded"
)

// database is the pool, and the server under it where that is ours.
type database struct {
	pool   *pgxpool.Pool
	server *embedded.Server // nil: somebody else's
	psql   string           // the command that opens it
}

// patience is how long a database of somebody else's may be away at start.
const patience = 30 * time.Second

// openDatabase starts the embedded server, or waits for the configured one,
// and brings it to this version's schema.
func openDatabase(ctx context.Context, c *config, logger *slog.Logger) (*database, error) {
	db := &database{}
	url := c.Database.URL
	if url == "" {
		if err := os.MkdirAll(c.DataDir, 0o755); err != nil { //nolint:gosec // the server's own user must get through
			return nil, fmt.Errorf("data_dir: %w", err)
		}
		server, err := embedded.Start(ctx, embedded.Config{DataDir: c.DataDir}, logger)
		if err != nil {
			return nil, fmt.Errorf("embedded postgres: %w", err)
		}
		db.server, db.psql, url = server, server.PsqlCommand(), server.URL()
	}
	if err := db.connect(ctx, url, logger); err != nil {
		return nil, errors.Join(err, db.close())
	}
	return db, nil
}

func (db *database) connect(ctx context.Context, url string, logger *slog.Logger) error {
	conf, err := pgxpool.ParseConfig(url)
	if err != nil {
		return fmt.Errorf("database.url: %w", err)
	}
	if db.psql == "" {
		db.psql = fmt.Sprintf("psql -h %s -p %d -U %s %s", conf.ConnConfig.Host, conf.ConnConfig.Port, conf.ConnConfig.User, conf.ConnConfig.Database)
	}
	conf.MaxConns = poolSize
	if err := await(ctx, conf.ConnConfig, logger); err != nil {
		return err
	}
	if err := migrations.Up(ctx, url); err != nil {
		return err
	}
	db.pool, err = pgxpool.NewWithConfig(ctx, conf)
	return err
}

// poolSize bounds the connections besides the queue's own: to commit, to
// look after partitions, and for whoever asks.
const poolSize = 6

// await returns when the database answers, or says why it does not.
func await(ctx context.Context, conf *pgx.ConnConfig, logger *slog.Logger) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		conn, err := pgx.ConnectConfig(ctx, conf)
		if err == nil {
			return conn.Close(ctx)
		}
		if ctx.Err() != nil {
			return fmt.Errorf("database at %s:%d cannot be reached; check database.url (or DATABASE_URL) and that Postgres is up, or leave it empty for the embedded one: %w",
				conf.Host, conf.Port, err)
		}
		logger.Warn("the database cannot be reached and is tried again: check database.url and that Postgres is up",
			"host", conf.Host, "port", conf.Port, "error", err)
		select {
		case <-time.After(2 * time.Second):
		case <-ctx.Done():
		}
	}
}

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
	c, _, err := loadConfig(file, os.LookupEnv)
	if err != nil {
		return err
	}
	db, err := openDatabase(ctx, c, logger)
	if err != nil {
		return err
	}
	logger.Info("the database has this version's schema")
	return db.close()
}
