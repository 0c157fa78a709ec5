-- The database of sitehub as it is today, to be read as a whole. A test holds it equal to the sum
-- of the numbered migrations beside it; those alone are ever run.
--
-- All times are UNIX milliseconds. All tables but the record log and
-- the pictures of devices are few rows, which the hub also keeps in memory. Secrets are sealed with the key in hub.key (AES-GCM, bound to their row).
-- PRAGMA application_id is "SHUB", user_version the number of the last migration.


-- The record log -----------------------------------------------------------------------------

-- One thing that a device reported. Never changed; goes with its day. Each index ends in seq by
-- itself (seq is the rowid), so that one value's rows come in the log's order.
CREATE TABLE record (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, -- strictly increasing, never used twice
    kind TEXT NOT NULL,                    -- face, event, vehicle, access
    did TEXT NOT NULL,                     -- as it was then; the device may be gone
    sn TEXT NOT NULL,
    device_name TEXT NOT NULL,
    occurred_at INTEGER NOT NULL,          -- by the device's clock
    received_at INTEGER NOT NULL,          -- by the hub's clock; its UTC day says which pack
    type INTEGER,                          -- of an event (2.4) or an access record (D8)
    category INTEGER,                      -- of the person: 0 stranger, 1 to 4 as in 1.12
    uuid TEXT,                             -- of the person, its first 128 characters
    term INTEGER,                          -- term.id of the name, of the plate with a vehicle
    detail BLOB NOT NULL,                  -- JSON by kind, see hub/wire/records.py
    extra BLOB NOT NULL,                   -- JSON object of the further fields, as they came
    images BLOB NOT NULL                   -- JSON: [[name, mime, offset, size, checksum], ...]
) STRICT;
CREATE INDEX record_did ON record (did);
CREATE INDEX record_kind ON record (kind);
CREATE INDEX record_type ON record (type) WHERE type IS NOT NULL;
CREATE INDEX record_category ON record (category) WHERE category IS NOT NULL;
CREATE INDEX record_uuid ON record (uuid) WHERE uuid IS NOT NULL;
CREATE INDEX record_term ON record (term) WHERE term IS NOT NULL;
-- Records whose device's clock is off by more than a day: few, and not in any span.
CREATE INDEX record_stray ON record (occurred_at) WHERE abs(occurred_at - received_at) > 86400000;

-- Each distinct name and plate once, so that a search for a part of one looks through these only.
CREATE TABLE term (
    id INTEGER PRIMARY KEY,
    field TEXT NOT NULL,  -- name, plate
    folded TEXT NOT NULL, -- its first 256 characters, case folded
    UNIQUE (field, folded)
) STRICT;

-- When the records of a block of 1,024 neighbours occurred, strays apart: a query for a time skips
-- the blocks that cannot hold it.
CREATE TABLE span (
    block INTEGER PRIMARY KEY, -- seq >> 10
    earliest INTEGER NOT NULL,
    latest INTEGER NOT NULL
) STRICT;

-- The uploads of a day, to recognise one that is sent again.
CREATE TABLE upload (
    first_seq INTEGER PRIMARY KEY, -- its records: first_seq to last_seq
    last_seq INTEGER NOT NULL,
    digest BLOB NOT NULL,          -- xxh3-128 of path and body
    did TEXT NOT NULL,
    at INTEGER NOT NULL,
    UNIQUE (digest, did)
) STRICT;

-- Each device's latest access record, which a lone picture belongs to (D8).
CREATE TABLE latest_access (
    did TEXT PRIMARY KEY,
    seq INTEGER NOT NULL -- may be gone with its day
) STRICT, WITHOUT ROWID;

-- The days that the log holds. What lies in a pack beyond `bytes` was never acknowledged and is cut
-- off at the start.
CREATE TABLE day (
    day TEXT PRIMARY KEY,        -- YYYY-MM-DD, UTC; its pack is media/DAY.pack
    first_seq INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,
    records INTEGER NOT NULL,
    bytes INTEGER NOT NULL       -- the committed end of the pack
) STRICT, WITHOUT ROWID;

