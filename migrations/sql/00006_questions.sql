-- What questions about the history need to find their rows by.

-- +goose Up

-- Ids are UUIDv7s of the receipt, so that the primary key finds a span of time,
-- and costs no index of its own.
-- +goose StatementBegin
CREATE FUNCTION id_since(at timestamptz) RETURNS uuid LANGUAGE sql STABLE STRICT PARALLEL SAFE AS $$
    SELECT rpad(lpad(to_hex(floor(extract(epoch FROM at) * 1000)::bigint), 12, '0'), 32, '0')::uuid
$$;
-- +goose StatementEnd

COMMENT ON FUNCTION id_since IS 'The least id of what was received at that time or later.';

CREATE INDEX attempts_failed ON attempts (started_at) WHERE error IS NOT NULL; -- those that were accepted are not in it
