-- Records that are kept beyond their day. Records and packs tell what was erased in them.

CREATE TABLE hold (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    source TEXT NOT NULL,
    reason TEXT NOT NULL,
    until INTEGER,
    created_by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    ended_by TEXT,
    ended_at INTEGER,
    records INTEGER NOT NULL
) STRICT;

CREATE TABLE hold_record (
    hold INTEGER NOT NULL REFERENCES hold (id) ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    PRIMARY KEY (hold, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX hold_record_seq ON hold_record (seq);

CREATE TABLE held_pack (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    day TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    is_stale INTEGER NOT NULL,
    erased_at INTEGER
) STRICT;

CREATE TABLE held_record (
    seq INTEGER PRIMARY KEY,
    pack INTEGER NOT NULL REFERENCES held_pack (id),
    images BLOB NOT NULL
) STRICT;
CREATE INDEX held_record_pack ON held_record (pack);

ALTER TABLE record ADD COLUMN erased INTEGER;
CREATE INDEX record_erased ON record (erased) WHERE erased = 1;
ALTER TABLE day ADD COLUMN erased_at INTEGER;
