-- What is begun for a target counts only until it is changed; and targets refuse more than records.

ALTER TABLE target ADD COLUMN generation INTEGER NOT NULL DEFAULT 1;

CREATE TABLE parked_item (
    target INTEGER NOT NULL REFERENCES target (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    log TEXT NOT NULL,
    seq INTEGER NOT NULL,
    reason TEXT NOT NULL,
    parked_at INTEGER NOT NULL,
    PRIMARY KEY (target, kind, log, seq)
) STRICT, WITHOUT ROWID;
INSERT INTO parked_item SELECT target, 'record', log, seq, reason, parked_at FROM parked_record;
DROP TABLE parked_record;
