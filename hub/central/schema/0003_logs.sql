-- The logs that hubs have announced. The last one is that of the hub; the others have ended.
CREATE TABLE sitehub.log (
    hub text NOT NULL,
    log text NOT NULL,
    -- By the clock of the servers; NULL: only named as an earlier one.
    announced_at timestamptz,
    ended_at timestamptz,
    PRIMARY KEY (hub, log)
);
-- Up to last_seq, the records of a log are those of an earlier one. They are kept under that.
CREATE TABLE sitehub.succession (
    hub text NOT NULL,
    log text NOT NULL,
    earlier text NOT NULL,
    last_seq bigint NOT NULL,
    PRIMARY KEY (hub, log, earlier)
);

-- Under which log a hub has told of an alarm. What a log that has ended says of it is closed.
ALTER TABLE sitehub.alarm ADD COLUMN told_by text;
UPDATE sitehub.alarm SET told_by = log;
ALTER TABLE sitehub.alarm ALTER COLUMN told_by SET NOT NULL;

-- The number of a person in the one form in which it is compared: cameras write leading zeros or not.
CREATE FUNCTION sitehub.number_of(body jsonb) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN btrim(body->>'uuid', E' \t\n\v\f\r') ~ '^[0-9]+$'
    THEN coalesce(nullif(ltrim(btrim(body->>'uuid', E' \t\n\v\f\r'), '0'), ''), '0')
    ELSE btrim(body->>'uuid', E' \t\n\v\f\r') END;

-- People whom a hub has erased, not by name: what may come again of them is stored empty. All but
-- the records of the log, or of what it continues, after last_seq, and those that are kept there.
CREATE TABLE sitehub.erased_person (
    hub text NOT NULL,
    digest bytea NOT NULL,
    log text NOT NULL,
    last_seq bigint NOT NULL,
    kept int8multirange NOT NULL,
    told_at timestamptz NOT NULL,
    stored_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (hub, digest)
);
CREATE TABLE sitehub.salt (salt bytea NOT NULL);
INSERT INTO sitehub.salt VALUES (uuid_send(gen_random_uuid()));
-- What is known of the number of an erased person. Without the salt, numbers could be tried out.
CREATE FUNCTION sitehub.digest(hub text, number text) RETURNS bytea LANGUAGE sql STABLE
PARALLEL SAFE
RETURN (SELECT sha256(salt || convert_to(hub || ' ' || number, 'UTF8')) FROM sitehub.salt);
