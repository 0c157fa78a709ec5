"""Puts held evidence of a lost database back into the log, from the packs in media/held.

Who held it and why is lost with the database: one hold keeps all of it until somebody looks at it.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from hub.store.commit.record_rows import NewRecord, insert_records, insert_spans
from hub.store.media.held_index import HELD
from hub.store.media.pack_format import LoggedRecord, RecordEntry, walk
from hub.store.media.packs import SUFFIX, encode_images, public_images
from hub.store.records.record_reading import known_detail
from hub.wire.uploads.records import HubDetail, Record

_REASON = "held evidence of a lost database: look whether it is still needed"

_KNOWN_PACKS = "SELECT id FROM held_pack"
_IS_KNOWN = "SELECT EXISTS (SELECT 1 FROM record WHERE seq = ?)"
_IS_HELD = "SELECT EXISTS (SELECT 1 FROM held_record WHERE seq = ?)"
_ADD_PACK = "INSERT INTO held_pack (id, day, bytes, is_stale) VALUES (?, ?, ?, 0)"
_ADD_RECORD = "INSERT INTO held_record (seq, pack, images) VALUES (?, ?, ?)"
_ADD_HOLD = """
INSERT INTO hold (source, reason, created_by, created_at, records)
VALUES ('person', ?, 'command line', ?, 0)
"""
_HOLD = "INSERT OR IGNORE INTO hold_record (hold, seq) VALUES (?, ?)"
_COUNT = "UPDATE hold SET records = records + ? WHERE id = ?"
# Their uploads are older than any repeat.
_FORGET_DIGESTS = "DELETE FROM upload WHERE digest = x''"


class _LostPack(Struct, frozen=True):
    """A pack of held evidence that the database does not know. `end`: of its last record."""

    id: int
    day: str
    end: int
    records: list[LoggedRecord]


def rebuild_held(connection: sqlite3.Connection, media: Path) -> int:
    """Insert the records of packs that the database does not know; return how many came back.

    Each pack is a transaction, so that it can be repeated. Raises OSError, sqlite3.Error.
    """
    known = {id for (id,) in connection.execute(_KNOWN_PACKS)}
    count, hold = 0, 0
    for pack in _packs(media / HELD):
        if pack.id in known or not pack.records:
            continue
        connection.execute("BEGIN IMMEDIATE")
        try:
            hold = hold or _add_hold(connection)
            count += _insert(connection, pack, hold)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
    return count


def _packs(folder: Path) -> Iterator[_LostPack]:
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        day, _, number = path.stem.rpartition("-")
        if number.isdecimal():
            end, records = 0, []
            for entry in walk(path, 0, path.stat().st_size, read_pictures=False):
                if isinstance(entry, RecordEntry):
                    end = entry.offset + entry.size
                    if record := entry.decode():
                        records.append(record)
            yield _LostPack(int(number), day, end, records)


def _insert(connection: sqlite3.Connection, pack: _LostPack, hold: int) -> int:
    """Note a pack and its records; return how many of them the log did not have."""
    connection.execute(_ADD_PACK, (pack.id, pack.day, pack.end))
    # A record that was moved from pack to pack is in both until the first one goes.
    records = [one for one in pack.records if not _has(connection, _IS_HELD, one.seq)]
    new = [as_new(one) for one in records if not _has(connection, _IS_KNOWN, one.seq)]
    if new:
        insert_records(connection, new)
        insert_spans(connection, [one.record for one in new])
        connection.execute(_FORGET_DIGESTS)
    for one in records:
        connection.execute(_ADD_RECORD, (one.seq, pack.id, encode_images(one.images)))
    held = sum(connection.execute(_HOLD, (hold, one.seq)).rowcount for one in records)
    connection.execute(_COUNT, (held, hold))
    return len(new)


def _add_hold(connection: sqlite3.Connection) -> int:
    return connection.execute(_ADD_HOLD, (_REASON, int(time.time() * 1000))).lastrowid or 0


def _has(connection: sqlite3.Connection, sql: str, seq: int) -> bool:
    (found,) = connection.execute(sql, (seq,)).fetchone()
    return bool(found)


def as_new(logged: LoggedRecord) -> NewRecord:
    """Return what to insert for a record that was read from a pack, with its old `seq`."""
    record = Record(
        seq=logged.seq,
        kind=logged.kind,
        did=logged.did,
        sn=logged.sn,
        device_name=logged.device_name,
        occurred_at=logged.occurred_at,
        received_at=logged.received_at,
        # One that does not decode has nothing that is searched for.
        detail=known_detail(logged.kind, bytes(logged.detail)) or HubDetail(),
        extra=logged.extra,
        images=public_images(logged.seq, logged.images),
    )
    return NewRecord(
        record,
        bytes(logged.detail),
        logged.images,
        bytes.fromhex(logged.upload),
        logged.follows_access,
    )
