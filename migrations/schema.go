package migrations

import (
	"context"
	"fmt"
	"io/fs"
	"slices"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/pressly/goose/v3"
)

// Schema is the version of a database's schema: that of the delivery history,
// and that of River's tables. What has no tables yet is 0.
type Schema struct{ History, River int }

// String names both versions.
func (s Schema) String() string { return fmt.Sprintf("schema %d (River's %d)", s.History, s.River) }

// Newest is the schema that Up brings a database to.
func Newest() (s Schema, err error) {
	names, err := fs.Glob(files, "sql/*.sql")
	if err != nil {
		return s, err
	}
	newest, err := goose.NumericComponent(slices.Max(names))
	if err != nil {
		return s, err
	}
	migrator, err := newMigrator(nil)
	if err != nil {
		return s, err
	}
	s.History = int(newest)
	for _, m := range migrator.AllVersions() {
		s.River = max(s.River, m.Version)
	}
	return s, nil
}

// NewerError says that a newer program has migrated the database, which was
// left as it is.
type NewerError struct{ Database, Program Schema }

// Error names the mend.
func (e *NewerError) Error() string {
	return fmt.Sprintf("the database has %s, and this program knows up to %s: a newer pdagentd has migrated it; "+
		"install that one again ('pdagentd version' says which schema it knows), or restore a backup from before the upgrade; nothing was changed",
		e.Database, e.Program)
}

// refuseNewer is a *NewerError where the database is newer than this program:
// what it would write there may not be what a newer one understands.
func refuseNewer(ctx context.Context, pool *pgxpool.Pool) error {
	program, err := Newest()
	if err != nil {
		return err
	}
	var database Schema
	if database.History, err = applied(ctx, pool, "goose_db_version", "version_id"); err != nil {
		return err
	}
	if database.River, err = applied(ctx, pool, RiverSchema+".river_migration", "version"); err != nil {
		return err
	}
	if database.History > program.History || database.River > program.River {
		return &NewerError{Database: database, Program: program}
	}
	return nil
}

// applied returns the newest version that a table of migrations names; 0 where
// there is no such table yet.
func applied(ctx context.Context, pool *pgxpool.Pool, table, column string) (version int, err error) {
	var exists bool
	if err := pool.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", table).Scan(&exists); err != nil || !exists {
		return 0, err
	}
	err = pool.QueryRow(ctx, "SELECT coalesce(max("+column+"), 0) FROM "+table).Scan(&version)
	return version, err
}
