-- The schema of the database. What changes it later is a numbered migration beside this file.
--
-- All times are UNIX milliseconds. All tables except the record log, the pictures of devices and
-- the audit log have few rows, which the hub also holds in memory. Sealed columns are encrypted with
-- the key in hub.key (AES-GCM, bound to their row). PRAGMA application_id is "SHUB", PRAGMA
-- user_version 30 more than the number of the last migration.


-- The record log -----------------------------------------------------------------------------

-- One thing that a device reported. Changed only by an erasure; removed with its day unless it is
-- held. Each index ends in seq, which is the rowid, so that the rows of one value come in the log's
-- order.
CREATE TABLE record (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, -- strictly increasing, never reused
    kind TEXT NOT NULL,                    -- face, event, vehicle, access
    did TEXT NOT NULL,                     -- of the sender; the device may be gone
    sn TEXT NOT NULL,
    device_name TEXT NOT NULL,
    occurred_at INTEGER NOT NULL,          -- by the device's clock
    received_at INTEGER NOT NULL,          -- by the hub's clock; its UTC day is the pack's
    type INTEGER,                          -- of an event (2.4) or an access record (D8)
    category INTEGER,                      -- of the person: 0 stranger, 1 to 4 as in 1.12
    uuid TEXT,                             -- of the person, in one form; 128 characters at most
    term INTEGER,                          -- term.id of the name, or of a vehicle's plate
    detail BLOB NOT NULL,                  -- JSON by kind, see hub/wire/uploads/records.py
    extra BLOB NOT NULL,                   -- JSON object of the extra fields, unchanged
    images BLOB NOT NULL,                  -- JSON: [[name, mime, offset, size, checksum], ...]
    erased INTEGER                         -- 1: hidden, its data is being erased; 2: an empty shell
) STRICT;
CREATE INDEX record_did ON record (did);
CREATE INDEX record_kind ON record (kind);
CREATE INDEX record_type ON record (type) WHERE type IS NOT NULL;
CREATE INDEX record_category ON record (category) WHERE category IS NOT NULL;
CREATE INDEX record_uuid ON record (uuid) WHERE uuid IS NOT NULL;
CREATE INDEX record_term ON record (term) WHERE term IS NOT NULL;
CREATE INDEX record_erased ON record (erased) WHERE erased = 1;
-- Records whose device's clock is off by more than ten minutes, or that came so late: not in any
-- span.
CREATE INDEX record_stray ON record (occurred_at) WHERE abs(occurred_at - received_at) > 600000;
CREATE INDEX record_did_type ON record (did, type) WHERE type IS NOT NULL;
CREATE INDEX record_did_category ON record (did, category) WHERE category IS NOT NULL;
CREATE INDEX record_did_term ON record (did, term) WHERE term IS NOT NULL;
-- Records without pictures, which cameras of faces and vehicles seldom send.
CREATE INDEX record_did_bare ON record (did) WHERE erased IS NOT NULL OR images = x'5b5d';

-- How many records there are, kept by the triggers below whatever changes the log. `hour` is that of
-- occurred_at, in hours since 1970: a question about a time means the device's clock. A type or a
-- category that a record does not have is ''.
CREATE TABLE record_count (
    hour INTEGER NOT NULL,
    did TEXT NOT NULL,        -- '*': of the whole site; '': of the hub itself
    kind TEXT NOT NULL,
    type ANY NOT NULL,
    category ANY NOT NULL,
    records INTEGER NOT NULL, -- at least 1
    PRIMARY KEY (hour, did, kind, type, category)
) STRICT, WITHOUT ROWID;

-- The same of all hours together: tells what a camera has sent at all.
CREATE TABLE record_total (
    did TEXT NOT NULL,
    kind TEXT NOT NULL,
    type ANY NOT NULL,
    category ANY NOT NULL,
    records INTEGER NOT NULL,
    PRIMARY KEY (did, kind, type, category)
) STRICT, WITHOUT ROWID;

-- A damaged count never keeps a record out: it begins anew, until the counts are made again.
CREATE TRIGGER record_counted AFTER INSERT ON record BEGIN
    INSERT INTO record_count VALUES
        (
            new.occurred_at / 3600000 - (new.occurred_at % 3600000 < 0), new.did,
            new.kind, ifnull(new.type, ''), ifnull(new.category, ''), 1
        ),
        (
            new.occurred_at / 3600000 - (new.occurred_at % 3600000 < 0), '*',
            new.kind, ifnull(new.type, ''), ifnull(new.category, ''), 1
        )
    ON CONFLICT DO UPDATE SET records = CASE
        WHEN typeof(records) = 'integer' AND records BETWEEN 0 AND 0xffffffffffff
        THEN records + 1 ELSE 1 END;
    INSERT INTO record_total
    VALUES (new.did, new.kind, ifnull(new.type, ''), ifnull(new.category, ''), 1)
    ON CONFLICT DO UPDATE SET records = CASE
        WHEN typeof(records) = 'integer' AND records BETWEEN 0 AND 0xffffffffffff
        THEN records + 1 ELSE 1 END;
