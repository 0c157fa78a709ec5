"""Held evidence: what is held of a day is moved before the day goes, and goes when nobody holds it.

Both holds and alarms hold records.

A move copies pictures to a pack of held evidence and flushes it; then one transaction notes where
they are. Only then the day may go. Until that transaction the copy is unknown, and is written
again; after it both copies are there, and the day's is read as long as it exists.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from msgspec import Raw, Struct

from hub.errors import CannotStoreNow
from hub.store.disk import Buffer, read_at
from hub.store.health import DISK_FULL, describe
from hub.store.media.day_index import PackDay
from hub.store.media.held_index import HeldIndex, HeldPack
from hub.store.media.pack_format import GroupTail, LoggedRecord, StoredImage, checksum
from hub.store.media.packs import day_bounds, encode_images, known_images, remove_pack
from hub.store.records.record_reading import is_readable
from hub.store.rows import is_moment
from hub.store.sqlite.sql import execute, one
from hub.store.tables.table import Engine
from hub.wire.pictures import Picture
from hub.wire.uploads.records import RecordKind

log = logging.getLogger(__name__)

#: One step copies at most so many records, and stops beyond so many bytes.
_STEP_RECORDS = 50
_STEP_BYTES = 4 * 1024 * 1024

_COLUMNS = "seq, kind, did, sn, device_name, occurred_at, received_at, detail, extra"
_HELD_OF_DAY = f"""
SELECT {_COLUMNS}, images FROM record
WHERE seq IN (
    SELECT seq FROM hold_record WHERE seq BETWEEN :first AND :last
    UNION SELECT seq FROM alarm_record WHERE seq BETWEEN :first AND :last
) AND received_at >= :begin AND received_at < :end
    AND NOT EXISTS (SELECT 1 FROM held_record WHERE held_record.seq = record.seq)
ORDER BY seq LIMIT :most
"""
_HELD_BY_PEOPLE = """
SELECT EXISTS (
    SELECT 1 FROM hold_record JOIN record USING (seq)
    WHERE hold_record.seq BETWEEN :first AND :last
        AND received_at >= :begin AND received_at < :end
        AND NOT EXISTS (SELECT 1 FROM held_record WHERE held_record.seq = record.seq)
)
"""
_HELD_IN_PACK = f"""
SELECT {_COLUMNS}, held_record.images FROM held_record JOIN record USING (seq)
WHERE pack = ? AND seq > 0 ORDER BY seq LIMIT ?
"""
_ADD_PACK = "INSERT INTO held_pack (day, bytes, is_stale) VALUES (?, 0, 0)"
_GROW_PACK = "UPDATE held_pack SET bytes = ? WHERE id = ?"
_PUT_RECORD = "INSERT OR REPLACE INTO held_record (seq, pack, images) VALUES (?, ?, ?)"
_RELEASED = """
SELECT seq, pack, received_at FROM held_record LEFT JOIN record USING (seq)
WHERE NOT EXISTS (SELECT 1 FROM hold_record WHERE hold_record.seq = held_record.seq)
    AND NOT EXISTS (SELECT 1 FROM alarm_record WHERE alarm_record.seq = held_record.seq)
LIMIT ?
"""
_FORGET_RECORD = "DELETE FROM held_record WHERE seq = ?"
_DROP_RECORD = "DELETE FROM record WHERE seq = ?"
_DROP_SPAN = """
DELETE FROM span WHERE block = ? AND NOT EXISTS (
    SELECT 1 FROM record WHERE seq BETWEEN block << 10 AND (block << 10) + 1023
)
"""
_MARK_STALE = "UPDATE held_pack SET is_stale = 1 WHERE id = ?"
_FORGET_PACK = "DELETE FROM held_pack WHERE id = ?"

#: The columns named by `_COLUMNS`, and the images in the pack that they are copied from.
_Row = tuple[int, RecordKind, str, str, str, int, int, bytes, bytes, bytes]


class HeldUse(Struct, frozen=True):
    """How much held evidence outlives its day. `bytes`: size of its packs."""

    records: int
    bytes: int


class _Copied(Struct, frozen=True):
    """Records whose pictures were written behind a pack's end and flushed."""

    end: int
    rows: list[tuple[int, bytes]]