-- Days whose pack is gone and whose records are still being removed.
CREATE TABLE dropped_day (
    first_seq INTEGER PRIMARY KEY,
    last_seq INTEGER NOT NULL,
    day TEXT NOT NULL
) STRICT;


-- Devices ------------------------------------------------------------------------------------

-- The enrolled devices.
CREATE TABLE device (
    did TEXT PRIMARY KEY,           -- decimal, 1 to 2^64 - 1
    sn TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    enabled INTEGER NOT NULL,
    clock_trusted INTEGER NOT NULL,
    key TEXT,                       -- its public key as PEM; NULL: the site's key applies
    sign_form TEXT,                 -- the form of signature that it used (D2)
    did_state TEXT NOT NULL,        -- whether it knows its did: unknown, sent, none, known
    appid TEXT NOT NULL UNIQUE,     -- the signature of 三
    ota_id TEXT NOT NULL UNIQUE,    -- 2.3
    code BLOB NOT NULL,             -- sealed: the security code of 1.1
    secret BLOB NOT NULL,           -- sealed: the secret of 三
    ip TEXT,
    last_seen INTEGER,
    fw_ver TEXT,
    sw_ver TEXT,
    os_ver TEXT,
    hw_ver TEXT,
    dev_name TEXT,                  -- what it calls itself (2.2)
    clock_offset REAL,              -- seconds; positive: its clock is ahead
    init_outcome TEXT,              -- how it took the initial parameters (D3)
    created_at INTEGER NOT NULL,
    previous_key TEXT,              -- good beside `key` until the device signs with that one,
    previous_key_until INTEGER      -- or until then at the latest
) STRICT, WITHOUT ROWID;

-- How a device took what was set on it last (1.5, 1.6): it cannot be asked for it.
CREATE TABLE device_setting (
    did TEXT NOT NULL REFERENCES device (did) ON DELETE CASCADE,
    name TEXT NOT NULL,           -- face (1.5), recording (1.6)
    taken TEXT,                   -- JSON of the param that it took last; NULL: it never took one
    taken_at INTEGER,
    uri TEXT,                     -- the one that this device knows: 1.5 has two
    code INTEGER NOT NULL,        -- its last answer, whatever that was
    msg TEXT NOT NULL,
    answered_at INTEGER NOT NULL,
    PRIMARY KEY (did, name)
) STRICT, WITHOUT ROWID;

-- Pictures read from a device, by the paths that stand in its answers (D3): kept once fetched.
CREATE TABLE device_picture (
    id INTEGER PRIMARY KEY,
    did TEXT NOT NULL REFERENCES device (did) ON DELETE CASCADE,
    path TEXT NOT NULL,           -- as the device gave it
    mime TEXT NOT NULL,
    size INTEGER NOT NULL,        -- bytes of `picture`
    fetched_at INTEGER NOT NULL,
    picture BLOB NOT NULL,
    UNIQUE (did, path)
) STRICT;
CREATE INDEX device_picture_size ON device_picture (size);

