-- A number plate in the one form in which it is looked for: capitals and digits.
CREATE FUNCTION sitehub.plate_of(body jsonb) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN upper(regexp_replace(body->'plate'->>'id', '[\s.·-]', '', 'g'));

-- The files of a record's pictures, below the folder of pictures.
CREATE FUNCTION sitehub.pictures_of(hub text, log text, seq bigint, body jsonb) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (
    SELECT array_agg(format('%s/%s/%s/%s-%s.jpg', hub, log, seq / 10000, seq, name) ORDER BY name)
    FROM jsonb_object_keys(CASE WHEN jsonb_typeof(body->'images') = 'object'
        THEN body->'images' ELSE '{}' END) AS name
);

CREATE INDEX record_hub ON sitehub.record (hub, received_at);
CREATE INDEX record_number ON sitehub.record (sitehub.number_of(body), received_at)
    WHERE sitehub.number_of(body) IS NOT NULL;
CREATE INDEX record_plate ON sitehub.record (sitehub.plate_of(body), received_at)
    WHERE sitehub.plate_of(body) IS NOT NULL;
CREATE INDEX alarm_hub ON sitehub.alarm (hub, last_at);

-- What people look at. What a restored hub has sent again is kept once, so each row is one event.
CREATE VIEW sitehub.records AS
SELECT hub AS site, received_at, occurred_at, kind, body->>'device_name' AS camera,
    body->>'name' AS person, sitehub.number_of(body) AS number, sitehub.plate_of(body) AS plate,
    body->>'type_name' AS event, erased, sitehub.pictures_of(hub, log, seq, body) AS pictures,
    did, log, seq
FROM sitehub.record;

CREATE VIEW sitehub.alarms AS
SELECT hub AS site, last_at, kind, severity, state, body->'record'->>'device_name' AS camera,
    body->'record'->>'name' AS person, sitehub.number_of(body->'record') AS number,
    sitehub.plate_of(body->'record') AS plate, body->>'note' AS note,
    sitehub.pictures_of(hub, log, seq, body->'record') AS pictures, log, seq
FROM sitehub.alarm;
