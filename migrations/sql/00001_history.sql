-- The delivery history. Names and columns are public: people query them.

-- +goose Up

CREATE TABLE events (
    id          uuid        NOT NULL,              -- UUIDv7, minted when the message was received
    received_at timestamptz NOT NULL,
    protocol    text        NOT NULL,
    source      inet,
    host        text,
    rule        text,
    decision    text        NOT NULL,
    route       text,
    action      text,
    dedup_key   text,
    severity    text,
    summary     text,
    payload     jsonb,                             -- what PagerDuty is told, without the key
    message     jsonb,                             -- what the sender said, without the key
    alert_id    uuid,
    delivery_id uuid,
    PRIMARY KEY (id, received_at)
) PARTITION BY RANGE (received_at);

CREATE INDEX events_received_at ON events (received_at);
CREATE INDEX events_host ON events (host, received_at);
CREATE INDEX events_dedup_key ON events (dedup_key, received_at);

CREATE TABLE alerts (
    id          uuid PRIMARY KEY,
    route       text        NOT NULL,
    dedup_key   text        NOT NULL,
    status      text        NOT NULL CHECK (status IN ('pending', 'open', 'acknowledged', 'resolved')),
    severity    text        NOT NULL,
    summary     text        NOT NULL,
    source      text        NOT NULL,
    rule        text        NOT NULL,
    first_at    timestamptz NOT NULL,              -- since it was last opened
    last_at     timestamptz NOT NULL,
    resolved_at timestamptz,
    occurrences bigint      NOT NULL,              -- triggers since it was last opened
    UNIQUE (route, dedup_key)
) WITH (fillfactor = 70);                          -- room for updates that touch no index

CREATE INDEX alerts_open ON alerts (first_at) WHERE status <> 'resolved'; -- not last_at, which every repeat changes

CREATE TABLE deliveries (
    id           uuid PRIMARY KEY,
    seq          bigint GENERATED ALWAYS AS IDENTITY, -- the order within an alert
    event_id     uuid        NOT NULL,
    received_at  timestamptz NOT NULL,               -- of the event
    alert_id     uuid,                               -- null: a change event, which has no alert
    kind         text        NOT NULL CHECK (kind IN ('event', 'webhook')),
    route        text        NOT NULL,
    api          text        NOT NULL,               -- what its payload is written for
    action       text        NOT NULL,
    dedup_key    text        NOT NULL,
    severity     text        NOT NULL,
    priority     smallint    NOT NULL,               -- 1 critical to 4 info
    state        text        NOT NULL CHECK (state IN ('held', 'queued', 'delivered', 'dead', 'cancelled')),
    created_at   timestamptz NOT NULL DEFAULT now(),
    delivered_at timestamptz,
    attempts     integer     NOT NULL DEFAULT 0,
    last_status  integer,
    last_error   text,
    job_id       bigint,                             -- the River job of its last attempt
    body         bytea,                              -- sent instead of the event's payload, where that must be kept byte for byte
    content_type text
) WITH (fillfactor = 80);

-- What is waiting, alert by alert: how an alert's next delivery is found.
CREATE INDEX deliveries_waiting ON deliveries (alert_id, seq) WHERE state IN ('held', 'queued');
CREATE INDEX deliveries_dead ON deliveries (created_at) WHERE state = 'dead';
CREATE INDEX deliveries_created_at ON deliveries USING brin (created_at); -- rows come in its order

CREATE TABLE attempts (
    delivery_id uuid        NOT NULL,
    number      integer     NOT NULL,
    node        text        NOT NULL,
    started_at  timestamptz NOT NULL,
    duration_ms double precision NOT NULL,
    status      integer,                             -- null: no answer came
    error       text,
    response    text,
    PRIMARY KEY (delivery_id, number, started_at)
) PARTITION BY RANGE (started_at);

-- Integration keys that senders brought themselves: the route that events name
-- instead, and the key, which only the daemon's own role may read.
CREATE TABLE sender_keys (
    route    text PRIMARY KEY,
    key      bytea       NOT NULL,
    first_at timestamptz NOT NULL DEFAULT now()
);

-- +goose StatementBegin
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'pdaltagent_read') THEN
        CREATE ROLE pdaltagent_read NOLOGIN;
    END IF;
EXCEPTION
    WHEN insufficient_privilege OR duplicate_object OR unique_violation THEN
        RAISE NOTICE 'role pdaltagent_read was not created: %', SQLERRM;
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
DO $$
BEGIN
    GRANT SELECT ON events, alerts, deliveries, attempts TO pdaltagent_read;
EXCEPTION
    WHEN undefined_object OR insufficient_privilege THEN
        RAISE NOTICE 'pdaltagent_read may read nothing: %', SQLERRM;
END $$;
-- +goose StatementEnd
