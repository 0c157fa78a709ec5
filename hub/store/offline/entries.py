"""Decodes the rows of all tables beside that of the records."""

from __future__ import annotations

from pathlib import Path

from hub.errors import StartFault
from hub.store.all_tables import TABLES
from hub.store.media.held_index import load_held
from hub.store.names import KEY_FILE
from hub.store.offline.inspection import key_fits, opened
from hub.store.records.retention import check_dropped_days
from hub.store.rows import DamagedRows
from hub.store.sealing import SecretBox, read_key
from hub.store.sqlite.sql import one
from hub.store.tables.table import RowSource

_TABLES = """
SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'
    AND name NOT IN (
        'record', 'record_log', 'record_count', 'record_total', 'record_attributes', 'upload',
        'start', 'day', 'span', 'term', 'alarm_change'
    )
"""


def check_entries(data_dir: Path) -> tuple[int, DamagedRows]:
    """Decode all rows but records; return how many there are, and those that are damaged.

    Raises sqlite3.Error.
    """
    damaged = DamagedRows(is_told=False)
    box = _box(data_dir)
    with opened(data_dir) as connection:
        load_held(connection, damaged)
        check_dropped_days(connection, damaged)
        for table in TABLES.values():
            table.check(RowSource(connection, damaged, box))
        tables = [name for (name,) in connection.execute(_TABLES)]
        counts = [one(connection, f"SELECT count(*) FROM {name}") for name in tables]
    return sum(count for count in counts if isinstance(count, int)), damaged


def _box(data_dir: Path) -> SecretBox | None:
    """Return what opens the secrets; None without the right key, which another check tells."""
    try:
        key = read_key(data_dir / KEY_FILE)
    except StartFault:
        return None
    return SecretBox(key, bytes) if key is not None and key_fits(data_dir, key) else None
