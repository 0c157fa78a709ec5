"""Cache of pictures that were read from devices (D3). The oldest are removed when it is full."""

from __future__ import annotations

import sqlite3
from functools import partial

from msgspec import Struct

from hub.store.commit.write_queue import Write
from hub.store.media.pack_format import checksum
from hub.store.media.pictures import StoredPicture
from hub.store.rows import as_number
from hub.store.sqlite.sql import execute, one, secure_deletion
from hub.store.tables.devices import check_camera
from hub.store.tables.table import Engine, Table
from hub.wire.pictures import EXTENSIONS

#: Size of all pictures together.
MAX_BYTES = 512 * 1024 * 1024
#: Rows removed per write, so that other writes need not wait long.
_STEP = 50
#: Fewer where their pages are overwritten.
_CLEAR_STEP = 5

_GET = "SELECT mime, picture FROM device_picture WHERE did = ? AND path = ?"
_PUT = """
INSERT OR REPLACE INTO device_picture (did, path, mime, size, fetched_at, picture)
VALUES (?, ?, ?, ?, ?, ?)
"""
# Uses only the index device_picture_size.
_BYTES = "SELECT CAST(total(size) AS INTEGER) FROM device_picture"
_SIZE = "SELECT size FROM device_picture WHERE did = ? AND path = ?"
# Ids are in the order of insertion, so a search ends at the first picture that stays.
_OLDEST = "SELECT id, size, fetched_at FROM device_picture ORDER BY id LIMIT ?"
_REMOVE = "DELETE FROM device_picture WHERE id = ?"
_CLEAR = "DELETE FROM device_picture WHERE id IN (SELECT id FROM device_picture LIMIT ?)"
_FORGET = "DELETE FROM device_picture WHERE did = ?"


def stored_picture(mime: str, data: bytes) -> StoredPicture:
    """Return a picture with its etag."""
    return StoredPicture(mime, data, f"{checksum(data):016x}")


class _Added(Struct, frozen=True):
    """How many bytes a write added. `total`: size of the cache if this write counted it."""

    growth: int
    total: int | None


class DevicePictureTable(Table[None]):
    """Pictures by device and path, in the database. `max_bytes`: limit of the cache."""

    def __init__(self, engine: Engine, loaded: None = None, *, max_bytes: int = MAX_BYTES) -> None:
        super().__init__(engine, loaded)
        self._readers = engine.picture_readers
        self._max_bytes = max_bytes
        #: Size of the cache; None if unknown, in which case the next write counts it.
        self._bytes: int | None = None

    async def get(self, did: str, path: str) -> StoredPicture | None:
        """Return a picture, None if it is not cached."""
        return await self._readers.read(lambda c: _get(c, did, path))

    async def put(self, did: str, sn: str, path: str, picture: StoredPicture, at: int) -> None:
        """Cache a picture of the camera with this SN; `at` in UNIX milliseconds.

        Raises NoSuchResource if the device's camera was replaced meanwhile.
        """
        size = len(picture.data)
        row = (did, path, picture.mime, size, at, picture.data)

        def job(connection: sqlite3.Connection) -> _Added:
            check_camera(connection, did, sn)
            known = self._bytes
            held = as_number(one(connection, _BYTES)) if known is None else known
            growth = size - as_number(one(connection, _SIZE, (did, path)))
            connection.execute(_PUT, row)
            growth -= _make_room(connection, held + growth - self._max_bytes)
            return _Added(growth, held + growth if known is None else None)

        await self._writer.submit(Write(job, self._add, size=size))

    async def drop_older(self, before: int) -> None:
        """Remove pictures fetched before a time (UNIX milliseconds), in short writes."""
        while await self._writer.write(partial(_drop_some, before), lambda _: self._recount()):
            pass

    async def forget(self, did: str) -> None:
        """Remove a device's pictures, which may have changed on the device."""
        job = partial(execute, _FORGET, (did,))
        await self._writer.write(job, lambda _: self.forget_camera(did))

    async def clear(self) -> None:
        """Remove all pictures in short writes, so that no file holds them any more."""
        while await self._writer.write(_clear_some, lambda _: self._recount()):
            pass

    def forget_camera(self, did: str) -> None:
        """Count the cache again, after the database removed the device's pictures."""
        self._recount()

    def _recount(self) -> None:
        self._bytes = None

    def _add(self, added: _Added) -> None:
        """Called after the commit. Until then, writes of a group do not see each other's growth."""
        if added.total is not None:
            self._bytes = added.total
        elif self._bytes is not None:
            self._bytes += added.growth


def _get(connection: sqlite3.Connection, did: str, path: str) -> StoredPicture | None:
    row = connection.execute(_GET, (did, path)).fetchone()
    if row is None:
        return None
    mime, picture = row
    if mime not in EXTENSIONS or not isinstance(picture, bytes):
        return None  # it is read from the device again, which replaces the row
    return stored_picture(mime, picture)


def _make_room(connection: sqlite3.Connection, wanted: int) -> int:
    """Remove the oldest pictures until `wanted` bytes are freed; return the bytes freed."""
    freed = 0
    while freed < wanted and (oldest := connection.execute(_OLDEST, (_STEP,)).fetchall()):
        for number, size, _ in oldest:
            if freed >= wanted:
                break
            connection.execute(_REMOVE, (number,))
            freed += as_number(size)
    return freed


def _drop_some(before: int, connection: sqlite3.Connection) -> bool:
    """Remove some of the pictures older than `before`; return whether there may be more."""
    oldest = connection.execute(_OLDEST, (_STEP,)).fetchall()
    old = [(number,) for number, _, fetched_at in oldest if as_number(fetched_at) < before]
    connection.executemany(_REMOVE, old)
    return len(old) == _STEP


def _clear_some(connection: sqlite3.Connection) -> bool:
    """Remove and overwrite some pictures; return whether there were any."""
    with secure_deletion(connection):
        return connection.execute(_CLEAR, (_CLEAR_STEP,)).rowcount > 0
