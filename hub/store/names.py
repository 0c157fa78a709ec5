"""Names in the data directory."""

from __future__ import annotations

DATABASE = "hub.sqlite"
WAL = "hub.sqlite-wal"
#: Marks that the program itself put an older database back: the next start takes over what the
#: packs got meanwhile, and does not stop.
PUT_BACK = "hub.sqlite.put-back"
KEY_FILE = "hub.key"
MEDIA = "media"
FIRMWARE = "firmware"
#: The folder in `media` for what the database does not know and somebody chose to go on without.
SET_ASIDE = "set-aside"
