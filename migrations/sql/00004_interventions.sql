-- What people did to deliveries, with 'pdagentd queue' or pd-queue.

-- +goose Up

CREATE TABLE interventions (
    id         uuid PRIMARY KEY,
    at         timestamptz NOT NULL DEFAULT now(),
    who        text        NOT NULL,              -- user@host, of the operating system
    what       text        NOT NULL CHECK (what IN ('retry', 'cancel', 'purge')),
    why        text        NOT NULL,              -- what they said; empty: nothing
    chosen     text        NOT NULL,              -- which deliveries were meant
    deliveries bigint      NOT NULL               -- how many it changed
);

ALTER TABLE deliveries ADD COLUMN intervention_id uuid; -- the last one that changed it

-- +goose StatementBegin
DO $$
BEGIN
    GRANT SELECT ON interventions TO pdaltagent_read;
EXCEPTION
    WHEN undefined_object OR insufficient_privilege THEN
        RAISE NOTICE 'pdaltagent_read may not read interventions: %', SQLERRM;
END $$;
-- +goose StatementEnd
