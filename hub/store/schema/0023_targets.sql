-- Targets: other systems that the record log is forwarded to.

CREATE TABLE target (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    name TEXT NOT NULL UNIQUE,
    options TEXT NOT NULL,
    secrets BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    held TEXT NOT NULL,
    log TEXT NOT NULL,
    seq INTEGER NOT NULL,
    alarm_number INTEGER NOT NULL
) STRICT;
CREATE TABLE parked_record (
    target INTEGER NOT NULL REFERENCES target (id) ON DELETE CASCADE,
    log TEXT NOT NULL,
    seq INTEGER NOT NULL,
    reason TEXT NOT NULL,
    parked_at INTEGER NOT NULL,
    PRIMARY KEY (target, log, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE target_gap (
    target INTEGER NOT NULL REFERENCES target (id) ON DELETE CASCADE,
    log TEXT NOT NULL,
    first_seq INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,
    reason TEXT NOT NULL,
    made_at INTEGER NOT NULL,
    told_at INTEGER,
    seen_at INTEGER,
    PRIMARY KEY (target, log, first_seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE alarm_change (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    alarm INTEGER NOT NULL UNIQUE
) STRICT;
CREATE TRIGGER alarm_raised AFTER INSERT ON alarm BEGIN
    DELETE FROM alarm_change WHERE alarm = new.seq;
    INSERT INTO alarm_change (alarm) VALUES (new.seq);
END;
CREATE TRIGGER alarm_changed AFTER UPDATE ON alarm BEGIN
    DELETE FROM alarm_change WHERE alarm = new.seq;
    INSERT INTO alarm_change (alarm) VALUES (new.seq);
END;
CREATE TRIGGER alarm_forgotten AFTER DELETE ON alarm BEGIN
    DELETE FROM alarm_change WHERE alarm = old.seq;
END;
