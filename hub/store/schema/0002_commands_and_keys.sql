-- What devices are asked for and told (1.5 to 1.16), and keys that are replaced without a gap.

ALTER TABLE device ADD COLUMN previous_key TEXT;
ALTER TABLE device ADD COLUMN previous_key_until INTEGER;

CREATE TABLE device_setting (
    did TEXT NOT NULL REFERENCES device (did) ON DELETE CASCADE,
    name TEXT NOT NULL,
    taken TEXT,
    taken_at INTEGER,
    uri TEXT,
    code INTEGER NOT NULL,
    msg TEXT NOT NULL,
    answered_at INTEGER NOT NULL,
    PRIMARY KEY (did, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE device_picture (
    id INTEGER PRIMARY KEY,
    did TEXT NOT NULL REFERENCES device (did) ON DELETE CASCADE,
    path TEXT NOT NULL,
    mime TEXT NOT NULL,
    size INTEGER NOT NULL,
    fetched_at INTEGER NOT NULL,
    picture BLOB NOT NULL,
    UNIQUE (did, path)
) STRICT;
CREATE INDEX device_picture_size ON device_picture (size);
