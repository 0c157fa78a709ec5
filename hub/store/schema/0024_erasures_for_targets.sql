-- Which records were erased, so that targets that had them hear of it.

CREATE TABLE erased_record (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    log TEXT NOT NULL,
    seq INTEGER NOT NULL
) STRICT;
CREATE TABLE earlier_log (
    log TEXT NOT NULL PRIMARY KEY,
    last_seq INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
ALTER TABLE target ADD COLUMN erasure_number INTEGER NOT NULL DEFAULT 0;

CREATE TRIGGER log_renamed AFTER UPDATE OF log_id ON record_log
WHEN new.log_id <> old.log_id BEGIN
    INSERT OR REPLACE INTO earlier_log SELECT old.log_id, coalesce(max(seq), 0) FROM record;
END;
CREATE TRIGGER erasure_noted AFTER UPDATE OF erased ON record
WHEN new.erased = 1 AND old.erased IS NULL BEGIN
    INSERT INTO erased_record (log, seq)
        SELECT log_id, new.seq FROM record_log
        UNION ALL SELECT log, new.seq FROM earlier_log WHERE last_seq >= new.seq;
END;
CREATE TRIGGER erased_record_trimmed AFTER INSERT ON erased_record BEGIN
    DELETE FROM erased_record WHERE number <= min(
        new.number - 100000,
        coalesce((SELECT min(erasure_number) FROM target), new.number)
    );
END;
