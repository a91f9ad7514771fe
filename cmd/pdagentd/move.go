package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pdaltagent/pdaltagent/migrations"
)

func moveSubcommand() subcommand {
	return subcommand{
		name: "move", usage: "--to URL", short: "move the embedded database to a Postgres of yours", config: true,
		long: "Copies all that the embedded Postgres holds (events, alerts, deliveries and their jobs) into an empty database,\n" +
			"counts it there, and says what to write into the configuration. pdagentd must be stopped. The embedded Postgres\n" +
			"keeps what it had, but pdagentd does not run on it any more. What is spooled stays in data_dir, and is committed\n" +
			"to the new database. A password is better kept out of the URL: PGPASSWORD and ~/.pgpass are used.",
		prepare: func(flags *flag.FlagSet) func(context.Context, call) error {
			to := flags.String("to", "", "the `URL` of an empty database: postgres://USER@HOST/DATABASE")
			return func(ctx context.Context, in call) error {
				if *to == "" {
					return usageError("--to is missing: write --to postgres://USER@HOST/DATABASE")
				}
				return moveCommand(ctx, in, *to)
			}
		},
	}
}

func moveCommand(ctx context.Context, in call, to string) error {
	c, used, err := openConfig(in.config, os.LookupEnv)
	if err != nil {
		return err
	}
	if err := movable(ctx, c, to); err != nil {
		return err
	}
	logger := slog.New(slog.NewTextHandler(in.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	db, err := openDatabase(ctx, c, logger)
	if err != nil {
		return err
	}
	began := time.Now()
	copied, err := migrations.Copy(ctx, db.url, to)
	if err == nil {
		err = leaveMoved(c.DataDir, to)
	}
	if err = errors.Join(err, db.close()); err != nil {
		return fmt.Errorf("move to %s: %w; pdagentd may run on as before", redacted(to), err)
	}
	tellMoved(in.stdout, copied, c, used, to, time.Since(began))
	return nil
}

// movable is an error where there is nothing to move, or nowhere to.
func movable(ctx context.Context, c *config, to string) error {
	if c.Database.URL != "" {
		return fmt.Errorf("database.url (or DATABASE_URL) is set, to %s: pdagentd runs on that database already, and not on the embedded one; to move it use pg_dump and pg_restore", redacted(c.Database.URL))
	}
	if err := notMoved(c.DataDir); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(c.DataDir, "postgres", "PG_VERSION")); err != nil {
		return fmt.Errorf("data_dir %s has no embedded Postgres: there is nothing to move; write the URL into database.url", c.DataDir)
	}
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	if _, err := pgx.ParseConfig(to); err != nil {
		return fmt.Errorf("--to: %s is no URL of a database: write postgres://USER@HOST/DATABASE", redacted(to))
	}
	conn, err := pgx.Connect(ctx, to)
	if err != nil {
		return unreached(to, err)
	}
	return conn.Close(ctx)
}

// unreached says why a database cannot be moved to, in one line, and the mend.
func unreached(to string, err error) error {
	refused, ok := errors.AsType[*pgconn.PgError](err)
	switch {
	case ok && refused.Code == noSuchDatabase:
		return fmt.Errorf("--to: %s: %s: make it with createdb, owned by that user", redacted(to), refused.Message)
	case ok:
		return fmt.Errorf("--to: %s refuses: %s; is it the right user, and does pg_hba.conf let it in from here?", redacted(to), refused.Message)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("--to: %s cannot be reached, as nobody listens there: is Postgres up, and does its listen_addresses allow it?", redacted(to))
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("--to: %s cannot be reached: no answer came within %s; is the address right, or does a firewall drop it?", redacted(to), answerWithin)
	}
	return fmt.Errorf("--to: %s cannot be reached; check its host and port: %s", redacted(to), strings.Join(strings.Fields(err.Error()), " "))
}

// noSuchDatabase is Postgres' code of a database that does not exist.
const noSuchDatabase = "3D000"

// redacted is a URL without its password.
func redacted(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme == "" {
		return "the database" // a connection string may hold its password anywhere
	}
	if query := u.Query(); query.Has("password") {
		query.Set("password", "xxxxx")
		u.RawQuery = query.Encode()
	}
	return u.Redacted()
}

// movedFile says where the embedded database was moved to. While it is there
// pdagentd does not run on that any more: what it holds would be sent twice.
func movedFile(dataDir string) string { return filepath.Join(dataDir, "postgres.moved") }

func leaveMoved(dataDir, to string) error {
	return os.WriteFile(movedFile(dataDir), []byte(redacted(to)+"\n"), 0o644) //nolint:gosec // it holds no password
}

// notMoved is an error where the embedded database was moved.
func notMoved(dataDir string) error {
	to, err := os.ReadFile(movedFile(dataDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("data_dir: %w", err)
	}
	where := strings.TrimSpace(string(to))
	return fmt.Errorf("the embedded database was moved to %s: set database.url to that; to run on the embedded one again, and to send again what it holds, remove %s",
		where, movedFile(dataDir))
}

// tellMoved says what was copied, and what to do next.
func tellMoved(w io.Writer, copied []migrations.Copied, c *config, used, to string, took time.Duration) {
	var b strings.Builder
	for _, t := range copied {
		if t.Rows > 0 {
			fmt.Fprintf(&b, "%12d  %s\n", t.Rows, t.Table)
		}
	}
	where := used
	if where == "" {
		where = "a configuration file, such as /etc/pdaltagent/pdagentd.yaml"
	}
	fmt.Fprintf(&b, "All rows are there, counted on both sides, after %s. Write into %s\n\ndatabase:\n  url: %s\n\n", took.Round(time.Millisecond), where, redacted(to))
	if redacted(to) != to {
		b.WriteString("with the password, and start pdagentd. ")
	} else {
		b.WriteString("and start pdagentd. ")
	}
	fmt.Fprintf(&b, "Remove %s when you trust the new database.\n", filepath.Join(c.DataDir, "postgres"))
	_, _ = io.WriteString(w, b.String()) // a closed terminal undoes nothing
}
