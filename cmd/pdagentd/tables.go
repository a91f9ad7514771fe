package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/pdaltagent/pdaltagent/mapping"
)

// Limits of a table's query.
const (
	queryWithin  = 30 * time.Second
	firstWithin  = 10 * time.Second // while rules wait for all of their tables
	maxTableRows = 1_000_000
)

// queryTables keeps those tables of the rules filled whose rows a query gives.
// After a failure a table keeps its rows.
type queryTables struct {
	pool    *pgxpool.Pool // of the history
	logger  *slog.Logger
	results *prometheus.CounterVec
	wait    sync.WaitGroup
	stop    context.CancelFunc // of the tables in use
}

func newQueryTables(pool *pgxpool.Pool, r prometheus.Registerer, logger *slog.Logger) *queryTables {
	q := &queryTables{pool: pool, logger: logger, stop: func() {}, results: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "pdaltagent_table_queries_total",
		Help: "Runs of the queries of tables, by the result: ok, or fault, after which a table keeps its rows.",
	}, []string{"table", "result"})}
	r.MustRegister(q.results)
	return q
}

// Use fills the tables of new rules, of which before takes over what it has,
// and keeps them filled from then on, in the place of those of earlier rules.
// It returns once each query was tried, or after firstWithin. It is not to be
// called from two goroutines.
func (q *queryTables) Use(ctx context.Context, before, rules *mapping.Rules) {
	tables := rules.Tables()
	if before != nil {
		tables.Inherit(before.Tables())
	}
	q.stop()
	keep, stop := context.WithCancel(context.WithoutCancel(ctx))
	q.stop = stop
	var first sync.WaitGroup
	for _, query := range tables.Queries() {
		first.Add(1)
		q.wait.Go(func() { q.keep(keep, tables, query, first.Done) })
	}
	tried := make(chan struct{})
	go func() { first.Wait(); close(tried) }()
	select {
	case <-tried:
	case <-time.After(firstWithin):
	case <-ctx.Done():
	}
}

// Close ends all queries.
func (q *queryTables) Close() {
	q.stop()
	q.wait.Wait()
}

// keep runs a query again and again. What goes wrong is logged when it begins,
// and when it becomes something else.
func (q *queryTables) keep(ctx context.Context, tables *mapping.Tables, query mapping.Query, tried func()) {
	ticker := time.NewTicker(query.Every)
	defer ticker.Stop()
	said := ""
	for {
		err := q.fill(ctx, tables, query)
		if ctx.Err() != nil {
			tried()
			return
		}
		switch {
		case err == nil && said != "":
			q.logger.Info("the table's query works again", "table", query.Table)
			said = ""
		case err != nil && err.Error() != said:
			said = err.Error()
			q.logger.Error("a table's query fails: it keeps the rows that it has", "table", query.Table, "at", query.Place.String(), "error", err)
		}
		result := "ok"
		if err != nil {
			result = "fault"
		}
		q.results.WithLabelValues(query.Table, result).Inc()
		tried()
		tried = func() {}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// fill runs a query once.
func (q *queryTables) fill(ctx context.Context, tables *mapping.Tables, query mapping.Query) error {
	ctx, cancel := context.WithTimeout(ctx, queryWithin)
	defer cancel()
	conn, release, err := q.connect(ctx, query)
	if err != nil {
		return err
	}
	defer release()
	columns, rows, err := selectRows(ctx, conn, query.SQL)
	if err != nil {
		return err
	}
	return tables.Replace(query.Table, columns, rows)
}

// connect returns a connection to the database of a query.
func (q *queryTables) connect(ctx context.Context, query mapping.Query) (_ *pgx.Conn, release func(), err error) {
	url := query.URL.Reveal()
	switch {
	case query.URLFile != "":
		text, err := os.ReadFile(query.URLFile)
		if err != nil {
			return nil, nil, fmt.Errorf("url_file: %w", err)
		}
		url = strings.TrimSpace(string(text))
	case query.URLEnv != "":
		if url = os.Getenv(query.URLEnv); url == "" {
			return nil, nil, fmt.Errorf("url_env: the environment has no %s", query.URLEnv)
		}
	}
	if url == "" {
		pooled, err := q.pool.Acquire(ctx)
		if err != nil {
			return nil, nil, err
		}
		return pooled.Conn(), pooled.Release, nil
	}
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, nil, err
	}
	return conn, func() { _ = conn.Close(context.WithoutCancel(ctx)) }, nil
}

// selectRows runs a query that can change nothing, and returns what it gives
// as text; null is empty.
func selectRows(ctx context.Context, conn *pgx.Conn, sql string) (columns []string, values [][]string, err error) {
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{AccessMode: pgx.ReadOnly})
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = cmp.Or(err, tx.Rollback(context.WithoutCancel(ctx))) }()
	rows, err := tx.Query(ctx, sql, pgx.QueryExecModeExec, pgx.QueryResultFormats{pgx.TextFormatCode})
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	for rows.Next() {
		if len(values) == maxTableRows {
			return nil, nil, fmt.Errorf("the query gives more than %d rows: select fewer", maxTableRows)
		}
		row := make([]string, len(rows.RawValues()))
		for i, v := range rows.RawValues() {
			row[i] = string(v)
		}
		values = append(values, row)
	}
	for _, field := range rows.FieldDescriptions() {
		columns = append(columns, field.Name)
	}
	return columns, values, rows.Err()
}
