-- Coalescing: what becomes one with others of its alert while it waits.

-- +goose Up

ALTER TABLE deliveries
    ADD COLUMN merges    boolean NOT NULL DEFAULT false, -- a rule made it: it may become one with others of its alert
    ADD COLUMN opens     boolean NOT NULL DEFAULT false, -- and PagerDuty opens the alert by it
    ADD COLUMN unsure    boolean NOT NULL DEFAULT false, -- an attempt had no answer: PagerDuty may have accepted it
    ADD COLUMN latest_id uuid,                           -- the event that is sent instead of event_id's, which is older
    ADD COLUMN latest_at timestamptz;                    -- its receipt
