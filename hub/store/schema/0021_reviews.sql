-- What of the wall each user has looked at and reviewed.

CREATE TABLE review (
    name TEXT PRIMARY KEY REFERENCES user (name) ON DELETE CASCADE,
    line INTEGER NOT NULL,
    seen INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    reviewed INTEGER NOT NULL,
    marks TEXT NOT NULL
) STRICT, WITHOUT ROWID;
