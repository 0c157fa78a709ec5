-- What reports need of the days that are over.

CREATE TABLE report_day (
    since INTEGER PRIMARY KEY,
    until INTEGER NOT NULL,
    through INTEGER NOT NULL,
    made_at INTEGER NOT NULL,
    parts INTEGER
) STRICT;
CREATE TABLE report_part (
    since INTEGER NOT NULL,
    kind TEXT NOT NULL,
    did TEXT NOT NULL,
    part INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (since, kind, did, part)
) STRICT;

CREATE TRIGGER report_day_forgotten AFTER DELETE ON report_day BEGIN
    DELETE FROM report_part WHERE since = old.since;
END;
CREATE TRIGGER record_not_reported AFTER DELETE ON record BEGIN
    DELETE FROM report_day
    WHERE since BETWEEN old.occurred_at - 100000000 AND old.occurred_at
        AND until > old.occurred_at;
END;
CREATE TRIGGER record_reported_otherwise
AFTER UPDATE OF did, occurred_at, kind, category, uuid, term, erased ON record BEGIN
    DELETE FROM report_day
    WHERE since BETWEEN old.occurred_at - 100000000 AND old.occurred_at
        AND until > old.occurred_at;
    DELETE FROM report_day
    WHERE since BETWEEN new.occurred_at - 100000000 AND new.occurred_at
        AND until > new.occurred_at;
END;
