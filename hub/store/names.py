"""Names in the data directory."""

from __future__ import annotations

DATABASE = "hub.sqlite"
WAL = "hub.sqlite-wal"
KEY_FILE = "hub.key"
MEDIA = "media"
FIRMWARE = "firmware"
#: The folder in `media` for what the database does not know and somebody chose to go on without.
SET_ASIDE = "set-aside"