END;
CREATE TRIGGER record_uncounted AFTER DELETE ON record BEGIN
    UPDATE record_count SET records = CASE
        WHEN typeof(records) = 'integer' AND records BETWEEN 1 AND 0xffffffffffff
        THEN records - 1 ELSE 0 END
    WHERE hour = old.occurred_at / 3600000 - (old.occurred_at % 3600000 < 0)
        AND did IN (old.did, '*') AND kind = old.kind AND type = ifnull(old.type, '')
        AND category = ifnull(old.category, '');
    UPDATE record_total SET records = CASE
        WHEN typeof(records) = 'integer' AND records BETWEEN 1 AND 0xffffffffffff
        THEN records - 1 ELSE 0 END
    WHERE did = old.did AND kind = old.kind AND type = ifnull(old.type, '')
        AND category = ifnull(old.category, '');
END;
CREATE TRIGGER record_recounted AFTER UPDATE OF did, occurred_at, kind, type, category ON record
BEGIN
    UPDATE record_count SET records = CASE
        WHEN typeof(records) = 'integer' AND records BETWEEN 1 AND 0xffffffffffff
        THEN records - 1 ELSE 0 END
    WHERE hour = old.occurred_at / 3600000 - (old.occurred_at % 3600000 < 0)
        AND did IN (old.did, '*') AND kind = old.kind AND type = ifnull(old.type, '')
        AND category = ifnull(old.category, '');
    UPDATE record_total SET records = CASE
        WHEN typeof(records) = 'integer' AND records BETWEEN 1 AND 0xffffffffffff
        THEN records - 1 ELSE 0 END
    WHERE did = old.did AND kind = old.kind AND type = ifnull(old.type, '')
        AND category = ifnull(old.category, '');
    INSERT INTO record_count
    SELECT new.occurred_at / 3600000 - (new.occurred_at % 3600000 < 0), counted,
        new.kind, ifnull(new.type, ''), ifnull(new.category, ''), 1
    FROM (SELECT new.did AS counted UNION ALL SELECT '*')
    WHERE typeof(new.occurred_at) = 'integer' AND typeof(new.did) = 'text'
        AND typeof(new.kind) = 'text'
    ON CONFLICT DO UPDATE SET records = CASE
        WHEN typeof(records) = 'integer' AND records BETWEEN 0 AND 0xffffffffffff
        THEN records + 1 ELSE 1 END;
    INSERT INTO record_total
    SELECT new.did, new.kind, ifnull(new.type, ''), ifnull(new.category, ''), 1
    WHERE typeof(new.occurred_at) = 'integer' AND typeof(new.did) = 'text'
        AND typeof(new.kind) = 'text'
    ON CONFLICT DO UPDATE SET records = CASE
        WHEN typeof(records) = 'integer' AND records BETWEEN 0 AND 0xffffffffffff
        THEN records + 1 ELSE 1 END;
END;
CREATE TRIGGER record_count_ended AFTER UPDATE ON record_count WHEN new.records = 0 BEGIN
    DELETE FROM record_count
    WHERE hour = new.hour AND did = new.did AND kind = new.kind AND type = new.type
        AND category = new.category;
END;
CREATE TRIGGER record_total_ended AFTER UPDATE ON record_total WHEN new.records = 0 BEGIN
    DELETE FROM record_total
    WHERE did = new.did AND kind = new.kind AND type = new.type AND category = new.category;
END;

-- Each distinct name and plate once, so that a search for a part of one scans this table only.
CREATE TABLE term (
    id INTEGER PRIMARY KEY,
    field TEXT NOT NULL,  -- name, plate
    folded TEXT NOT NULL, -- its first 256 characters, case folded
    UNIQUE (field, folded)
) STRICT;

-- The range of occurred_at of each block of 1,024 consecutive records, without those whose device's
-- clock is off. A query for a time range skips the blocks that cannot match.
CREATE TABLE span (
    block INTEGER PRIMARY KEY, -- seq >> 10
    earliest INTEGER NOT NULL,
    latest INTEGER NOT NULL
) STRICT;

-- What records can be searched by: the attributes of people and vehicles. Those that have none of
-- them are not in it. A search for a combination reads this narrow table rather than an index for
-- each value, which would be a dozen rows for each face.
CREATE TABLE record_attributes (
    seq INTEGER PRIMARY KEY,
    bits INTEGER NOT NULL -- see hub/store/commit/attribute_bits.py
) STRICT;
CREATE TRIGGER record_attributes_forgotten AFTER DELETE ON record BEGIN
    DELETE FROM record_attributes WHERE seq = old.seq;
END;
CREATE TRIGGER record_attributes_erased AFTER UPDATE OF erased ON record
WHEN new.erased IS NOT NULL BEGIN
    DELETE FROM record_attributes WHERE seq = new.seq;
END;

-- The uploads of the last day, to recognise repeats.
CREATE TABLE upload (
    first_seq INTEGER PRIMARY KEY, -- its records: first_seq to last_seq
    last_seq INTEGER NOT NULL,
    digest BLOB NOT NULL,          -- xxh3-128 of path and body
    did TEXT NOT NULL,
    at INTEGER NOT NULL,
    UNIQUE (digest, did)
) STRICT;

