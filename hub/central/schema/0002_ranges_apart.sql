-- Ranges of erased records that overlap become one, so that the last range that begins before a
-- record says whether it is erased.
CREATE TEMPORARY TABLE merged ON COMMIT DROP AS
SELECT hub, log, min(first_seq) AS first_seq, max(last_seq) AS last_seq,
    min(stored_at) AS stored_at
FROM (
    SELECT *, sum(is_apart) OVER (PARTITION BY hub, log ORDER BY first_seq, last_seq) AS part
    FROM (
        SELECT *, CASE WHEN first_seq <= max(last_seq) OVER (
            PARTITION BY hub, log ORDER BY first_seq, last_seq
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) THEN 0 ELSE 1 END AS is_apart
        FROM sitehub.erasure WHERE first_seq <= last_seq
    ) AS compared
) AS parted
GROUP BY hub, log, part;
DELETE FROM sitehub.erasure;
INSERT INTO sitehub.erasure (hub, log, first_seq, last_seq, stored_at)
SELECT hub, log, first_seq, last_seq, stored_at FROM merged;
