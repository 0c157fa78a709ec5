-- When cameras were without a connection, and when the hub ran.

CREATE TABLE outage (
    id INTEGER PRIMARY KEY,
    did TEXT NOT NULL REFERENCES device (did) ON DELETE CASCADE,
    began_at INTEGER NOT NULL,
    ended_at INTEGER,
    cause TEXT NOT NULL
) STRICT;
CREATE INDEX outage_did ON outage (did, id);
CREATE INDEX outage_open ON outage (id) WHERE ended_at IS NULL;

CREATE TABLE hub_run (
    id INTEGER PRIMARY KEY,
    began_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL
) STRICT;
