-- The latest starts: how long the hub was off before each does not count for repeats.

CREATE TABLE start (
    id INTEGER PRIMARY KEY,
    started_at INTEGER NOT NULL,
    ended_at INTEGER NOT NULL
) STRICT;
