"""Pictures read from devices (D3): kept once fetched, the oldest make room."""

from __future__ import annotations

import sqlite3
from functools import partial

from msgspec import Struct

from hub.store.commit.group_commit import GroupCommit
from hub.store.commit.write_queue import Write
from hub.store.media.packs import checksum
from hub.store.media.pictures import StoredPicture
from hub.store.readers import Readers
from hub.store.sql import execute, one
from hub.store.tables.devices import check_camera

#: What they take together at the most.
MOST_BYTES = 512 * 1024 * 1024
#: Rows that one write removes at the most: others want to write, too.
_STEP = 50

_GET = "SELECT mime, picture FROM device_picture WHERE did = ? AND path = ?"
_PUT = """
INSERT OR REPLACE INTO device_picture (did, path, mime, size, fetched_at, picture)
VALUES (?, ?, ?, ?, ?, ?)
"""
# By device_picture_size, which has all that it takes.
_BYTES = "SELECT coalesce(sum(size), 0) FROM device_picture"
_SIZE = "SELECT size FROM device_picture WHERE did = ? AND path = ?"
# By id, so in the order in which they came: the search ends with the first that stays.
_OLDEST = "SELECT id, size, fetched_at FROM device_picture ORDER BY id LIMIT ?"
_REMOVE = "DELETE FROM device_picture WHERE id = ?"
_FORGET = "DELETE FROM device_picture WHERE did = ?"


def stored_picture(mime: str, data: bytes) -> StoredPicture:
    return StoredPicture(mime, data, f"{checksum(data):016x}")


class _Added(Struct, frozen=True):
    """By how much more is held, and how much that is where it was added up anew."""

    more: int
    total: int | None


class DevicePictureTable:
    """`most_bytes`: what is kept in all."""

    def __init__(self, writer: GroupCommit, readers: Readers, most_bytes: int = MOST_BYTES) -> None:
        self._writer = writer
        self._readers = readers
        self._most_bytes = most_bytes
        #: None while it is not known: the next write adds it up.
        self._bytes: int | None = None

    async def get(self, did: str, path: str) -> StoredPicture | None:
        return await self._readers.read(lambda c: _get(c, did, path))

    async def put(self, did: str, sn: str, path: str, picture: StoredPicture, at: int) -> None:
        """Keep a picture of the camera with this SN, durable on return.

        NoSuchResource where it is not the device's any more.
        """
        size = len(picture.data)
        row = (did, path, picture.mime, size, at, picture.data)

        def job(connection: sqlite3.Connection) -> _Added:
            check_camera(connection, did, sn)
            known = self._bytes
            held = _int(one(connection, _BYTES)) if known is None else known
            more = size - _int(one(connection, _SIZE, (did, path)))
            connection.execute(_PUT, row)
            more -= _make_room(connection, held + more - self._most_bytes)
            return _Added(more, held + more if known is None else None)

        await self._writer.submit(Write(job, self._add, size=size))

    async def drop_older(self, before: int) -> None:
        """Remove what was fetched before that time, in steps that leave the writer free."""
        while await self._writer.write(partial(_drop_some, before), lambda _: self._recount()):
            pass

    async def forget(self, did: str) -> None:
        """They may be others by now."""
        job = partial(execute, _FORGET, (did,))
        await self._writer.write(job, lambda _: self.forget_device(did))

    def forget_device(self, did: str) -> None:
        """The rows are gone: with the device, with the camera, or alone."""
        self._recount()

    def _recount(self) -> None:
        self._bytes = None

    def _add(self, added: _Added) -> None:
        """After the commit: others of its group were added beside it, and none knew of another."""
        if added.total is not None:
            self._bytes = added.total
        elif self._bytes is not None:
            self._bytes += added.more


def _get(connection: sqlite3.Connection, did: str, path: str) -> StoredPicture | None:
    """In a reader's thread."""
    row = connection.execute(_GET, (did, path)).fetchone()
    return None if row is None else stored_picture(*row)


def _make_room(connection: sqlite3.Connection, wanted: int) -> int:
    """Remove the oldest until so many bytes are free, or all are; how many those were."""
    freed = 0
    while freed < wanted and (oldest := connection.execute(_OLDEST, (_STEP,)).fetchall()):
        for number, size, _ in oldest:
            if freed >= wanted:
                break
            connection.execute(_REMOVE, (number,))
            freed += size
    return freed


def _drop_some(before: int, connection: sqlite3.Connection) -> bool:
    """Remove the oldest as far as they are older; whether there may be more."""
    oldest = connection.execute(_OLDEST, (_STEP,)).fetchall()
    old = [(number,) for number, _, fetched_at in oldest if fetched_at < before]
    connection.executemany(_REMOVE, old)
    return len(old) == _STEP


def _int(value: object) -> int:
    return value if isinstance(value, int) else 0
