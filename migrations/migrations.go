// Package migrations brings a database to the schema that this version needs:
// the delivery history in schema public, River's tables in schema river. What
// comes in is a Postgres URL; what it promises is that a database is either at
// the newest version afterwards or untouched by the step that failed, and that
// several nodes may call it at once.
package migrations

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

//go:embed sql/*.sql
var files embed.FS

// RiverSchema is the schema that River's tables live in.
const RiverSchema = "river"

// Up applies what the database at url lacks. A database that a newer program
// has migrated is left as it is: then the error is a *NewerError.
func Up(ctx context.Context, url string) error {
	pool, err := pgxpool.New(ctx, url)
	if err != nil {
		return fmt.Errorf("database: %w", err)
	}
	defer pool.Close()
	if err := refuseNewer(ctx, pool); err != nil {
		return err
	}
	if err := history(ctx, stdlib.OpenDBFromPool(pool)); err != nil {
		return fmt.Errorf("migrate history: %w", err)
	}
	if err := river(ctx, pool); err != nil {
		return fmt.Errorf("migrate river: %w", err)
	}
	return nil
}

func history(ctx context.Context, db *sql.DB) (err error) {
	defer func() {
		if e := db.Close(); err == nil {
			err = e
		}
	}()
	dir, err := fs.Sub(files, "sql")
	if err != nil {
		return err
	}
	const everySecond, forMinutes = 1, 300
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(everySecond, forMinutes))
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, dir,
		goose.WithSessionLocker(locker), goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return err
	}
	_, err = provider.Up(ctx)
	return err
}

// river applies River's migrations under an advisory lock, since River itself
// takes none.
func river(ctx context.Context, pool *pgxpool.Pool) error {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	const lockID = 0x7064616c74 // "pdalt"
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1)", lockID); err != nil {
		return err
	}
	defer conn.Exec(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock($1)", lockID) //nolint:errcheck // the session's end frees it too
	if _, err := conn.Exec(ctx, "CREATE SCHEMA IF NOT EXISTS "+RiverSchema); err != nil {
		return err
	}
	migrator, err := newMigrator(pool)
	if err != nil {
		return err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return err
	}
	_, err = conn.Exec(ctx, tuneRiver)
	return err
}

func newMigrator(pool *pgxpool.Pool) (*rivermigrate.Migrator[pgx.Tx], error) {
	return rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{
		Logger: slog.New(slog.DiscardHandler),
		Schema: RiverSchema,
	})
}

// tuneRiver drops the indexes that serve only searches by argument and by
// metadata, which nobody makes, and which cost every job of ours three times;
// and has vacuum keep up with a table whose rows live for seconds.
const tuneRiver = `
	DROP INDEX IF EXISTS ` + RiverSchema + `.river_job_args_index, ` + RiverSchema + `.river_job_metadata_index;
	ALTER TABLE ` + RiverSchema + `.river_job SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
		autovacuum_vacuum_cost_delay = 0, autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 100000)`
