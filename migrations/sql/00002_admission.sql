-- Admission: what a held delivery waits for, and the nodes that deliver.

-- +goose Up

ALTER TABLE deliveries ADD COLUMN held_by text CHECK (held_by IN ('alert', 'route', 'hold')); -- null: it is not held

UPDATE deliveries SET held_by = 'alert' WHERE state = 'held';

ALTER TABLE deliveries ADD CONSTRAINT deliveries_held_by CHECK ((state = 'held') = (held_by IS NOT NULL));

-- Who goes next when its route has room: the most severe first, then the oldest.
CREATE INDEX deliveries_admission ON deliveries (route, priority, seq) WHERE held_by = 'route';

ALTER TABLE deliveries SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_cost_delay = 0);

-- A node says here that it lives; what one leaves behind that does not, others
-- deliver.
CREATE TABLE nodes (
    name       text PRIMARY KEY,
    queue      text        NOT NULL,              -- of its River jobs
    version    text        NOT NULL,
    started_at timestamptz NOT NULL,
    seen_at    timestamptz NOT NULL
);

-- +goose StatementBegin
DO $$
BEGIN
    GRANT SELECT ON nodes TO pdaltagent_read;
EXCEPTION
    WHEN undefined_object OR insufficient_privilege THEN
        RAISE NOTICE 'pdaltagent_read may not read nodes: %', SQLERRM;
END $$;
-- +goose StatementEnd
