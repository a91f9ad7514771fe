-- State gates: what stands between an event and PagerDuty that depends on what
-- happened before.

-- +goose Up

ALTER TABLE alerts
    ADD COLUMN protocol   text,
    ADD COLUMN sent_at    timestamptz,                -- receipt of the last trigger that is sent
    ADD COLUMN triggers   timestamptz[],              -- those that count towards a threshold
    ADD COLUMN changes    timestamptz[],              -- when it last opened and resolved
    ADD COLUMN resolve_at timestamptz,                -- when it is resolved by itself
    ADD COLUMN resolving  boolean NOT NULL DEFAULT false, -- resolved, but it flaps: waits for resolve_at
    ADD COLUMN gated_id   uuid;                       -- the delivery that a gate holds

CREATE INDEX alerts_resolve_at ON alerts (resolve_at) WHERE resolve_at IS NOT NULL;

-- A parent is looked for by its dedup_key alone.
ALTER TABLE alerts DROP CONSTRAINT alerts_route_dedup_key_key, ADD CONSTRAINT alerts_dedup_key_route_key UNIQUE (dedup_key, route);

ALTER TABLE deliveries
    ADD COLUMN due_at timestamptz,                    -- until when a gate holds it
    ADD COLUMN parent text,                           -- the dedup_key whose alerts must not be open
    DROP CONSTRAINT deliveries_held_by_check,
    ADD CONSTRAINT deliveries_held_by_check CHECK (held_by IN ('alert', 'route', 'hold', 'maintenance', 'parent'));

CREATE INDEX deliveries_due ON deliveries (due_at) WHERE held_by IN ('hold', 'maintenance');
CREATE INDEX deliveries_inhibited ON deliveries (parent) WHERE held_by = 'parent';

-- How many alerts each source has opened in its current window.
CREATE TABLE storms (
    source text PRIMARY KEY,
    since  timestamptz NOT NULL,
    alerts integer     NOT NULL,
    kinds  jsonb       NOT NULL                        -- rules, and how many each opened
) WITH (fillfactor = 50);

-- Maintenance windows that people open while pdagentd runs. A null matches
-- everything; the others are patterns as LIKE has them.
CREATE TABLE maintenance_windows (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name     text        NOT NULL,
    source   text,
    rule     text,
    route    text,
    from_at  timestamptz NOT NULL DEFAULT now(),
    until_at timestamptz NOT NULL CHECK (until_at > from_at),
    who      text        NOT NULL DEFAULT current_user,
    why      text        NOT NULL DEFAULT ''
);

-- +goose StatementBegin
DO $$
BEGIN
    GRANT SELECT ON storms, maintenance_windows TO pdaltagent_read;
EXCEPTION
    WHEN undefined_object OR insufficient_privilege THEN
        RAISE NOTICE 'pdaltagent_read may not read the gates: %', SQLERRM;
END $$;
-- +goose StatementEnd
