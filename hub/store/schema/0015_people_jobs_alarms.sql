-- The site's people (D10), long work, and alarms (D11).

CREATE TABLE person (
    pid TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    work_id TEXT NOT NULL,
    id_card_no TEXT NOT NULL,
    ic_card_no TEXT NOT NULL,
    gender INTEGER,
    age INTEGER,
    birth_year INTEGER,
    department TEXT NOT NULL,
    phone TEXT NOT NULL,
    category INTEGER NOT NULL,
    everywhere INTEGER NOT NULL,
    valid_from INTEGER,
    valid_until INTEGER,
    note TEXT NOT NULL,
    has_photo INTEGER NOT NULL,
    revision INTEGER NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    changed_by TEXT NOT NULL,
    folded TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX person_category ON person (category);
CREATE INDEX person_order ON person (substr('0000000000000000000' || pid, -20));

CREATE TABLE person_photo (
    pid TEXT PRIMARY KEY REFERENCES person (pid) ON DELETE CASCADE,
    jpeg BLOB NOT NULL
) STRICT;

CREATE TABLE camera_group (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE camera_group_device (
    camera_group INTEGER NOT NULL REFERENCES camera_group (id) ON DELETE CASCADE,
    did TEXT NOT NULL REFERENCES device (did) ON DELETE CASCADE,
    PRIMARY KEY (camera_group, did)
) STRICT, WITHOUT ROWID;
CREATE INDEX camera_group_device_did ON camera_group_device (did);

CREATE TABLE person_group (
    pid TEXT NOT NULL REFERENCES person (pid) ON DELETE CASCADE,
    camera_group INTEGER NOT NULL REFERENCES camera_group (id) ON DELETE CASCADE,
    PRIMARY KEY (pid, camera_group)
) STRICT, WITHOUT ROWID;
CREATE INDEX person_group_group ON person_group (camera_group);

CREATE TABLE device_people (
    did TEXT PRIMARY KEY REFERENCES device (did) ON DELETE CASCADE,
    state TEXT NOT NULL,
    must_check INTEGER NOT NULL,
    deletes_first INTEGER,
    versions TEXT NOT NULL,
    total INTEGER,
    compared_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE holding (
    did TEXT NOT NULL REFERENCES device (did) ON DELETE CASCADE,
    pid TEXT NOT NULL,
    revision INTEGER,
    sent INTEGER,
    failed_revision INTEGER,
    code INTEGER,
    msg TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    due_at INTEGER,
    PRIMARY KEY (did, pid)
) STRICT, WITHOUT ROWID;
CREATE INDEX holding_pid ON holding (pid);
CREATE INDEX holding_failed ON holding (did) WHERE failed_revision IS NOT NULL;
CREATE INDEX holding_due ON holding (did, due_at) WHERE due_at IS NOT NULL;

CREATE TABLE unknown_person (
    did TEXT NOT NULL REFERENCES device (did) ON DELETE CASCADE,
    pid TEXT NOT NULL,
    row TEXT NOT NULL,
    PRIMARY KEY (did, pid)
) STRICT, WITHOUT ROWID;

-- Jobs.

CREATE TABLE job (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    subject TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    ended_at INTEGER,
    total INTEGER,
    done INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    failure TEXT NOT NULL
) STRICT;

CREATE TABLE job_item (
    job INTEGER NOT NULL REFERENCES job (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    state TEXT NOT NULL,
    detail TEXT NOT NULL,
    PRIMARY KEY (job, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE device_wish (
    did TEXT NOT NULL REFERENCES device (did) ON DELETE CASCADE,
    name TEXT NOT NULL,
    param TEXT NOT NULL,
    job INTEGER REFERENCES job (id) ON DELETE SET NULL,
    position INTEGER,
    wished_by TEXT NOT NULL,
    wished_at INTEGER NOT NULL,
    PRIMARY KEY (did, name)
) STRICT, WITHOUT ROWID;

-- Alarms.

CREATE TABLE alarm (
    seq INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    severity TEXT NOT NULL,
    state TEXT NOT NULL,
    count INTEGER NOT NULL,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,
    heard_at INTEGER NOT NULL,
    new_since INTEGER NOT NULL,
    escalated_at INTEGER,
    over_at INTEGER,
    dids TEXT NOT NULL,
    detail TEXT NOT NULL,
    note TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX alarm_active ON alarm (kind, subject) WHERE state <> 'closed';
CREATE INDEX alarm_state ON alarm (state, seq);
CREATE INDEX alarm_heard ON alarm (heard_at) WHERE state = 'closed';

CREATE TABLE alarm_record (
    alarm INTEGER NOT NULL REFERENCES alarm (seq) ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    PRIMARY KEY (alarm, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX alarm_record_seq ON alarm_record (seq);

CREATE TABLE alarm_step (
    alarm INTEGER NOT NULL REFERENCES alarm (seq) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    at INTEGER NOT NULL,
    step TEXT NOT NULL,
    who TEXT NOT NULL,
    note TEXT NOT NULL,
    PRIMARY KEY (alarm, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE alarm_rule (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    rule TEXT NOT NULL
) STRICT;

CREATE TABLE plate_list (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    severity TEXT NOT NULL
) STRICT;

CREATE TABLE plate_entry (
    list INTEGER NOT NULL REFERENCES plate_list (id) ON DELETE CASCADE,
    pattern TEXT NOT NULL,
    note TEXT NOT NULL,
    until INTEGER,
    PRIMARY KEY (list, pattern)
) STRICT, WITHOUT ROWID;
