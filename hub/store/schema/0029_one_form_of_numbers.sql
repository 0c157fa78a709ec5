-- `record.uuid` is the number of a person without blanks around it and without leading zeros, which
-- cameras write or leave out: searches, reports and erasures ask for one form. The record's detail
-- keeps what the camera sent.

UPDATE record SET uuid = nullif(found.form, '') FROM (
    SELECT seq, uuid AS sent, CASE WHEN bare = '' OR bare GLOB '*[^0-9]*' THEN bare
        ELSE ifnull(nullif(ltrim(bare, '0'), ''), '0') END AS form
    FROM (
        SELECT seq, uuid, trim(uuid, char(
            9, 10, 11, 12, 13, 28, 29, 30, 31, 32, 133, 160, 5760, 8192, 8193, 8194, 8195, 8196,
            8197, 8198, 8199, 8200, 8201, 8202, 8232, 8233, 8239, 8287, 12288
        )) AS bare
        FROM record INDEXED BY record_uuid
        WHERE uuid IS NOT NULL AND typeof(uuid) = 'text' AND NOT instr(uuid, char(0))
    )
) AS found
WHERE record.seq = found.seq AND found.form <> found.sent;

-- Summaries of days took all who have a name, but the number of strangers, for one person. The
-- trigger of record lets those days be summarised again.
UPDATE record SET uuid = uuid WHERE seq IN (
    SELECT seq FROM record INDEXED BY record_uuid
    WHERE uuid IN ('0', '9223372036854775808') AND term IS NOT NULL
);
