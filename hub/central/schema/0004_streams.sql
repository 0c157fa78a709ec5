-- How far the streams are stored. What the servers count as stored, and the database does not have,
-- is lost until it is read again: the database was put back to an earlier state.
CREATE TABLE sitehub.stream (
    name text PRIMARY KEY,
    -- The highest number of a message that was stored; NULL: nobody has looked yet.
    seq bigint,
    -- When the consumer was made that the centres read with.
    consumer_at timestamptz,
    lost_first bigint,
    lost_last bigint
);
INSERT INTO sitehub.stream (name)
SELECT 'SITEHUB_' || number FROM generate_series(0, 15) AS number
WHERE EXISTS (SELECT 1 FROM sitehub.hub WHERE seen_at IS NOT NULL);

-- When a record came last whose time was later than its being stored, and by how much.
ALTER TABLE sitehub.hub ADD COLUMN ahead_at timestamptz, ADD COLUMN ahead_by interval;
