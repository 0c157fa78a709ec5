-- Erasures of one person's records.

CREATE TABLE erasure (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    created_by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    finished_at INTEGER,
    manner TEXT NOT NULL,
    subject TEXT,
    with_held INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,
    records INTEGER NOT NULL,
    pictures INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    report TEXT NOT NULL
) STRICT;