-- Tokens from connect and update, those in their grace too.
CREATE TABLE token (
    token_hash BLOB PRIMARY KEY, -- the token itself is stored nowhere
    did TEXT NOT NULL REFERENCES device (did) ON DELETE CASCADE,
    issued_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX token_did ON token (did);

-- What good connects used up: a replay is refused (D2).
CREATE TABLE accepted (
    id INTEGER PRIMARY KEY,
    sn TEXT NOT NULL,
    ts_text TEXT NOT NULL,  -- as it was sent
    keep_until INTEGER,     -- NULL: the device's clock is not trusted, its last 10,000 are kept
    UNIQUE (sn, ts_text)
) STRICT;


-- Firmware (2.3) -----------------------------------------------------------------------------

-- The files, each once: firmware/SHA256 in the data directory. What lies there beside is removed at
-- the start.
CREATE TABLE firmware_file (
    sha256 TEXT PRIMARY KEY,       -- lower-case hex, as is md5
    md5 TEXT NOT NULL,
    size INTEGER NOT NULL,
    added_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What can be given to devices.
CREATE TABLE firmware_release (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- never used twice: the audit log names it
    ver_code INTEGER NOT NULL,
    ver_name TEXT NOT NULL,
    description TEXT NOT NULL,
    release_date TEXT NOT NULL,    -- yyyy-MM-dd HH:mm:ss, as devices are told it
    reports TEXT NOT NULL,         -- JSON {fwVer, swVer, osVer, hwVer}: told once it is installed
    least TEXT NOT NULL,           -- JSON, the same: the least that it can be installed over
    created_at INTEGER NOT NULL
) STRICT;

-- The 1 to 5 files of a release.
CREATE TABLE firmware_component (
    release INTEGER NOT NULL REFERENCES firmware_release (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    name TEXT NOT NULL,
    type INTEGER NOT NULL,         -- 1 description, 2 firmware, 3 app, 4 model, 5 license
    sha256 TEXT NOT NULL REFERENCES firmware_file (sha256),
    PRIMARY KEY (release, position)
) STRICT, WITHOUT ROWID;

-- Who downloaded what; the last 1,000.
CREATE TABLE firmware_download (
    id INTEGER PRIMARY KEY,
    did TEXT NOT NULL REFERENCES device (did) ON DELETE CASCADE,
    sha256 TEXT NOT NULL,          -- the file may be gone
    size INTEGER NOT NULL,         -- of the file
    started_at INTEGER NOT NULL,
    ended_at INTEGER NOT NULL,     -- when its last byte so far was sent
    sent INTEGER NOT NULL,         -- bytes, those sent twice too
    spans TEXT NOT NULL            -- JSON [[start, end], ...]: what of the file was sent
) STRICT;

-- A release on its way to devices: first to one of them, then to the others.
CREATE TABLE campaign (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    release INTEGER NOT NULL REFERENCES firmware_release (id) ON DELETE CASCADE,
    will TEXT NOT NULL,            -- what its operator wants: running, paused, stopped
    proved_at INTEGER,             -- when the first device was done: from then on the others too
    started_at INTEGER NOT NULL
) STRICT;

-- How far each of its devices is.
CREATE TABLE campaign_device (
    campaign INTEGER NOT NULL REFERENCES campaign (id) ON DELETE CASCADE,
    did TEXT NOT NULL REFERENCES device (did) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    state TEXT NOT NULL,           -- waiting, too_old, offered, downloading, downloaded, done
    counts INTEGER NOT NULL,       -- 0 once a later campaign had the device, though that is gone
    offered_at INTEGER,
    downloaded_at INTEGER,
    done_at INTEGER,
    PRIMARY KEY (campaign, did)
) STRICT, WITHOUT ROWID;


-- People and programs that use the hub ---------------------------------------------------------

-- Who may sign in.
CREATE TABLE user (
    name TEXT PRIMARY KEY,
    role TEXT NOT NULL,          -- admin, guard, viewer
    password_hash TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- A signed-in browser each; the cookie's token itself is stored nowhere.
CREATE TABLE session (
    token_hash BLOB PRIMARY KEY,
    user TEXT NOT NULL REFERENCES user (name) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL,
    address TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX session_user ON session (user);

-- The integrators' keys.
CREATE TABLE api_key (
    appid TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    read_only INTEGER NOT NULL,
    secret BLOB NOT NULL,        -- sealed
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What is set while the hub runs. Keys "store.*" are the store's own: store.clean (how it was
-- left), store.key_check (tells a foreign hub.key), store.last_did (the last one assigned).
CREATE TABLE setting (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Who changed what, from where.
CREATE TABLE audit (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    who TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    address TEXT NOT NULL
) STRICT;
