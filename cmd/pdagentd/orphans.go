package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pdaltagent/pdaltagent/mapping"
)

// orphan is a rule that is no more, while alerts of it are open.
type orphan struct {
	Rule   string
	Alerts int
	Oldest time.Time
}

// Error says what to do.
func (o orphan) Error() string {
	return fmt.Sprintf("there is no rule %s any more, and %s open that it has opened, the oldest since %s: was it renamed? What ends them would have another dedup_key: "+
		"give the rule its old id, or a dedup_key that begins with it, or resolve them in PagerDuty", o.Rule, aCount(o.Alerts, "alert"), moment(o.Oldest))
}

func aCount(n int, noun string) string {
	if n == 1 {
		return "1 " + noun + " is"
	}
	return count(n, noun) + " are"
}

// findOrphans returns the rules that open alerts are of, and that rules lack.
func findOrphans(ctx context.Context, pool *pgxpool.Pool, rules *mapping.Rules) ([]orphan, error) {
	ctx, cancel := context.WithTimeout(ctx, firstWithin)
	defer cancel()
	rows, err := pool.Query(ctx, `SELECT rule, count(*)::int, min(first_at) FROM alerts
		WHERE status <> 'resolved' AND rule NOT IN ('', 'storm', 'self') GROUP BY rule ORDER BY rule`)
	if err != nil {
		return nil, err
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[orphan])
	var lost []orphan
	for _, o := range all {
		if !rules.Has(o.Rule) {
			lost = append(lost, o)
		}
	}
	return lost, err
}

// warnOfOrphans logs them. Where the database is away there is nothing to say.
func warnOfOrphans(ctx context.Context, pool *pgxpool.Pool, rules *mapping.Rules, logger *slog.Logger) {
	orphans, err := findOrphans(ctx, pool, rules)
	if err != nil {
		logger.Debug("open alerts were not compared with the rules", "error", err)
		return
	}
	for _, o := range orphans {
		logger.Warn(o.Error(), "rule", o.Rule, "alerts", o.Alerts)
	}
}