-- The latest starts. How long the hub was off before each does not count for repeats.
CREATE TABLE start (
    id INTEGER PRIMARY KEY,
    started_at INTEGER NOT NULL, -- when the first group after it was stored
    ended_at INTEGER NOT NULL    -- when the last one before it was
) STRICT;

-- Each device's latest access record, which a lone picture belongs to (D8).
CREATE TABLE latest_access (
    did TEXT PRIMARY KEY,
    seq INTEGER NOT NULL -- may be gone with its day
) STRICT, WITHOUT ROWID;

-- What ties the database to its packs: one row, changed with every group of records.
CREATE TABLE record_log (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    log_id TEXT NOT NULL,        -- 32 hexadecimal digits; in the header of each group in a pack
    last_group INTEGER NOT NULL, -- number of the last group that was committed
    writes INTEGER NOT NULL,     -- how many transactions there were, and since the WAL began
    checkpointed INTEGER NOT NULL DEFAULT 0 -- last_group in the main file when the WAL began
) STRICT;
INSERT INTO record_log VALUES (1, lower(hex(randomblob(16))), 0, 0, 0);

-- The days that the log holds. Bytes of a pack beyond `bytes` were never acknowledged and are cut
-- off at the start.
CREATE TABLE day (
    day TEXT PRIMARY KEY,        -- YYYY-MM-DD, UTC; its pack is media/DAY.pack
    first_seq INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,
    records INTEGER NOT NULL,
    bytes INTEGER NOT NULL,      -- the committed end of the pack
    erased_at INTEGER            -- when pictures in it were last overwritten: copy it whole again
) STRICT, WITHOUT ROWID;

-- Days whose pack was removed and whose records are still being removed.
CREATE TABLE dropped_day (
    first_seq INTEGER PRIMARY KEY,
    last_seq INTEGER NOT NULL,
    day TEXT NOT NULL
) STRICT;

-- Records that are kept, with a reason, whatever the age of their day.
CREATE TABLE hold (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- never reused: the audit log refers to it
    source TEXT NOT NULL,                 -- person
    reason TEXT NOT NULL,
    until INTEGER,                        -- NULL: until somebody releases it
    created_by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    ended_by TEXT,                        -- NULL while it ends by itself, at `until`
    ended_at INTEGER,                     -- NULL: it is in force
    records INTEGER NOT NULL              -- how many it holds, or held when it ended
) STRICT;

