-- How a device connects, what an unsigned one is held to (D12), and what devices can do.

ALTER TABLE device ADD COLUMN connects TEXT NOT NULL DEFAULT 'signed';
ALTER TABLE device ADD COLUMN pinned_address TEXT;
ALTER TABLE device ADD COLUMN pinned_mac TEXT;
ALTER TABLE device ADD COLUMN pinned_devid TEXT;
ALTER TABLE device ADD COLUMN auth_code_hash TEXT;
ALTER TABLE device ADD COLUMN path_hash TEXT;
ALTER TABLE device ADD COLUMN next_path_hash TEXT;
ALTER TABLE device ADD COLUMN suspect TEXT;
ALTER TABLE device ADD COLUMN suspect_address TEXT;
ALTER TABLE device ADD COLUMN suspect_mac TEXT;
ALTER TABLE device ADD COLUMN suspect_at INTEGER;

CREATE TABLE device_capability (
    did TEXT NOT NULL REFERENCES device (did) ON DELETE CASCADE,
    part TEXT NOT NULL,
    learnt TEXT,
    source TEXT,
    firmware TEXT NOT NULL,
    learnt_at INTEGER,
    override TEXT,
    PRIMARY KEY (did, part)
) STRICT, WITHOUT ROWID;
