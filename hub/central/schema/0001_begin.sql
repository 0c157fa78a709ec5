-- Records of all hubs. What is unique of a record is (hub, log, seq); received_at is in the key
-- because PostgreSQL wants it there, and a record never changes it.
CREATE TABLE sitehub.record (
    hub text NOT NULL,
    log text NOT NULL,
    seq bigint NOT NULL,
    received_at timestamptz NOT NULL,
    occurred_at timestamptz,
    kind text NOT NULL,
    did text NOT NULL,
    erased boolean NOT NULL,
    body jsonb NOT NULL,
    stored_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (hub, log, seq, received_at)
) PARTITION BY RANGE (received_at);
-- What a clock that was wrong has dated before 2020 or after 2049.
CREATE TABLE sitehub.record_other PARTITION OF sitehub.record DEFAULT;
CREATE INDEX record_received ON sitehub.record (received_at);

-- Alarms as they are now. A change with a higher number replaces the one before.
CREATE TABLE sitehub.alarm (
    hub text NOT NULL,
    log text NOT NULL,
    seq bigint NOT NULL,
    number bigint NOT NULL,
    kind text NOT NULL,
    severity text NOT NULL,
    state text NOT NULL,
    last_at timestamptz NOT NULL,
    body jsonb NOT NULL,
    stored_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (hub, log, seq)
);
CREATE INDEX alarm_open ON sitehub.alarm (last_at) WHERE state <> 'closed';

-- Records that a hub no longer had when it could have sent them.
CREATE TABLE sitehub.gap (
    hub text NOT NULL,
    log text NOT NULL,
    first_seq bigint NOT NULL,
    last_seq bigint NOT NULL,
    reason text NOT NULL,
    stored_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (hub, log, first_seq, last_seq)
);

-- Records that a hub has erased. Kept, because a record may come again after its erasure.
CREATE TABLE sitehub.erasure (
    hub text NOT NULL,
    log text NOT NULL,
    first_seq bigint NOT NULL,
    last_seq bigint NOT NULL,
    stored_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (hub, log, first_seq, last_seq)
);

-- A record without what it tells of people.
CREATE FUNCTION sitehub.emptied(body jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN jsonb_strip_nulls(jsonb_build_object(
    'seq', body->'seq', 'kind', body->'kind', 'did', body->'did', 'sn', body->'sn',
    'device_name', body->'device_name', 'occurred_at', body->'occurred_at',
    'received_at', body->'received_at', 'type', body->'type', 'type_name', body->'type_name',
    'images', '{}'::jsonb, 'extra', '{}'::jsonb, 'erased', true,
    'log', body->'log', 'hub', body->'hub'
));

-- Every hub that was enrolled here or has sent something, and how far it is.
CREATE TABLE sitehub.hub (
    name text PRIMARY KEY,
    partition smallint NOT NULL,
    enrolled_at timestamptz,
    -- When something of it was stored last.
    seen_at timestamptz,
    -- Its last record: the log, the number, and when the hub received it.
    log text NOT NULL DEFAULT '',
    seq bigint NOT NULL DEFAULT 0,
    received_at timestamptz,
    -- When that record was stored: later by how much the hub is behind.
    record_at timestamptz
);

-- Messages that could not be read, as they came.
CREATE TABLE sitehub.unreadable (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stream text NOT NULL,
    stream_seq bigint NOT NULL,
    subject text NOT NULL,
    headers jsonb NOT NULL,
    payload bytea NOT NULL,
    reason text NOT NULL,
    stored_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
