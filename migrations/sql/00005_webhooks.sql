-- Log-entry webhooks: what of PagerDuty's log entries was seen, and up to when
-- they were asked for.

-- +goose Up

CREATE TABLE log_entries (
    id          text PRIMARY KEY,
    created_at  timestamptz NOT NULL,
    incident_id text,
    type        text        NOT NULL,              -- as PagerDuty names it: trigger_log_entry
    delivery_id uuid,                              -- of the first webhook about it; null: nobody is told
    seen_at     timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX log_entries_seen_at ON log_entries USING brin (seen_at); -- rows come in its order
CREATE INDEX log_entries_created_at ON log_entries (created_at);

CREATE TABLE log_entry_cursor (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    at  timestamptz NOT NULL                       -- everything that was created before was asked for
);

-- +goose StatementBegin
DO $$
BEGIN
    GRANT SELECT ON log_entries, log_entry_cursor TO pdaltagent_read;
EXCEPTION
    WHEN undefined_object OR insufficient_privilege THEN
        RAISE NOTICE 'pdaltagent_read may not read log entries: %', SQLERRM;
END $$;
-- +goose StatementEnd
