package migrations

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5"
)

// Copied is a table, and how many rows of it were copied.
type Copied struct {
	Table string // with its schema, where that is not public
	Rows  int64
}

// OccupiedError says that a database that should be empty is not.
type OccupiedError struct{ Table string }

// Error names the mend.
func (e *OccupiedError) Error() string {
	return fmt.Sprintf("the database is not empty: there is something in table %s; name one that was made for this (CREATE DATABASE)", e.Table)
}

// Copy brings the empty database at to to this version's schema, which the one
// at from must have, and copies every row there. Nothing may write to either
// meanwhile. It copies in one transaction, whose rows it counts on both sides: after an
// error there is nothing in it but tables, and it may be called again. The
// error is an *OccupiedError where something was there before.
func Copy(ctx context.Context, from, to string) (copied []Copied, err error) {
	source, err := pgx.Connect(ctx, from)
	if err != nil {
		return nil, fmt.Errorf("database to copy from: %w", err)
	}
	defer func() { _ = source.Close(context.WithoutCancel(ctx)) }()
	target, err := pgx.Connect(ctx, to)
	if err != nil {
		return nil, fmt.Errorf("database to copy to: %w", err)
	}
	defer func() { _ = target.Close(context.WithoutCancel(ctx)) }()
	c := &copying{source: source, target: target}
	if c.tables, err = c.list(ctx); err != nil {
		return nil, fmt.Errorf("tables: %w", err)
	}
	if err := c.vacant(ctx); err != nil {
		return nil, err
	}
	if err := Up(ctx, to); err != nil {
		return nil, err
	}
	err = pgx.BeginTxFunc(ctx, source, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(pgx.Tx) error {
		return pgx.BeginFunc(ctx, target, func(pgx.Tx) error {
			copied, err = c.all(ctx)
			return err
		})
	})
	if err == nil {
		_, err = target.Exec(ctx, "ANALYZE")
	}
	return copied, err
}

// copying copies between two connections.
type copying struct {
	source, target *pgx.Conn
	tables         []copyTable
}

// copyTable is a table to copy.
type copyTable struct {
	Schema, Name string
	Columns      string // quoted, and parted by commas
}

func (t copyTable) sql() string { return pgx.Identifier{t.Schema, t.Name}.Sanitize() }

func (t copyTable) String() string {
	if t.Schema == "public" {
		return t.Name
	}
	return t.Schema + "." + t.Name
}

// ours are the tables that hold something: not the partitions of others, not
// the versions of the schema, not what is unlogged since it is about programs that run.
const ours = `c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence = 'p'
	AND n.nspname IN ('public', '` + RiverSchema + `') AND c.relname NOT IN ('goose_db_version', 'river_migration')`

// list returns the tables to copy.
func (c *copying) list(ctx context.Context) ([]copyTable, error) {
	rows, err := c.source.Query(ctx, `SELECT n.nspname, c.relname, (SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum)
			FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = '')
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE `+ours+` ORDER BY 1, 2`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[copyTable])
}

// vacant is an error unless the target has no tables, or ours without a row.
func (c *copying) vacant(ctx context.Context) error {
	known := map[copyTable]bool{}
	for _, t := range c.tables {
		known[copyTable{Schema: t.Schema, Name: t.Name}] = true
	}
	rows, err := c.target.Query(ctx, `SELECT n.nspname, c.relname, '' FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE `+ours+` ORDER BY 1, 2`)
	if err != nil {
		return err
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[copyTable])
	if err != nil {
		return err
	}
	for _, t := range found {
		occupied := !known[t]
		if !occupied {
			if err := c.target.QueryRow(ctx, "SELECT EXISTS (SELECT FROM "+t.sql()+")").Scan(&occupied); err != nil {
				return err
			}
		}
		if occupied {
			return &OccupiedError{Table: t.String()}
		}
	}
	return nil
}

// all copies partitions, rows and sequences.
func (c *copying) all(ctx context.Context) (copied []Copied, err error) {
	for _, conn := range []*pgx.Conn{c.source, c.target} { // so that one reads what the other writes
		if _, err := conn.Exec(ctx, "SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO'; SET LOCAL IntervalStyle = 'postgres'; SET LOCAL extra_float_digits = 1"); err != nil {
			return nil, err
		}
	}
	if err := c.each(ctx, `SELECT format('CREATE TABLE IF NOT EXISTS %I.%I PARTITION OF %I.%I %s', n.nspname, c.relname, pn.nspname, p.relname, pg_get_expr(c.relpartbound, c.oid))
		FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_namespace n ON n.oid = c.relnamespace
		JOIN pg_class p ON p.oid = i.inhparent JOIN pg_namespace pn ON pn.oid = p.relnamespace WHERE c.relkind = 'r' AND c.relispartition ORDER BY 1`); err != nil {
		return nil, fmt.Errorf("partitions: %w", err)
	}
	for _, t := range c.tables {
		n, err := c.table(ctx, t)
		if err != nil {
			return nil, fmt.Errorf("table %s: %w", t, err)
		}
		copied = append(copied, Copied{Table: t.String(), Rows: n})
	}
	if err := c.each(ctx, `SELECT format('SELECT setval(%L, %s)', format('%I.%I', schemaname, sequencename), last_value)
		FROM pg_sequences WHERE schemaname IN ('public', '`+RiverSchema+`') AND last_value IS NOT NULL AND sequencename NOT LIKE 'goose%'`); err != nil {
		return nil, fmt.Errorf("sequences: %w", err)
	}
	return copied, nil
}

// each runs the statements on the target that a query of the source makes.
func (c *copying) each(ctx context.Context, query string) error {
	rows, err := c.source.Query(ctx, query)
	if err != nil {
		return err
	}
	statements, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, s := range statements {
		if _, err := c.target.Exec(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// table copies the rows of a table, and counts them where they are.
func (c *copying) table(ctx context.Context, t copyTable) (rows int64, err error) {
	r, w := io.Pipe()
	read := make(chan error, 1)
	go func() {
		tag, err := c.source.PgConn().CopyTo(ctx, w, "COPY (SELECT "+t.Columns+" FROM "+t.sql()+") TO STDOUT")
		rows = tag.RowsAffected()
		_ = w.CloseWithError(err) // nil: the end
		read <- err
	}()
	_, err = c.target.PgConn().CopyFrom(ctx, r, "COPY "+t.sql()+" ("+t.Columns+") FROM STDIN")
	_ = r.CloseWithError(err)
	if err := errors.Join(<-read, err); err != nil {
		return 0, err
	}
	var found int64
	if err := c.target.QueryRow(ctx, "SELECT count(*) FROM "+t.sql()).Scan(&found); err != nil {
		return 0, err
	}
	if found != rows {
		return 0, fmt.Errorf("%d rows were read, and %d are there", rows, found)
	}
	return rows, nil
}
