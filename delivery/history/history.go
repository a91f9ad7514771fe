// Package history owns the SQL of the delivery history: events, alerts,
// deliveries and attempts, their partitions and their retention. What comes in
// are the events of a batch or the attempts of one; what goes out are the
// deliveries that may go now, each with the job that makes it go. What it
// promises: a batch is one transaction, of two round trips and a fixed number
// of statements, however large it is, and writing a batch again after an
// ambiguous commit changes nothing.
package history

import (
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pdaltagent/pdaltagent/delivery"
)

// Config is the history section of the configuration.
type Config struct {
	// Keep is how long events, attempts, settled deliveries and resolved
	// alerts are kept.
	Keep time.Duration

	// Jobs is the statement that gives each row of ready (id uuid, priority
	// smallint) its job, as the tail of a WITH; it is run in the
	// transaction that makes a delivery ready. Empty: none is given.
	Jobs string

	// Collapse says that a trigger and its resolve which both wait are not
	// sent.
	Collapse bool

	// Recall is the statement that takes back those jobs whose ids are the
	// job_id of pairs and that wait to be tried again, and returns their ids,
	// as a part of a WITH. Empty: none is taken back.
	Recall string

	// End is the statement that ends the jobs $1 (bigint[]), where their
	// deliveries come to wait again or are dead; it is run in the
	// transaction that says so, so that no job is left that would send a
	// delivery which gets another. Empty: none is ended.
	End string

	// Announce is run at the end of such a transaction; empty: nothing is.
	Announce string
}

// History writes and reads the delivery history. Its methods may be called
// from any goroutine.
type History struct {
	pool   *pgxpool.Pool
	routes *delivery.Routes
	config Config
	logger *slog.Logger
	days   days
	rows   sync.Pool // *copyRows
	calm   calm
}

// New returns the history in the database of pool, which must have been
// migrated.
func New(pool *pgxpool.Pool, routes *delivery.Routes, config Config, logger *slog.Logger) *History {
	return &History{
		pool: pool, routes: routes, config: config, logger: logger,
		days: days{known: map[string]bool{}},
	}
}
