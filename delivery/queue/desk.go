package queue

import "github.com/jackc/pgx/v5"

// Withdraw is how the history's desk cancels jobs of River's tables in schema
// (see history.NewDesk). Where River fetches a job at the same time, one of the
// two waits for the other, and what is fetched counts as being worked.
func Withdraw(schema string) string {
	jobs := pgx.Identifier{schema, "river_job"}.Sanitize()
	return `jobs AS (SELECT id AS job_id, state, (args ->> 'delivery_id')::uuid AS id FROM ` + jobs + `
			WHERE kind = 'deliver_v1' AND state IN ('available', 'pending', 'retryable', 'running', 'scheduled')
				AND (args ->> 'delivery_id')::uuid IN (SELECT id FROM chosen) FOR UPDATE),
		withdrawn AS (UPDATE ` + jobs + ` SET state = 'cancelled', finalized_at = now()
			WHERE id IN (SELECT job_id FROM jobs WHERE state <> 'running')),
		busy AS (SELECT id FROM jobs WHERE state = 'running')`
}