-- The records of the holds in force.
CREATE TABLE hold_record (
    hold INTEGER NOT NULL REFERENCES hold (id) ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    PRIMARY KEY (hold, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX hold_record_seq ON hold_record (seq);

-- The packs of held evidence, media/held/DAY-ID.pack. Bytes beyond `bytes` are not used.
CREATE TABLE held_pack (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    day TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    is_stale INTEGER NOT NULL, -- 1: what is still held in it moves to another one, then it goes
    erased_at INTEGER          -- as in `day`
) STRICT;

-- Held records whose pictures were copied to a pack of held evidence. They outlive their day.
CREATE TABLE held_record (
    seq INTEGER PRIMARY KEY,
    pack INTEGER NOT NULL REFERENCES held_pack (id),
    images BLOB NOT NULL       -- as in `record`, with the positions in this pack
) STRICT;
CREATE INDEX held_record_pack ON held_record (pack);

-- Erasures of one person's records. Once finished, they do not tell whose records they were.
CREATE TABLE erasure (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- never reused: the audit log refers to it
    created_by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    finished_at INTEGER,       -- NULL: not finished; it goes on at the next start
    manner TEXT NOT NULL,      -- person: by number or name; records: chosen by hand
    subject TEXT,              -- JSON of what is erased; NULL once it is
    with_held INTEGER NOT NULL,
    last_seq INTEGER NOT NULL, -- later records are not erased
    records INTEGER NOT NULL,  -- erased so far, like `pictures` and `bytes`
    pictures INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    report TEXT NOT NULL       -- JSON: days, cameras, what was kept, older copies
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
    sign_form TEXT,                 -- the form of its signatures (D2)
    did_state TEXT NOT NULL,        -- whether it knows its did: unknown, sent, none, known
    appid TEXT NOT NULL UNIQUE,     -- for its signed requests (三)
    ota_id TEXT NOT NULL UNIQUE,    -- 2.3
    code BLOB NOT NULL,             -- sealed: the security code of 1.1
    secret BLOB NOT NULL,           -- sealed: the secret of its signed requests (三)
    ip TEXT,                        -- as it states it
    last_seen INTEGER,
    fw_ver TEXT,
    sw_ver TEXT,
    os_ver TEXT,
    hw_ver TEXT,
    dev_name TEXT,                  -- the name that it reports (2.2)
    clock_offset REAL,              -- seconds; positive if its clock is ahead
    init_outcome TEXT,              -- the outcome of sending its initial parameters (D3)
    created_at INTEGER NOT NULL,
    previous_key TEXT,              -- also accepted until the device signs with `key`,
    previous_key_until INTEGER,     -- at most until this time
    address TEXT,                   -- of its last good connect, as the hub sees it
    connects TEXT NOT NULL DEFAULT 'signed', -- signed, unsigned (D12); of a signed one the rest is NULL
    pinned_address TEXT,            -- as it was approved, like the MAC and its own number
    pinned_mac TEXT,
    pinned_devid TEXT,
    auth_code_hash TEXT,            -- hexadecimal: an HMAC with a key that is derived from hub.key
    path_hash TEXT,                 -- SHA-256 of the secret in its path; NULL: any path
    next_path_hash TEXT,            -- of the one that it was sent, and has not come back by
    suspect TEXT,                   -- what did not fit: address, mac, facts; NULL: nothing
    suspect_address TEXT,
    suspect_mac TEXT,
    suspect_at INTEGER
) STRICT, WITHOUT ROWID;

-- What is known of a device's firmware, part by part (D12).
CREATE TABLE device_capability (
    did TEXT NOT NULL REFERENCES device (did) ON DELETE CASCADE,
    part TEXT NOT NULL,             -- connect, face, recording, uploads, ..., or a group of commands
    learnt TEXT,                    -- NULL: not known
    source TEXT,                    -- what it was learnt from; NULL if it was not
    firmware TEXT NOT NULL,         -- for which it was learnt, as the device names it; may be empty
    learnt_at INTEGER,
    override TEXT,                  -- an administrator's, in place of what was learnt; NULL: none
    PRIMARY KEY (did, part)
) STRICT, WITHOUT ROWID;

-- The door or relay of a camera, switched through its own HTTP (D12). Goes with the camera.
CREATE TABLE device_relay (
    did TEXT PRIMARY KEY REFERENCES device (did) ON DELETE CASCADE,
    name TEXT NOT NULL,             -- what people call it, such as "Front door"
    kind TEXT NOT NULL,             -- door, sounder
    seconds INTEGER NOT NULL,       -- how long it is switched on
    address TEXT NOT NULL,          -- of the camera's own HTTP: an IP address
    is_own INTEGER NOT NULL,        -- 1: the camera must be connected from it; 0: it was typed
    port INTEGER NOT NULL,
    tls INTEGER NOT NULL,
    certificate TEXT NOT NULL,      -- SHA-256, hexadecimal, of the first one seen; '': none yet
    username TEXT NOT NULL,
    password BLOB NOT NULL          -- sealed, for this did, address and port
) STRICT, WITHOUT ROWID;

-- When devices were without a connection, for more than a minute.
CREATE TABLE outage (
    id INTEGER PRIMARY KEY,
    did TEXT NOT NULL REFERENCES device (did) ON DELETE CASCADE,
    began_at INTEGER NOT NULL,      -- when it was last heard from
    ended_at INTEGER,               -- NULL: it lasts
    cause TEXT NOT NULL             -- lost, refused; disabled and new are no failures
) STRICT;
CREATE INDEX outage_did ON outage (did, id);
CREATE INDEX outage_open ON outage (id) WHERE ended_at IS NULL;

-- When the hub ran. Nobody watched the devices in the gaps between.
CREATE TABLE hub_run (
    id INTEGER PRIMARY KEY,
    began_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL        -- it ran at least until then; stored once a minute
) STRICT;

-- The settings that a device last accepted (1.5, 1.6), because it cannot be asked for them.
CREATE TABLE device_setting (
    did TEXT NOT NULL REFERENCES device (did) ON DELETE CASCADE,
    name TEXT NOT NULL,           -- face (1.5), recording (1.6), adjust, day_night (D12)
    taken TEXT,                   -- JSON of the param last accepted; NULL if there is none
    taken_at INTEGER,
    uri TEXT,                     -- which uri of 1.5, which has two, this device knows
    code INTEGER NOT NULL,        -- its last answer, accepted or not
    msg TEXT NOT NULL,
    answered_at INTEGER NOT NULL,
    PRIMARY KEY (did, name)
) STRICT, WITHOUT ROWID;

-- Cache of pictures read from devices, by the paths in their answers (D3).
CREATE TABLE device_picture (
    id INTEGER PRIMARY KEY,
    did TEXT NOT NULL REFERENCES device (did) ON DELETE CASCADE,
    path TEXT NOT NULL,           -- as in the device's answer
    mime TEXT NOT NULL,
    size INTEGER NOT NULL,        -- bytes of `picture`
    fetched_at INTEGER NOT NULL,
    picture BLOB NOT NULL,
    UNIQUE (did, path)
) STRICT;
CREATE INDEX device_picture_size ON device_picture (size);

-- Tokens from connect and update, including those in their grace period.
CREATE TABLE token (
    token_hash BLOB PRIMARY KEY, -- the token itself is not stored
    did TEXT NOT NULL REFERENCES device (did) ON DELETE CASCADE,
    issued_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX token_did ON token (did);

-- The replay window: accepted connects, which are not accepted again (D2).
CREATE TABLE accepted (
    id INTEGER PRIMARY KEY,
    sn TEXT NOT NULL,
    ts_text TEXT NOT NULL,  -- as it was sent
    keep_until INTEGER,     -- NULL: the device's clock is not trusted, its last 10,000 are kept
    UNIQUE (sn, ts_text)
) STRICT;


-- Firmware (2.3) -----------------------------------------------------------------------------

-- The files firmware/SHA256 in the data directory. Other files there are removed at the start.
CREATE TABLE firmware_file (
    sha256 TEXT PRIMARY KEY,       -- lower-case hex, like md5
    md5 TEXT NOT NULL,
    size INTEGER NOT NULL,
    added_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Releases that campaigns can distribute.
CREATE TABLE firmware_release (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- never reused: the audit log refers to it
    ver_code INTEGER NOT NULL,
    ver_name TEXT NOT NULL,
    description TEXT NOT NULL,
    release_date TEXT NOT NULL,    -- yyyy-MM-dd HH:mm:ss, as sent to devices
    reports TEXT NOT NULL,         -- JSON {fwVer, swVer, osVer, hwVer}: reported once installed
    least TEXT NOT NULL,           -- JSON, likewise: lowest versions it can be installed over
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

-- The last 1,000 downloads of firmware files by devices.
CREATE TABLE firmware_download (
    id INTEGER PRIMARY KEY,
    did TEXT NOT NULL REFERENCES device (did) ON DELETE CASCADE,
    sha256 TEXT NOT NULL,          -- the file may be gone
    size INTEGER NOT NULL,         -- of the file
    started_at INTEGER NOT NULL,
    ended_at INTEGER NOT NULL,     -- when the last byte was sent
    sent INTEGER NOT NULL,         -- bytes, counting repeated ones again
    spans TEXT NOT NULL            -- JSON [[start, end], ...]: parts of the file that were sent
) STRICT;

-- The distribution of a release: to one device first, then to the others.
CREATE TABLE campaign (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    release INTEGER NOT NULL REFERENCES firmware_release (id) ON DELETE CASCADE,
    will TEXT NOT NULL,            -- what the operator wants: running, paused, stopped
    proved_at INTEGER,             -- when the first device was done; the others follow
    started_at INTEGER NOT NULL
) STRICT;

-- The progress of each of its devices.
CREATE TABLE campaign_device (
    campaign INTEGER NOT NULL REFERENCES campaign (id) ON DELETE CASCADE,
    did TEXT NOT NULL REFERENCES device (did) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    state TEXT NOT NULL,           -- waiting, too_old, offered, downloading, downloaded, done
    counts INTEGER NOT NULL,       -- 0 once a later campaign had the device, even a removed one
    offered_at INTEGER,
    downloaded_at INTEGER,
    done_at INTEGER,
    PRIMARY KEY (campaign, did)
) STRICT, WITHOUT ROWID;


-- The site's people (D10) -----------------------------------------------------------------------

-- The register: the truth, of which each managed camera is a copy.
CREATE TABLE person (
    pid TEXT PRIMARY KEY,           -- decimal, 1 to 2^64 - 1
    name TEXT NOT NULL,             -- the fields of 1.12
    work_id TEXT NOT NULL,
    id_card_no TEXT NOT NULL,
    ic_card_no TEXT NOT NULL,
    gender INTEGER,                 -- 1 male, 2 female; NULL: not stated
    age INTEGER,                    -- either this or the year of birth, or neither
    birth_year INTEGER,
    department TEXT NOT NULL,
    phone TEXT NOT NULL,
    category INTEGER NOT NULL,      -- 1 whitelist, 2 blacklist, 3 VIP, 4 visitor
    everywhere INTEGER NOT NULL,    -- 1: on all cameras; 0: on those of its groups
    valid_from INTEGER,             -- on cameras from then, and until then
    valid_until INTEGER,
    note TEXT NOT NULL,
    has_photo INTEGER NOT NULL,     -- 1: see person_photo; without one, no camera takes the person
    revision INTEGER NOT NULL UNIQUE, -- of what cameras are given; each change takes the next of all
    created_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    changed_by TEXT NOT NULL,
    folded TEXT NOT NULL            -- name and numbers, case folded, for the search
) STRICT, WITHOUT ROWID;
CREATE INDEX person_category ON person (category);
CREATE INDEX person_order ON person (substr('0000000000000000000' || pid, -20));

-- The photos, as cameras are given them (D10): JPEG, at most 640 px and 200 KB.
CREATE TABLE person_photo (
    pid TEXT PRIMARY KEY REFERENCES person (pid) ON DELETE CASCADE,
    jpeg BLOB NOT NULL
) STRICT;

-- Groups of cameras, such as "Gate". A camera may be in several.
CREATE TABLE camera_group (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE
) STRICT;

-- The cameras of each group.
CREATE TABLE camera_group_device (
    camera_group INTEGER NOT NULL REFERENCES camera_group (id) ON DELETE CASCADE,
    did TEXT NOT NULL REFERENCES device (did) ON DELETE CASCADE,
    PRIMARY KEY (camera_group, did)
) STRICT, WITHOUT ROWID;
CREATE INDEX camera_group_device_did ON camera_group_device (did);

-- The groups on whose cameras a person is, unless it is on all.
CREATE TABLE person_group (
    pid TEXT NOT NULL REFERENCES person (pid) ON DELETE CASCADE,
    camera_group INTEGER NOT NULL REFERENCES camera_group (id) ON DELETE CASCADE,
    PRIMARY KEY (pid, camera_group)
) STRICT, WITHOUT ROWID;
CREATE INDEX person_group_group ON person_group (camera_group);

-- How each device is kept in step with the register.
CREATE TABLE device_people (
    did TEXT PRIMARY KEY REFERENCES device (did) ON DELETE CASCADE,
    state TEXT NOT NULL,            -- new: not looked at yet; managed; undecided: holds unknown
                                    -- people; alone: left alone
    must_check INTEGER NOT NULL,    -- 1: it may have lost its people; see how many it has
    deletes_first INTEGER,          -- 1: it refuses 1.12 for a pid that it holds, and gets 1.15
                                    -- first; 0: it takes 1.12 for it; NULL: not known yet
    versions TEXT NOT NULL,         -- its versions when it was last looked at
    total INTEGER,                  -- how many people it said it holds
    compared_at INTEGER             -- when its whole list was last compared
) STRICT, WITHOUT ROWID;

-- What devices are known to hold. A pid without a row: nothing, as far as is known.
CREATE TABLE holding (
    did TEXT NOT NULL REFERENCES device (did) ON DELETE CASCADE,
    pid TEXT NOT NULL,              -- the person may be gone from the register
    revision INTEGER,               -- that the device took; 0: it does not have the person; -1: it
                                    -- has, but not as sent; NULL: not known, ask by 1.14
    sent INTEGER,                   -- if not known: the revision that was sent to a device that
                                    -- did not have the person
    failed_revision INTEGER,        -- that it refused for good (D10); 0: it refused the removal
    code INTEGER,                   -- its last answer, if it was no success
    msg TEXT NOT NULL,
    attempts INTEGER NOT NULL,      -- in vain, since the last success
    due_at INTEGER,                 -- not tried again before
    PRIMARY KEY (did, pid)
) STRICT, WITHOUT ROWID;
CREATE INDEX holding_failed ON holding (did) WHERE failed_revision IS NOT NULL;
CREATE INDEX holding_due ON holding (did, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX holding_pid ON holding (pid, revision);

-- People on devices that the register does not have.
CREATE TABLE unknown_person (
    did TEXT NOT NULL REFERENCES device (did) ON DELETE CASCADE,
    pid TEXT NOT NULL,              -- as the device tells it
    row TEXT NOT NULL,              -- JSON of the device's row (1.13)
    PRIMARY KEY (did, pid)
) STRICT, WITHOUT ROWID;


-- Jobs -------------------------------------------------------------------------------------------

-- Long work: its progress, and for a week its outcome.
CREATE TABLE job (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,             -- import, compare, take-over, remove-unknown, search, settings, restart, osd-name, recording
    state TEXT NOT NULL,            -- running, done, cancelled, interrupted, failed
    subject TEXT NOT NULL,          -- JSON by kind: what it was asked to do
    created_by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    ended_at INTEGER,
    total INTEGER,                  -- NULL: not known yet
    done INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    failure TEXT NOT NULL           -- why it ended early
) STRICT;

-- The single steps of a job, such as a row of an import or a camera that was asked.
CREATE TABLE job_item (
    job INTEGER NOT NULL REFERENCES job (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    state TEXT NOT NULL,            -- waiting, running, done, failed, cancelled, interrupted
    detail TEXT NOT NULL,           -- JSON by kind
    PRIMARY KEY (job, position)
) STRICT, WITHOUT ROWID;

-- Settings that devices get when they come.
CREATE TABLE device_wish (
    did TEXT NOT NULL REFERENCES device (did) ON DELETE CASCADE,
    name TEXT NOT NULL,             -- face (1.5), recording (1.6)
    param TEXT NOT NULL,            -- JSON
    job INTEGER REFERENCES job (id) ON DELETE SET NULL,
    position INTEGER,               -- of its item in the job
    wished_by TEXT NOT NULL,
    wished_at INTEGER NOT NULL,
    PRIMARY KEY (did, name)
) STRICT, WITHOUT ROWID;


-- Alarms (D11) -----------------------------------------------------------------------------------

-- One alarm, raised in the transaction of its record. At most one per subject is not closed.
CREATE TABLE alarm (
    seq INTEGER PRIMARY KEY,        -- of the record that raised it
    kind TEXT NOT NULL,             -- blacklist, plate, event, offline, hub
    subject TEXT NOT NULL,          -- person, plate, did and type, did, cause
    severity TEXT NOT NULL,         -- critical, major, minor
    state TEXT NOT NULL,            -- new, acknowledged, closed
    count INTEGER NOT NULL,         -- how often it was raised
    first_at INTEGER NOT NULL,      -- occurred_at of the first and of the last record
    last_at INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,
    heard_at INTEGER NOT NULL,      -- by the hub's clock: when the last record arrived
    new_since INTEGER NOT NULL,     -- by the hub's clock: since when nobody has acknowledged it
    escalated_at INTEGER,
    over_at INTEGER,                -- when what it tells of had passed
    dids TEXT NOT NULL,             -- JSON: the cameras that saw it
    detail TEXT NOT NULL,           -- JSON by kind
    note TEXT NOT NULL              -- the last one
) STRICT;
CREATE UNIQUE INDEX alarm_active ON alarm (kind, subject) WHERE state <> 'closed';
CREATE INDEX alarm_state ON alarm (state, seq);
CREATE INDEX alarm_heard ON alarm (heard_at) WHERE state = 'closed';

-- The records of an alarm, which are kept as its evidence: the first ones, and the last.
CREATE TABLE alarm_record (
    alarm INTEGER NOT NULL REFERENCES alarm (seq) ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    PRIMARY KEY (alarm, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX alarm_record_seq ON alarm_record (seq);

-- The history of an alarm.
CREATE TABLE alarm_step (
    alarm INTEGER NOT NULL REFERENCES alarm (seq) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    at INTEGER NOT NULL,
    step TEXT NOT NULL,             -- raised, again, acknowledged, escalated, over, closed
    who TEXT NOT NULL,              -- a user, an API key, or empty: by itself
    note TEXT NOT NULL,
    PRIMARY KEY (alarm, position)
) STRICT, WITHOUT ROWID;

-- Rules that differ from the default (D11), in their order.
CREATE TABLE alarm_rule (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    rule TEXT NOT NULL              -- JSON
) STRICT;

-- Watched plates.
CREATE TABLE plate_list (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    severity TEXT NOT NULL
) STRICT;

-- What a list watches for.
CREATE TABLE plate_entry (
    list INTEGER NOT NULL REFERENCES plate_list (id) ON DELETE CASCADE,
    pattern TEXT NOT NULL,          -- reduced as D11 says; * and ? stand for others
    note TEXT NOT NULL,
    until INTEGER,
    PRIMARY KEY (list, pattern)
) STRICT, WITHOUT ROWID;


-- People and programs that use the hub ---------------------------------------------------------

-- Users who can sign in.
CREATE TABLE user (
    name TEXT PRIMARY KEY,
    role TEXT NOT NULL,          -- admin, guard, people, viewer
    password_hash TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    enabled INTEGER NOT NULL DEFAULT 1 -- 0: cannot sign in
) STRICT, WITHOUT ROWID;

-- Second factors of users.
CREATE TABLE second_factor (
    user TEXT PRIMARY KEY REFERENCES user (name) ON DELETE CASCADE,
    secret BLOB NOT NULL,        -- sealed
    last_step INTEGER NOT NULL,  -- of the code that was used last: none is good twice
    recovery TEXT NOT NULL       -- hashes of the recovery codes that are left, by blanks
) STRICT, WITHOUT ROWID;

-- Links by which users set themselves up, once. The token itself is not stored.
CREATE TABLE user_link (
    name TEXT PRIMARY KEY,       -- of the user to be
    role TEXT NOT NULL,
    token_hash BLOB NOT NULL,
    expires_at INTEGER NOT NULL,
    made_by TEXT NOT NULL DEFAULT '' -- the administrator with whom it ends; empty: command line
) STRICT, WITHOUT ROWID;

-- Signed-in browsers. The cookie's token itself is not stored.
CREATE TABLE session (
    token_hash BLOB PRIMARY KEY,
    user TEXT NOT NULL REFERENCES user (name) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL,
    address TEXT NOT NULL,
    screen TEXT NOT NULL DEFAULT ''  -- the name of the wall screen that it is for; empty: of a person
) STRICT, WITHOUT ROWID;
CREATE INDEX session_user ON session (user);

-- API keys of integrators.
CREATE TABLE api_key (
    appid TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    read_only INTEGER NOT NULL,  -- 0: all rights; 1: only reads; 2: changes all but targets
    secret BLOB NOT NULL,        -- sealed
    created_at INTEGER NOT NULL,
    last_used_at INTEGER         -- saved from time to time
) STRICT, WITHOUT ROWID;

-- Signatures of changes by the API, each of which is good once; the newest of each key.
CREATE TABLE used_signature (
    appid TEXT NOT NULL REFERENCES api_key ON DELETE CASCADE,
    sign TEXT NOT NULL,          -- '': all that were signed up to ts are forgotten
    ts INTEGER NOT NULL,         -- the signed time
    PRIMARY KEY (appid, sign)
) STRICT, WITHOUT ROWID;

-- Settings made while the hub runs. Keys "store.*" belong to the store: store.clean (whether it was
-- closed), store.key_check (detects a wrong hub.key), store.last_did (the last did assigned).
CREATE TABLE setting (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Questions to the record log that people saved under a name, at most 100.
CREATE TABLE saved_search (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    query TEXT NOT NULL,        -- of the page of search, without a question mark
    created_by TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

-- What of the wall each user has looked at and reviewed.
CREATE TABLE review (
    name TEXT PRIMARY KEY REFERENCES user (name) ON DELETE CASCADE,
    line INTEGER NOT NULL,      -- the last seq that was seen on the visit before,
    left_at INTEGER NOT NULL,   -- which lasted until then
    seen INTEGER NOT NULL,      -- and on the latest one, which lasted until seen_at
    seen_at INTEGER NOT NULL,
    reviewed INTEGER NOT NULL,  -- all records up to this seq are reviewed
    marks TEXT NOT NULL         -- JSON: seqs above it that are, at most 500
) STRICT, WITHOUT ROWID;

-- The last 1,000 steps of the hub's clock; small ones make room first. The days before a step are
-- dated by it, see hub/services/clock/dating.py.
CREATE TABLE clock_step (
    id INTEGER PRIMARY KEY,
    seq INTEGER NOT NULL,       -- the last record before the step was noticed
    before INTEGER NOT NULL,    -- what the clock would have shown without it
    after INTEGER NOT NULL,     -- what it showed
    at_start INTEGER NOT NULL   -- 1: between two runs, so that the time between them is not known
) STRICT;

-- The audit log: who changed what, from where.
CREATE TABLE audit (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    who TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    address TEXT NOT NULL
) STRICT;


-- Targets: other systems that the record log is forwarded to --------------------------------------

-- Each has a cursor of its own on the log.
CREATE TABLE target (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,             -- webhook, mqtt, nats
    name TEXT NOT NULL UNIQUE,
    options TEXT NOT NULL,          -- JSON: the address, and what is forwarded
    secrets BLOB NOT NULL,          -- JSON, sealed
    created_at INTEGER NOT NULL,
    held TEXT NOT NULL,             -- JSON: why nothing is sent until a person looks; '': it is sent
    -- The cursor: whatever this log has up to this seq was delivered, parked, left out by choice,
    -- or is in a gap.
    log TEXT NOT NULL,
    seq INTEGER NOT NULL,
    alarm_number INTEGER NOT NULL,  -- the same for alarm_change.number
    erasure_number INTEGER NOT NULL DEFAULT 0, -- and for erased_record.number
    generation INTEGER NOT NULL DEFAULT 1      -- counts the changes: a cursor is of one generation
) STRICT;

-- What a target refused for ever.
CREATE TABLE parked_item (
    target INTEGER NOT NULL REFERENCES target (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,             -- record, alarm, gap
    log TEXT NOT NULL,
    seq INTEGER NOT NULL,           -- of the record or the alarm, or the first one of the gap
    reason TEXT NOT NULL,           -- JSON
    parked_at INTEGER NOT NULL,
    PRIMARY KEY (target, kind, log, seq)
) STRICT, WITHOUT ROWID;

-- Records that were deleted before a target had them.
CREATE TABLE target_gap (
    target INTEGER NOT NULL REFERENCES target (id) ON DELETE CASCADE,
    log TEXT NOT NULL,
    first_seq INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,
    reason TEXT NOT NULL,           -- age, size, disk, confirmed, lost
    made_at INTEGER NOT NULL,
    told_at INTEGER,                -- when the target was told
    seen_at INTEGER,                -- when a person said that it is known
    PRIMARY KEY (target, log, first_seq)
) STRICT, WITHOUT ROWID;

-- The last change of each alarm, numbered in the order of the changes.
CREATE TABLE alarm_change (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    alarm INTEGER NOT NULL,         -- alarm.seq
    -- Of the change by which it was raised, raised again or more severe; NULL: of this one.
    news INTEGER
) STRICT;
CREATE INDEX alarm_change_of ON alarm_change (alarm);
CREATE TRIGGER alarm_raised AFTER INSERT ON alarm BEGIN
    DELETE FROM alarm_change WHERE alarm = new.seq;
    INSERT INTO alarm_change (alarm) VALUES (new.seq);
END;
CREATE TRIGGER alarm_changed AFTER UPDATE ON alarm BEGIN
    INSERT INTO alarm_change (alarm, news) VALUES (new.seq,
        CASE WHEN new.severity = old.severity AND (new.state <> 'new' OR old.state = 'new')
        THEN (SELECT coalesce(news, number) FROM alarm_change WHERE alarm = new.seq) END);
    DELETE FROM alarm_change WHERE alarm = new.seq AND number < last_insert_rowid();
END;
CREATE TRIGGER alarm_forgotten AFTER DELETE ON alarm BEGIN
    DELETE FROM alarm_change WHERE alarm = old.seq;
END;

-- Which records were erased, numbered in the order of that; the last ones, and those that a target
-- has not heard of.
CREATE TABLE erased_record (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    log TEXT NOT NULL,              -- the present log, or an earlier one that has this record too
    seq INTEGER NOT NULL
) STRICT;
-- Ids that the log had before a restore, or before records of it were lost.
CREATE TABLE earlier_log (
    log TEXT NOT NULL PRIMARY KEY,
    last_seq INTEGER NOT NULL       -- up to here, the present log has the same records
) STRICT, WITHOUT ROWID;
CREATE TRIGGER log_renamed AFTER UPDATE OF log_id ON record_log
WHEN new.log_id <> old.log_id BEGIN
    INSERT OR REPLACE INTO earlier_log SELECT old.log_id, coalesce(max(seq), 0) FROM record;
END;
CREATE TRIGGER erasure_noted AFTER UPDATE OF erased ON record
WHEN new.erased = 1 AND old.erased IS NULL BEGIN
    INSERT INTO erased_record (log, seq)
        SELECT log_id, new.seq FROM record_log
        UNION ALL SELECT log, new.seq FROM earlier_log WHERE last_seq >= new.seq;
END;
CREATE TRIGGER erased_record_trimmed AFTER INSERT ON erased_record BEGIN
    DELETE FROM erased_record WHERE number <= min(
        new.number - 100000,
        coalesce((SELECT min(erasure_number) FROM target), new.number)
    );
END;
