-- Counts of records per hour, indexes of a camera's records by what they are, and narrower spans.

DROP INDEX record_stray;
CREATE INDEX record_stray ON record (occurred_at) WHERE abs(occurred_at - received_at) > 600000;
CREATE INDEX record_did_type ON record (did, type) WHERE type IS NOT NULL;
CREATE INDEX record_did_category ON record (did, category) WHERE category IS NOT NULL;
CREATE INDEX record_did_term ON record (did, term) WHERE term IS NOT NULL;

CREATE TABLE record_count (
    hour INTEGER NOT NULL,
    did TEXT NOT NULL,
    kind TEXT NOT NULL,
    type ANY NOT NULL,
    category ANY NOT NULL,
    records INTEGER NOT NULL,
    PRIMARY KEY (hour, did, kind, type, category)
) STRICT, WITHOUT ROWID;
CREATE TABLE record_total (
    did TEXT NOT NULL,
    kind TEXT NOT NULL,
    type ANY NOT NULL,
    category ANY NOT NULL,
    records INTEGER NOT NULL,
    PRIMARY KEY (did, kind, type, category)
) STRICT, WITHOUT ROWID;

INSERT INTO record_count
SELECT occurred_at / 3600000 - (occurred_at % 3600000 < 0), did, kind, ifnull(type, ''),
    ifnull(category, ''), count(*)
FROM record
WHERE typeof(occurred_at) = 'integer' AND typeof(did) = 'text' AND typeof(kind) = 'text'
GROUP BY 1, 2, 3, 4, 5;
INSERT INTO record_total
SELECT did, kind, type, category, sum(records) FROM record_count GROUP BY 1, 2, 3, 4;
INSERT INTO record_count
SELECT hour, '*', kind, type, category, sum(records) FROM record_count GROUP BY 1, 3, 4, 5;

CREATE TRIGGER record_counted AFTER INSERT ON record BEGIN
    INSERT INTO record_count VALUES
        (
            new.occurred_at / 3600000 - (new.occurred_at % 3600000 < 0), new.did,
            new.kind, ifnull(new.type, ''), ifnull(new.category, ''), 1
        ),
        (
            new.occurred_at / 3600000 - (new.occurred_at % 3600000 < 0), '*',
            new.kind, ifnull(new.type, ''), ifnull(new.category, ''), 1
        )
    ON CONFLICT DO UPDATE SET records = CASE
        WHEN typeof(records) = 'integer' AND records BETWEEN 0 AND 0xffffffffffff
        THEN records + 1 ELSE 1 END;
    INSERT INTO record_total
    VALUES (new.did, new.kind, ifnull(new.type, ''), ifnull(new.category, ''), 1)
    ON CONFLICT DO UPDATE SET records = CASE
        WHEN typeof(records) = 'integer' AND records BETWEEN 0 AND 0xffffffffffff
        THEN records + 1 ELSE 1 END;
END;
CREATE TRIGGER record_uncounted AFTER DELETE ON record BEGIN
    UPDATE record_count SET records = CASE
        WHEN typeof(records) = 'integer' AND records BETWEEN 1 AND 0xffffffffffff
        THEN records - 1 ELSE 0 END
    WHERE hour = old.occurred_at / 3600000 - (old.occurred_at % 3600000 < 0)
        AND did IN (old.did, '*') AND kind = old.kind AND type = ifnull(old.type, '')
        AND category = ifnull(old.category, '');
    UPDATE record_total SET records = CASE
        WHEN typeof(records) = 'integer' AND records BETWEEN 1 AND 0xffffffffffff
        THEN records - 1 ELSE 0 END
    WHERE did = old.did AND kind = old.kind AND type = ifnull(old.type, '')
        AND category = ifnull(old.category, '');
END;
CREATE TRIGGER record_recounted AFTER UPDATE OF did, occurred_at, kind, type, category ON record
BEGIN
    UPDATE record_count SET records = CASE
        WHEN typeof(records) = 'integer' AND records BETWEEN 1 AND 0xffffffffffff
        THEN records - 1 ELSE 0 END
    WHERE hour = old.occurred_at / 3600000 - (old.occurred_at % 3600000 < 0)
        AND did IN (old.did, '*') AND kind = old.kind AND type = ifnull(old.type, '')
        AND category = ifnull(old.category, '');
    UPDATE record_total SET records = CASE
        WHEN typeof(records) = 'integer' AND records BETWEEN 1 AND 0xffffffffffff
        THEN records - 1 ELSE 0 END
    WHERE did = old.did AND kind = old.kind AND type = ifnull(old.type, '')
        AND category = ifnull(old.category, '');
    INSERT INTO record_count
    SELECT new.occurred_at / 3600000 - (new.occurred_at % 3600000 < 0), counted,
        new.kind, ifnull(new.type, ''), ifnull(new.category, ''), 1
    FROM (SELECT new.did AS counted UNION ALL SELECT '*')
    WHERE typeof(new.occurred_at) = 'integer' AND typeof(new.did) = 'text'
        AND typeof(new.kind) = 'text'
    ON CONFLICT DO UPDATE SET records = CASE
        WHEN typeof(records) = 'integer' AND records BETWEEN 0 AND 0xffffffffffff
        THEN records + 1 ELSE 1 END;
    INSERT INTO record_total
    SELECT new.did, new.kind, ifnull(new.type, ''), ifnull(new.category, ''), 1
    WHERE typeof(new.occurred_at) = 'integer' AND typeof(new.did) = 'text'
        AND typeof(new.kind) = 'text'
    ON CONFLICT DO UPDATE SET records = CASE
        WHEN typeof(records) = 'integer' AND records BETWEEN 0 AND 0xffffffffffff
        THEN records + 1 ELSE 1 END;
END;
CREATE TRIGGER record_count_ended AFTER UPDATE ON record_count WHEN new.records = 0 BEGIN
    DELETE FROM record_count
    WHERE hour = new.hour AND did = new.did AND kind = new.kind AND type = new.type
        AND category = new.category;
END;
CREATE TRIGGER record_total_ended AFTER UPDATE ON record_total WHEN new.records = 0 BEGIN
    DELETE FROM record_total
    WHERE did = new.did AND kind = new.kind AND type = new.type AND category = new.category;
END;
