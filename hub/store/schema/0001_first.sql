CREATE TABLE record (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    did TEXT NOT NULL,
    sn TEXT NOT NULL,
    device_name TEXT NOT NULL,
    occurred_at INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    type INTEGER,
    category INTEGER,
    uuid TEXT,
    term INTEGER,
    detail BLOB NOT NULL,
    extra BLOB NOT NULL,
    images BLOB NOT NULL
) STRICT;
CREATE INDEX record_did ON record (did);
CREATE INDEX record_kind ON record (kind);
CREATE INDEX record_type ON record (type) WHERE type IS NOT NULL;
CREATE INDEX record_category ON record (category) WHERE category IS NOT NULL;
CREATE INDEX record_uuid ON record (uuid) WHERE uuid IS NOT NULL;
CREATE INDEX record_term ON record (term) WHERE term IS NOT NULL;
CREATE INDEX record_stray ON record (occurred_at) WHERE abs(occurred_at - received_at) > 86400000;
CREATE TABLE term (
    id INTEGER PRIMARY KEY,
    field TEXT NOT NULL,
    folded TEXT NOT NULL,
    UNIQUE (field, folded)
) STRICT;
CREATE TABLE span (
    block INTEGER PRIMARY KEY,
    earliest INTEGER NOT NULL,
    latest INTEGER NOT NULL
) STRICT;
CREATE TABLE upload (
    first_seq INTEGER PRIMARY KEY,
    last_seq INTEGER NOT NULL,
    digest BLOB NOT NULL,
    did TEXT NOT NULL,
    at INTEGER NOT NULL,
    UNIQUE (digest, did)
) STRICT;
CREATE TABLE latest_access (
    did TEXT PRIMARY KEY,
    seq INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE day (
    day TEXT PRIMARY KEY,
    first_seq INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,
    records INTEGER NOT NULL,
    bytes INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE dropped_day (
    first_seq INTEGER PRIMARY KEY,
    last_seq INTEGER NOT NULL,
    day TEXT NOT NULL
) STRICT;
CREATE TABLE device (
    did TEXT PRIMARY KEY,
    sn TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    enabled INTEGER NOT NULL,
    clock_trusted INTEGER NOT NULL,
    key TEXT,
    sign_form TEXT,
    did_state TEXT NOT NULL,
    appid TEXT NOT NULL UNIQUE,
    ota_id TEXT NOT NULL UNIQUE,
    code BLOB NOT NULL,
    secret BLOB NOT NULL,
    ip TEXT,
    last_seen INTEGER,
    fw_ver TEXT,
    sw_ver TEXT,
    os_ver TEXT,
    hw_ver TEXT,
    dev_name TEXT,
    clock_offset REAL,
    init_outcome TEXT,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE token (
    token_hash BLOB PRIMARY KEY,
    did TEXT NOT NULL REFERENCES device (did) ON DELETE CASCADE,
    issued_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX token_did ON token (did);
CREATE TABLE accepted (
    id INTEGER PRIMARY KEY,
    sn TEXT NOT NULL,
    ts_text TEXT NOT NULL,
    keep_until INTEGER,
    UNIQUE (sn, ts_text)
) STRICT;
CREATE TABLE user (
    name TEXT PRIMARY KEY,
    role TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE session (
    token_hash BLOB PRIMARY KEY,
    user TEXT NOT NULL REFERENCES user (name) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL,
    address TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX session_user ON session (user);
CREATE TABLE api_key (
    appid TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    read_only INTEGER NOT NULL,
    secret BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE setting (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE audit (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    who TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    address TEXT NOT NULL
) STRICT;
