-- Where a device connected from last. A device states its own ip, which may be another one.

ALTER TABLE device ADD COLUMN address TEXT;
