-- The identity of the record log, and the last group that was committed to it.

CREATE TABLE record_log (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    log_id TEXT NOT NULL,
    last_group INTEGER NOT NULL,
    writes INTEGER NOT NULL
) STRICT;
INSERT INTO record_log VALUES (1, lower(hex(randomblob(16))), 0, 0);
