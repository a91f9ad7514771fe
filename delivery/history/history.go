// Package history owns the SQL of the delivery history: events, alerts,
// deliveries and attempts, their partitions and their retention. What comes in
// are the events of a batch or the attempts of one; what goes out are the
// deliveries that may go now. What it promises: all of a batch is written in
// the caller's transaction by a fixed number of statements, however large the
// batch, and writing a batch again after an ambiguous commit changes nothing.
package history

import (
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pdaltagent/pdaltagent/delivery"
)

// Config is the history section of the configuration.
type Config struct {
	// Keep is how long events, attempts, settled deliveries and resolved
	// alerts are kept.
	Keep time.Duration
}

// History writes and reads the delivery history. Its methods may be called
// from any goroutine.
type History struct {
	pool   *pgxpool.Pool
	routes *delivery.Routes
	keep   time.Duration
	logger *slog.Logger
	days   days
}

// New returns the history in the database of pool, which must have been
// migrated.
func New(pool *pgxpool.Pool, routes *delivery.Routes, config Config, logger *slog.Logger) *History {
	return &History{
		pool: pool, routes: routes, keep: config.Keep, logger: logger,
		days: days{known: map[string]bool{}},
	}
}
