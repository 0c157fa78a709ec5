-- Doors and relays that are switched through the camera's own HTTP (D12).

CREATE TABLE device_relay (
    did TEXT PRIMARY KEY REFERENCES device (did) ON DELETE CASCADE,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    seconds INTEGER NOT NULL,
    address TEXT NOT NULL,
    is_own INTEGER NOT NULL,
    port INTEGER NOT NULL,
    tls INTEGER NOT NULL,
    certificate TEXT NOT NULL,
    username TEXT NOT NULL,
    password BLOB NOT NULL
) STRICT, WITHOUT ROWID;