class HeldEvidence:
    """Moves and removes held evidence.

    `changing` is locked while evidence moves, so that no record is held, and no picture erased,
    half way. `problems`: why what is held of a day could not be moved, by day.
    """

    def __init__(self, engine: Engine, log_id: str) -> None:
        self._log_id = log_id
        self._writer = engine.writer
        self._readers = engine.picture_readers
        self._packs = engine.packs
        self._days = engine.days
        self._held = engine.held
        self._disk = engine.disk
        self._monitor = engine.monitor
        self._changing = engine.changing
        self.problems: dict[str, str] = {}

    @property
    def problem(self) -> str:
        """Why what is held of the first such day could not be moved, with the day; or ""."""
        return next((f"{day}: {why}" for day, why in sorted(self.problems.items())), "")

    def use(self) -> HeldUse:
        return HeldUse(len(self._held), sum(pack.bytes for pack in self._held.packs()))

    async def move_before(self, day: PackDay, forget: Callable[[], Awaitable[None]]) -> None:
        """Move what is held of a day, then call `forget`, which makes the day go.

        Raises CannotStoreNow if the evidence cannot be written: the day must then stay. If the
        disk is full, and only alarms hold records of the day, their evidence goes with it: the hub
        must be able to go on.
        """
        # In steps, between which records can be held; the last ones under the lock.
        while await self._move_some_locked(day):
            pass
        async with self._changing:
            while await self._move_some(day):
                pass
            self.problems.pop(day.day, None)
            await forget()

    async def remove_released(self) -> None:
        """Remove what nobody holds any more, and finish what was interrupted."""
        while len(self._held) and await self._forget_some():
            pass
        for pack in self._held.packs():
            if pack.is_stale:
                await self._replace(pack)

    # -- moving

    async def _move_some_locked(self, day: PackDay) -> bool:
        async with self._changing:
            return await self._move_some(day)

    async def _move_some(self, day: PackDay) -> bool:
        """Copy some of a day's held records; return whether there were any."""
        begin, end = day_bounds(day.day)
        values = {"first": day.first_seq, "last": day.last_seq, "begin": begin, "end": end}
        values["most"] = _STEP_RECORDS
        rows = await self._readers.read(lambda c: c.execute(_HELD_OF_DAY, values).fetchall())
        if not rows:
            return False
        try:
            await self._append(day.day, self._packs.path(day.day), rows)
        except (OSError, CannotStoreNow) as error:
            reason = describe(error) if isinstance(error, OSError) else error.said
            if reason == DISK_FULL and not await self._is_held_by_people(values):
                log.warning("the evidence of alarms of %s goes with the day: %s", day.day, reason)
                return False
            self.problems[day.day] = str(reason)
            raise CannotStoreNow(
                f"{day.day} stays, because its held evidence cannot be kept: {reason}"
            ) from error
        return True

    async def _is_held_by_people(self, values: Mapping[str, object]) -> bool:
        """Whether a hold has records of a day: then the day stays, whatever room is needed."""
        held = await self._readers.read(lambda c: one(c, _HELD_BY_PEOPLE, values))
        return held == 1

    async def _append(self, day: str, source: Path, rows: Sequence[_Row]) -> None:
        """Copy records to the day's pack of held evidence, and note where they are."""
        pack = self._held.open_pack(day) or await self._add_pack(day)
        # In a picture reader's thread, because the disk may be slow.
        copied = await self._readers.read(lambda c: self._copy(pack, source, rows))
        grown = HeldPack(pack.id, day, copied.end)

        def job(connection: sqlite3.Connection) -> None:
            connection.executemany(
                _PUT_RECORD, [(seq, pack.id, images) for seq, images in copied.rows]
            )
            connection.execute(_GROW_PACK, (grown.bytes, grown.id))

        seqs = [seq for seq, _ in copied.rows]
        await self._writer.write(job, on_durable=lambda: self._held.put(grown, seqs))

    async def _add_pack(self, day: str) -> HeldPack:
        """Note a new pack before its file is created: a file without a row is somebody else's."""

        def job(connection: sqlite3.Connection) -> HeldPack:
            return HeldPack(connection.execute(_ADD_PACK, (day,)).lastrowid or 0, day, 0)

        while True:
            pack = await self._writer.write(job, self._held.put)
            if not self._held.path(pack).exists():
                return pack
            await self._forget_pack(pack)

    def _copy(self, pack: HeldPack, source: Path, rows: Sequence[_Row]) -> _Copied:
        """Write and flush some records and their pictures. Blocks. Raises OSError."""
        tail = GroupTail(pack.bytes)
        moved: list[tuple[_Row, tuple[StoredImage, ...]]] = []
        for row in rows:
            moved.append((row, self._copy_pictures(tail, source, known_images(row[-1]))))
            if tail.end - pack.bytes > _STEP_BYTES:
                break
        for row, images in moved:
            if is_readable(row):  # what does not decode stays in the database alone
                tail.add_record(_logged(row, images))
        first, last = moved[0][0], moved[-1][0]
        at = first[6] if is_moment(first[6]) else 0
        # These groups are not a part of the log, and have no number.
        self._write(pack, tail.buffers(self._log_id, 0, 0, (first[0], last[0]), at))
        return _Copied(tail.end, [(row[0], encode_images(images)) for row, images in moved])

    def _copy_pictures(
        self, tail: GroupTail, source: Path, images: Sequence[StoredImage]
    ) -> tuple[StoredImage, ...]:
        """Add those pictures to the tail that the source still holds; return their positions."""
        return tuple(
            tail.add_picture(bytes(16), 0, Picture(image.name, image.mime, data))
            for image in images
            if (data := self._read(source, image))
        )

    def _read(self, source: Path, image: StoredImage) -> bytes:
        """Return a picture, b"" if the pack is damaged. Raises OSError."""
        try:
            data = read_at(source, image.offset, image.size)
        except FileNotFoundError:
            data = b""
        if f"{checksum(data):016x}" == image.checksum:
            return data
        self._monitor.lost(f"{source.name} does not hold the pictures that were stored in it")
        return b""

    def _write(self, pack: HeldPack, buffers: Sequence[Buffer]) -> None:
        path = self._held.path(pack)
        file = self._disk.open(path)
        try:
            try:
                self._disk.write(file, buffers, pack.bytes)
                self._disk.flush(file)
                if not pack.bytes:
                    self._disk.flush_directory(path.parent)
            except OSError:
                with suppress(OSError):  # the next attempt overwrites it
                    self._disk.cut(file, pack.bytes)
                raise
        finally:
            self._disk.close(file)

    # -- removing

    async def _forget_some(self) -> bool:
        """Remove some records that nobody holds; return whether there were any."""

        def job(connection: sqlite3.Connection) -> list[tuple[int, int]]:
            found = connection.execute(_RELEASED, (_STEP_RECORDS,)).fetchall()
            for seq, pack, received_at in found:
                connection.execute(_FORGET_RECORD, (seq,))
                connection.execute(_MARK_STALE, (pack,))
                # While its day is there, the record stays with it.
                if not (is_moment(received_at) and self._days.has_pictures(seq, received_at)):
                    connection.execute(_DROP_RECORD, (seq,))
                    connection.execute(_DROP_SPAN, (seq >> 10,))
            return [(seq, pack) for seq, pack, _ in found]

        def forgotten(found: Sequence[tuple[int, int]]) -> None:
            self._held.drop_records(seq for seq, _ in found)
            stale = {pack for _, pack in found}
            for pack in self._held.packs():
                if pack.id in stale:
                    self._held.put(HeldPack(pack.id, pack.day, pack.bytes, is_stale=True))

        async with self._changing:
            found = await self._writer.write(job, forgotten)
        return bool(found)

    async def _replace(self, pack: HeldPack) -> None:
        """Copy what is still held in a pack to another one, then remove it."""
        path = self._held.path(pack)
        values = (pack.id, _STEP_RECORDS)
        async with self._changing:
            while rows := await self._readers.read(
                lambda c: c.execute(_HELD_IN_PACK, values).fetchall()
            ):
                try:
                    await self._append(pack.day, path, rows)
                except OSError as error:
                    raise CannotStoreNow(f"{path.name} stays: {describe(error)}") from error
            await self._readers.read(lambda c: remove_pack(path))
            if not path.exists():  # on Windows somebody may be reading it
                await self._forget_pack(pack)

    async def _forget_pack(self, pack: HeldPack) -> None:
        await self._writer.write(
            partial(execute, _FORGET_PACK, (pack.id,)),
            on_durable=partial(self._held.drop_pack, pack.id),
        )


def held_damage(held: HeldIndex) -> list[str]:
    """Return texts about packs of held evidence that are missing or too short."""
    return [
        f"{held.path(pack).name} is damaged: it has {size} of {pack.bytes} bytes"
        for pack in held.packs()
        if (size := _size(held.path(pack))) < pack.bytes
    ]


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _logged(row: _Row, images: tuple[StoredImage, ...]) -> LoggedRecord:
    return LoggedRecord(*row[:7], detail=Raw(row[7]), extra=Raw(row[8]), images=images, upload="")
