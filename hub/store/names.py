"""Names in the data directory."""

from __future__ import annotations

DATABASE = "hub.sqlite"
WAL = "hub.sqlite-wal"
#: Marks that the program itself put an older database back: the next start takes over what the
#: packs got meanwhile, and does not stop. Likewise with the content below.
PUT_BACK = "hub.sqlite.put-back"
#: The database lost the end of its write-ahead log.
DAMAGED_LOG = b"the write-ahead log was damaged"
KEY_FILE = "hub.key"
MEDIA = "media"
#: The folder of a restore that is not complete.
RESTORING = "restoring"
FIRMWARE = "firmware"
#: The folder in `media` for what the database does not know and somebody chose to go on without.
SET_ASIDE = "set-aside"
