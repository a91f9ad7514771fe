package site

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pdaltagent/pdaltagent/migrations/embedded"
)

// answerWithin bounds how long a database may take to accept a connection.
const answerWithin = 10 * time.Second

// OpenDatabase connects to the database at url or, where that is empty, to the
// embedded one under dataDir, which pdagentd must be running. The database must
// have this version's schema.
func OpenDatabase(ctx context.Context, url, dataDir string) (*pgxpool.Pool, error) {
	own := url == ""
	if own {
		var err error
		if url, err = embedded.Find(dataDir); err != nil {
			return nil, err
		}
	}
	conf, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("database.url: %w; write postgres://USER@HOST/DATABASE", err)
	}
	conf.MaxConns = 4
	pool, err := pgxpool.NewWithConfig(ctx, conf)
	if err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	if err := complete(ctx, pool); err != nil {
		pool.Close()
		if _, incomplete := errors.AsType[*incompleteError](err); incomplete {
			return nil, err
		}
		if own && (errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENOENT)) {
			return nil, embedded.NotRunning(conf.ConnConfig.Host)
		}
		return nil, fmt.Errorf("the database at %s:%d cannot be reached; check database.url (or DATABASE_URL) and that Postgres is up: %w",
			conf.ConnConfig.Host, conf.ConnConfig.Port, err)
	}
	return pool, nil
}

// incompleteError says that a database lacks what this version needs.
type incompleteError struct{ fault *pgconn.PgError }

// Error names the mend.
func (e *incompleteError) Error() string {
	return "the database has not this version's schema: run 'pdagentd migrate', or start this version's pdagentd (" + e.fault.Message + ")"
}

// complete tells whether the newest of what is looked at and changed is there.
func complete(ctx context.Context, pool *pgxpool.Pool) error {
	_, err := pool.Exec(ctx, `SELECT intervention_id FROM deliveries LIMIT 0`)
	if fault, ok := errors.AsType[*pgconn.PgError](err); ok && (fault.Code == "42P01" || fault.Code == "42703") { // no such table, no such column
		return &incompleteError{fault}
	}
	return err
}
