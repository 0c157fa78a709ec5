-- Firmware (2.3): files, releases made of them, and campaigns that give a release to devices.

CREATE TABLE firmware_file (
    sha256 TEXT PRIMARY KEY,
    md5 TEXT NOT NULL,
    size INTEGER NOT NULL,
    added_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE firmware_release (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    ver_code INTEGER NOT NULL,
    ver_name TEXT NOT NULL,
    description TEXT NOT NULL,
    release_date TEXT NOT NULL,
    reports TEXT NOT NULL,
    least TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE TABLE firmware_component (
    release INTEGER NOT NULL REFERENCES firmware_release (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    name TEXT NOT NULL,
    type INTEGER NOT NULL,
    sha256 TEXT NOT NULL REFERENCES firmware_file (sha256),
    PRIMARY KEY (release, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE firmware_download (
    id INTEGER PRIMARY KEY,
    did TEXT NOT NULL REFERENCES device (did) ON DELETE CASCADE,
    sha256 TEXT NOT NULL,
    size INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at INTEGER NOT NULL,
    sent INTEGER NOT NULL,
    spans TEXT NOT NULL
) STRICT;
CREATE TABLE campaign (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    release INTEGER NOT NULL REFERENCES firmware_release (id) ON DELETE CASCADE,
    will TEXT NOT NULL,
    proved_at INTEGER,
    started_at INTEGER NOT NULL
) STRICT;
CREATE TABLE campaign_device (
    campaign INTEGER NOT NULL REFERENCES campaign (id) ON DELETE CASCADE,
    did TEXT NOT NULL REFERENCES device (did) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    state TEXT NOT NULL,
    counts INTEGER NOT NULL,
    offered_at INTEGER,
    downloaded_at INTEGER,
    done_at INTEGER,
    PRIMARY KEY (campaign, did)
) STRICT, WITHOUT ROWID;
