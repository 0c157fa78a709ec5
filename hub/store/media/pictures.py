"""Reads the pictures of the record log."""

from __future__ import annotations

import errno
import logging
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

from msgspec import Struct

from hub.errors import TooManyRequests
from hub.log import limited
from hub.store.disk import read_at
from hub.store.health import HealthMonitor
from hub.store.media.day_index import DayIndex
from hub.store.media.held_index import HeldIndex
from hub.store.media.lost_parts import LostParts
from hub.store.media.pack_format import StoredImage, checksum, new_checksum
from hub.store.media.packs import Packs, day_of, known_images
from hub.store.rows import is_moment
from hub.store.sqlite.readers import Readers
from hub.store.sqlite.sql import clamp

log = logging.getLogger(__name__)

_IMAGES = "SELECT received_at, images FROM record WHERE seq = ? AND erased IS NULL"
_HELD_IMAGES = "SELECT pack, images FROM held_record WHERE seq = ?"
#: Reasons why a sound pack cannot be opened.
_SHORTAGES = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)


#: Pictures beyond this size can be read in pieces.
LARGE_BYTES = 256 * 1024
PIECE_BYTES = 64 * 1024
#: What is read at a time to verify a large picture.
_VERIFY_BYTES = 1024 * 1024


class StoredPicture(Struct, frozen=True):
    """A picture as it was sent. `etag` is opaque text without quotes."""

    mime: str
    data: bytes
    etag: str


class PictureInPieces(Struct, frozen=True):
    """A large picture that was found whole.

    `read(at)` returns PIECE_BYTES from there, b"" if the picture has gone or changed since.
    """

    mime: str
    size: int
    etag: str
    read: Callable[[int], Awaitable[bytes]]


class _DamagedPack(Exception):
    """The pack does not hold the committed picture."""


class _Place(Struct, frozen=True):
    """The pack that a picture is read from, and its position there."""

    path: Path
    image: StoredImage


class PictureReader:
    """Reads pictures from the packs and verifies their checksums."""

    def __init__(
        self,
        readers: Readers,
        packs: Packs,
        days: DayIndex,
        held: HeldIndex,
        monitor: HealthMonitor,
        lost: LostParts,
    ) -> None:
        self._readers = readers
        self._packs = packs
        self._days = days
        self._held = held
        self._monitor = monitor
        self._lost = lost

    async def read(self, seq: int, name: str) -> StoredPicture | None:
        """Return a picture of a record by its name, e.g. "face".

        None if the record has no such picture, it was erased or dropped with its day, or the pack
        is damaged, which is reported to `Store.health`. Raises TooManyRequests if no reader, file
        handle or memory is free, CannotStoreNow if the database cannot be read.
        """
        try:
            return await self._readers.read(lambda c: self._read(c, seq, name))
        except _DamagedPack as damage:
            self._monitor.lost(str(damage))
            return None

    async def etag(self, seq: int, name: str) -> str | None:
        """Return the etag that the picture would be read with, without reading it; None if none."""
        place = await self._readers.read(lambda c: self._find(c, seq, name))
        return None if place is None else place.image.checksum

    async def open(self, seq: int, name: str) -> StoredPicture | PictureInPieces | None:
        """As `read`, but a large picture is verified only, to be read in pieces."""
        try:
            image = await self._readers.read(lambda c: self._verify(c, seq, name))
        except _DamagedPack as damage:
            self._monitor.lost(str(damage))
            return None
        if not isinstance(image, StoredImage):
            return image

        async def read(at: int) -> bytes:
            return await self._readers.read(
                lambda c: self._read_piece(c, seq, name, image.checksum, at)
            )

        return PictureInPieces(image.mime, image.size, image.checksum, read)

    def _verify(
        self, connection: sqlite3.Connection, seq: int, name: str
    ) -> StoredPicture | StoredImage | None:
        """Read a small picture, verify a large one. In a reader's thread; raises _DamagedPack."""
        place = self._find(connection, seq, name)
        if place is None or place.image.size <= LARGE_BYTES:
            return self._read(connection, seq, name)
        digest = new_checksum()
        for at in range(0, place.image.size, _VERIFY_BYTES):
            digest.update(self._read_pack(place, at, _VERIFY_BYTES))
        if digest.hexdigest() == place.image.checksum:
            return place.image
        # It was moved while we read, or it is damaged: that is found out slowly, and reported.
        return self._read(connection, seq, name)

    def _read_piece(
        self, connection: sqlite3.Connection, seq: int, name: str, etag: str, at: int
    ) -> bytes:
        place = self._find(connection, seq, name)
        if place is None or place.image.checksum != etag:
            return b""
        return self._read_pack(place, at, PIECE_BYTES)

    def _read(self, connection: sqlite3.Connection, seq: int, name: str) -> StoredPicture | None:
        """Read in a reader's thread. Raises _DamagedPack."""
        place = self._find(connection, seq, name)
        while place is not None:
            image = place.image
            data = self._read_pack(place, 0, image.size)
            if f"{checksum(data):016x}" == image.checksum and len(data) == image.size:
                return StoredPicture(image.mime, data, image.checksum)
            found = self._find(connection, seq, name)
            if found == place and self._lost.cover_picture(place.path.stem, image):
                return None
            if found == place:
                limited(
                    log,
                    logging.WARNING,
                    place.path.name,
                    "picture %s of record %d is damaged",
                    name,
                    seq,
                )
                raise _DamagedPack(
                    f"{place.path.name} does not hold the pictures that were stored in it"
                )
            place = found  # it was dropped, moved or erased while we read
        return None

    def _find(self, connection: sqlite3.Connection, seq: int, name: str) -> _Place | None:
        """Return where a picture lies: in the pack of its day, or in one of held evidence."""
        row = connection.execute(_IMAGES, (clamp(seq),)).fetchone()
        if row is None:
            return None
        received_at, images = row
        known = is_moment(received_at) and self._days.has_pictures(seq, received_at)
        path: Path | None = self._packs.path(day_of(received_at)) if known else None
        if not known:
            held = connection.execute(_HELD_IMAGES, (seq,)).fetchone()
            if held is None:
                return None
            path, images = self._held.path_of(held[0]), held[1]
        image = next((one for one in known_images(images) if one.name == name), None)
        return None if image is None or path is None else _Place(path, image)

    def _read_pack(self, place: _Place, at: int, size: int) -> bytes:
        """Return the image's bytes from `at`, at most `size`; fewer if the pack is damaged."""
        path = place.path
        try:
            return read_at(path, place.image.offset + at, min(size, place.image.size - at))
        except OSError as error:
            if error.errno in _SHORTAGES:
                raise TooManyRequests("too many files are open: try again in a second") from None
            limited(log, logging.WARNING, f"{path} unread", "%s cannot be read: %s", path, error)
            return b""
