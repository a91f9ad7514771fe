package migrations_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pdaltagent/pdaltagent/migrations"
	"github.com/pdaltagent/pdaltagent/migrations/pgtest"
)

// TestCopyIsAllOrNothing: one that fails leaves no row, and may be done again;
// every value arrives as it was, in its partition, and sequences go on.
func TestCopyIsAllOrNothing(t *testing.T) {
	from, to := pgtest.URL(t), pgtest.Empty(t)
	source, target := connect(t, from), connect(t, to)
	do := func(pool *pgxpool.Pool, sql string) {
		t.Helper()
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	do(source, `CREATE TABLE events_20260101 PARTITION OF events FOR VALUES FROM ('2026-01-01 00:00:00+00') TO ('2026-01-02 00:00:00+00')`)
	do(source, `INSERT INTO events (id, received_at, protocol, source, decision, summary, payload)
		VALUES (gen_random_uuid(), '2026-01-01 12:00:00.123456+00', 'snmp', '2001:db8::1', 'queued', E'tab\t, \\N, "é" and\nmore', '{"n": 1.10, "s": "\\u00e9\\n"}')`)
	do(source, `INSERT INTO deliveries (id, event_id, received_at, kind, route, api, action, dedup_key, severity, priority, state, body)
		SELECT gen_random_uuid(), gen_random_uuid(), now(), 'event', 'noc', '', 'trigger', '', 'error', 2, 'delivered', '\x00ff'::bytea FROM generate_series(1, 7)`)
	do(source, `INSERT INTO alerts (id, route, dedup_key, status, severity, summary, source, rule, first_at, last_at, occurrences, triggers)
		VALUES (gen_random_uuid(), 'noc', 'k', 'open', 'error', '', '', '', '-infinity', now(), 1, ARRAY[now()])`)
	do(source, `INSERT INTO sender_keys VALUES ('sender-1', '\x6b65790a')`)

	if err := migrations.Up(t.Context(), to); err != nil {
		t.Fatal(err)
	}
	do(target, `ALTER TABLE sender_keys ADD CONSTRAINT full_disk CHECK (false)`) // one of the last to be copied
	if _, err := migrations.Copy(t.Context(), from, to); err == nil {
		t.Fatal("what cannot be written was copied")
	}
	do(target, `ALTER TABLE sender_keys DROP CONSTRAINT full_disk`)
	do(target, `CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'`)
	do(target, `CREATE TRIGGER swallow BEFORE INSERT ON alerts FOR EACH ROW EXECUTE FUNCTION swallow()`)
	if _, err := migrations.Copy(t.Context(), from, to); err == nil || !strings.Contains(err.Error(), "table alerts: 1 rows were read, and 0 are there") {
		t.Errorf("what did not arrive is not missed: %v", err)
	}
	do(target, `DROP TRIGGER swallow ON alerts`)
	copied, err := migrations.Copy(t.Context(), from, to) // would refuse what is not empty
	if err != nil {
		t.Fatal(err)
	}
	if i := slices.Index(copied, migrations.Copied{Table: "deliveries", Rows: 7}); i < 0 {
		t.Errorf("copied %v", copied)
	}
	for _, table := range []string{"events", "events_20260101", "deliveries", "alerts", "sender_keys"} {
		var was, is string
		query := `SELECT coalesce(string_agg(t::text, ';' ORDER BY t::text), '') FROM ` + table + ` t`
		if err := errors.Join(source.QueryRow(t.Context(), query).Scan(&was), target.QueryRow(t.Context(), query).Scan(&is)); err != nil || is != was || is == "" {
			t.Errorf("%s: %v\n%s\n%s", table, err, was, is)
		}
	}
	var seq int64
	if err := target.QueryRow(t.Context(), `SELECT nextval(pg_get_serial_sequence('deliveries', 'seq'))`).Scan(&seq); err != nil || seq != 8 {
		t.Errorf("the next delivery is %d: %v", seq, err)
	}
	var occupied *migrations.OccupiedError
	if _, err := migrations.Copy(t.Context(), from, to); !errors.As(err, &occupied) {
		t.Errorf("copied onto what is there: %v", err)
	}
}
