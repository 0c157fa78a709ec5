"""Erases records: finds a person's, overwrites their pictures and what the packs say of them.

An erasure has three steps for each record, so that a crash between them leaves nothing half read:
the record is marked, from when on readers see an empty shell; its bytes in the packs are
overwritten and flushed; its row is emptied. All of them can be repeated. Nobody's `seq` changes.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from msgspec import Struct

from hub.errors import CannotStoreNow
from hub.store.alarms.erasing import erase_alarms_of_people, erase_alarms_of_records
from hub.store.commit.record_rows import STRANGER_UUIDS, fold, indexed_uuid
from hub.store.commit.steps import Step, in_steps
from hub.store.health import describe
from hub.store.media.pack_erasing import erase_entries, erase_pictures
from hub.store.media.pack_format import (
    ERASED_PICTURE_MAGIC,
    PICTURE_MAGIC,
    PICTURE_SIZE,
    LoggedRecord,
    StoredImage,
    first_magic,
    records_in,
)
from hub.store.media.packs import day_bounds, day_of, known_images
from hub.store.records.record_reading import erased_detail, known_detail
from hub.store.rows import is_moment
from hub.store.sqlite.sql import one, secure_deletion
from hub.store.tables.erasures import Erasure, Subject, count_erased, forget_subject
from hub.store.tables.table import Engine
from hub.wire.person_numbers import canonical_number, names_nobody
from hub.wire.uploads.records import AccessDetail, RecordKind

log = logging.getLogger(__name__)

_STEP_RECORDS = 50
#: A lone picture (D8) follows its access record within so many records.
_MAX_DISTANCE = 1_000
_MAX_MATCHES = 200
#: So many records that are held are named.
MAX_NAMED = 100

#: `kept`: by nothing (0), by closed alarms alone, or by more.
_RECORD = """
SELECT seq, kind, did, received_at, images, detail, CASE WHEN EXISTS (
    SELECT 1 FROM hold_record WHERE hold_record.seq = record.seq
    UNION ALL SELECT 1 FROM alarm_record JOIN alarm ON alarm.seq = alarm_record.alarm
        WHERE alarm_record.seq = record.seq AND state <> 'closed'
) THEN 2 ELSE EXISTS (SELECT 1 FROM alarm_record WHERE alarm_record.seq = record.seq) END AS kept
FROM record
"""
_BY_CLOSED, _BY_MORE = 1, 2
_FIND = f"""
{_RECORD} WHERE {{condition}} AND seq > ? AND seq <= ? AND erased IS NULL ORDER BY seq LIMIT ?
"""
_FOLLOWING = f"""
{_RECORD} INDEXED BY record_did
WHERE did = ? AND seq > ? AND seq <= ? AND kind = 'access' AND erased IS NULL ORDER BY seq
"""
_BY_UUID = "uuid = ?"
#: Records that say who somebody is by name only: the number of strangers is none.
_BY_NAME = f"""
term = (SELECT id FROM term WHERE field = 'name' AND folded = ?)
    AND (uuid IS NULL OR +uuid IN {STRANGER_UUIDS})
""".strip()
_BY_SEQ = "seq IN (SELECT value FROM json_each(?))"
_MATCHES = f"""
SELECT iif(uuid IN {STRANGER_UUIDS}, NULL, uuid), count(*), max(seq) FROM record
WHERE term = (SELECT id FROM term WHERE field = 'name' AND folded = ?) GROUP BY 1 LIMIT ?
"""
_DETAIL = "SELECT kind, detail FROM record WHERE seq = ?"
_UUID_MATCH = "SELECT count(*), max(seq) FROM record WHERE uuid = ?"
_MARK = "UPDATE record SET erased = 1 WHERE seq = ?"
_NEXT = "SELECT seq, received_at FROM record WHERE erased = 1 ORDER BY seq LIMIT 1"
_OF_DAY = "received_at >= ? AND received_at < ?"
_MARKED = "SELECT seq, received_at, images FROM record WHERE erased = 1 AND {condition}"
_MARKED_HELD = """
SELECT seq, pack, images FROM held_record WHERE seq IN (
    SELECT seq FROM record WHERE erased = 1 AND {condition}
)
"""
_MARKED_ROWS = """
SELECT seq, kind, detail, images, term FROM record WHERE erased = 1 AND {condition} LIMIT ?
"""
_EMPTY = """
UPDATE record SET erased = 2, category = NULL, uuid = NULL, term = NULL, detail = ?,
    extra = x'7b7d', images = x'5b5d' WHERE seq = ?
"""
_EMPTY_HELD = "UPDATE held_record SET images = x'5b5d' WHERE seq = ?"
_FORGET_ACCESS = "DELETE FROM latest_access WHERE seq = ?"
_DROP_TERM = """
DELETE FROM term WHERE id = ? AND NOT EXISTS (SELECT 1 FROM record WHERE record.term = term.id)
"""
_NOTE_DAY = "UPDATE day SET erased_at = ? WHERE day = ?"
#: The indexes (of `term`: all) that contain numbers and names. SQLite copies what is in a page when
#: it splits the page, and never overwrites the copy: only an index that is made anew has none.
_RENEWED = ("record_uuid", "term", "alarm_active")
#: The same of the tables of the register, whose rows are in the index of their pids.
_MOVED = ("person", "person_group")
_NOTE_HELD = "UPDATE held_pack SET erased_at = ? WHERE day = ?"


class PersonMatch(Struct, frozen=True):
    """Records with a name, and the same number: `uuid`, "" if none or that of strangers."""

    name: str
    uuid: str
    records: int
    last_seq: int

    @property
    def subject(self) -> Subject:
        """All records of the number; without one, those of the name that have none."""
        return Subject(uuids=(self.uuid,)) if self.uuid else Subject(names=(fold(self.name),))


class Kept(Struct, frozen=True):
    """Records that are held. `seqs`: of the first ones."""

    count: int
    seqs: tuple[int, ...]


class Preview(Struct, frozen=True):
    """What an erasure would find.

    `of_closed`: the records that nothing but closed alarms holds. `of_others`: the other ones that
    are held. `first_day`, `last_day`: "2026-11-25" (UTC), "" if there is no record.
    """

    records: int
    pictures: int
    of_closed: Kept
    of_others: Kept
    first_day: str
    last_day: str
    dids: tuple[str, ...]

    @property
    def held(self) -> int:
        """How many of the records are held."""
        return self.of_closed.count + self.of_others.count


class _Found(Struct, frozen=True):
    seq: int
    kind: RecordKind
    did: str
    received_at: int
    images: bytes
    detail: bytes
    kept: int


class _Portion(Struct, frozen=True):
    """Marked records, chosen by a condition and its values, and the days they can be of.

    Those of one day; or a single one whose time is damaged, so that only its place tells its day.
    """

    condition: str
    values: tuple[int, ...]
    days: tuple[str, ...]


class Eraser:
    """Finds records, and erases them. One erasure runs at a time."""

    def __init__(self, engine: Engine, empty_wal: Callable[[], Awaitable[bool]]) -> None:
        self._writer = engine.writer
        self._readers = engine.picture_readers
        self._packs = engine.packs
        self._days = engine.days
        self._held = engine.held
        self._disk = engine.disk
        self._changing = engine.changing
        self._now = engine.now
        self._empty_wal = empty_wal

    async def find_name(self, name: str) -> list[PersonMatch]:
        """Return the records with exactly this name (case ignored), by number; at most 200."""
        return await self._readers.read(lambda c: _find_name(c, name))

    async def find_uuid(self, uuid: str) -> PersonMatch | None:
        """Return the records of a number, None if there is none."""
        return await self._readers.read(lambda c: _find_uuid(c, uuid))

    async def preview(self, subject: Subject, last_seq: int) -> Preview:
        """Return what would be erased, held records included."""
        return await self._readers.read(lambda c: _preview(c, subject, last_seq))

    async def run(self, erasure: Erasure, subject: Subject) -> None:
        """Erase what an erasure is about. Continues where it was interrupted.

        Other writes go on meanwhile. Raises CannotStoreNow if the disk is at fault: run it again.
        """
        for condition, value in _conditions(subject):
            most = _BY_MORE if erasure.with_held else _BY_CLOSED if subject.of_closed else 0
            step = _mark_step(condition, value, erasure.last_seq, most)
            await in_steps(self._writer, step, 0)
        if erasure.with_held or subject.of_closed:
            await self._writer.write(partial(_erase_alarms, erasure, subject))
        while portion := await self._readers.read(self._next_portion):
            await self._erase_portion(erasure.id, portion)
        await self._writer.write(partial(forget_subject, erasure, subject))
        for index in _RENEWED:
            await self._writer.write(partial(_renew_index, index))
        await self._writer.write(_renew_register)
        await in_steps(self._writer, _free_step, 0)
        if not await self._empty_wal():
            raise CannotStoreNow("the write-ahead log is in use")

    def _next_portion(self, connection: sqlite3.Connection) -> _Portion | None:
        row = connection.execute(_NEXT).fetchone()
        if row is None:
            return None
        seq, received_at = row
        if is_moment(received_at):
            day = day_of(received_at)
            return _Portion(_OF_DAY, day_bounds(day), (day,))
        days = (day.day for day in self._days.all() if day.first_seq <= seq <= day.last_seq)
        return _Portion("seq = ?", (seq,), tuple(days))

    async def _erase_portion(self, id: int, portion: _Portion) -> None:
        """Erase marked records. No evidence moves and no day goes meanwhile."""
        async with self._changing:
            try:
                await self._readers.read(lambda c: self._overwrite(c, portion))
            except OSError as error:
                raise CannotStoreNow(describe(error)) from error
            step = _empty_step(id, portion, int(self._now() * 1000))
            await in_steps(self._writer, step, 0)

    def _overwrite(self, connection: sqlite3.Connection, portion: _Portion) -> None:
        """Overwrite marked records in their packs, in a reader's thread. Raises OSError."""
        marked = _MARKED.format(condition=portion.condition)
        for day in portion.days:
            if (known := self._days.get(day)) is not None:
                rows = [
                    (seq, images)
                    for seq, received_at, images in connection.execute(marked, portion.values)
                    if not is_moment(received_at) or self._days.has_pictures(seq, received_at)
                ]
                self._overwrite_pack(self._packs.path(day), known.bytes, rows)
        held: dict[int, list[tuple[int, bytes]]] = {}
        marked = _MARKED_HELD.format(condition=portion.condition)
        for seq, pack, images in connection.execute(marked, portion.values):
            held.setdefault(pack, []).append((seq, images))
        ends = {pack.id: pack.bytes for pack in self._held.packs()}
        for pack, rows in held.items():
            if path := self._held.path_of(pack):
                self._overwrite_pack(path, ends[pack], rows)

    def _overwrite_pack(self, path: Path, end: int, rows: Sequence[tuple[int, bytes]]) -> None:
        if not rows or not path.exists():
            return
        images = [image for _, stored in rows for image in known_images(stored)]
        # Of packs without records (schema 5 and before) only the database knows the pictures.
        erase_pictures(path, self._disk, tuple(i for i in images if _is_there(path, i)))
        seqs = {seq for seq, _ in rows}
        # A group that was refused, and sent again, left a copy under another seq.
        copies = {_content(record) for record in records_in(path, end) if record.seq in seqs}
        erase_entries(path, self._disk, end, lambda one: one.seq in seqs or _content(one) in copies)


def _content(record: LoggedRecord) -> tuple[str, str, int, bytes]:
    """What is equal for a record and for a copy of it that was never committed."""
    return record.upload, record.did, record.occurred_at, bytes(record.detail)


def _erase_alarms(erasure: Erasure, subject: Subject, connection: sqlite3.Connection) -> None:
    people = [canonical_number(uuid) for uuid in subject.uuids]
    with secure_deletion(connection):
        erase_alarms_of_people(connection, people, with_open=erasure.with_held)


def _conditions(subject: Subject) -> Iterator[tuple[str, str]]:
    for uuid in subject.uuids:
        # An erasure of "000" that an earlier version began does not mean every stranger.
        if not names_nobody(uuid):
            yield _BY_UUID, indexed_uuid(uuid)
    for name in subject.names:
        yield _BY_NAME, fold(name)
    if subject.seqs:
        yield _BY_SEQ, json.dumps(subject.seqs)


def _find(
    connection: sqlite3.Connection, condition: str, value: str, after: int, last: int
) -> list[_Found]:
    """Return the next records, in the order of seq, without the pictures that belong to them."""
    sql = _FIND.format(condition=condition)
    rows = connection.execute(sql, (value, after, last, _STEP_RECORDS)).fetchall()
    return [_Found(*row) for row in rows]


def _lone_pictures(connection: sqlite3.Connection, record: _Found, last: int) -> list[_Found]:
    """Return the records that are pictures of an access record (D8)."""
    detail = known_detail(record.kind, record.detail)
    if not isinstance(detail, AccessDetail) or detail.of is not None:
        return []
    found: list[_Found] = []
    values = (record.did, record.seq, min(last, record.seq + _MAX_DISTANCE))
    for row in connection.execute(_FOLLOWING, values):
        following = _Found(*row)
        other = known_detail(following.kind, following.detail)
        if not isinstance(other, AccessDetail):
            continue
        if other.of == record.seq:
            found.append(following)
        elif other.of is None:
            break
    return found


def _preview(connection: sqlite3.Connection, subject: Subject, last: int) -> Preview:
    seqs: set[int] = set()
    days: set[str] = set()
    dids: set[str] = set()
    pictures = 0
    kept: dict[int, list[int]] = {0: [], _BY_CLOSED: [], _BY_MORE: []}
    for condition, value in _conditions(subject):
        after = 0
        while rows := _find(connection, condition, value, after, last):
            after = rows[-1].seq
            for record in rows:
                for row in (record, *_lone_pictures(connection, record, last)):
                    if row.seq in seqs:
                        continue
                    seqs.add(row.seq)
                    if is_moment(row.received_at):
                        days.add(day_of(row.received_at))
                    dids.add(row.did)
                    pictures += len(known_images(row.images))
                    kept[row.kept].append(row.seq)
    return Preview(
        records=len(seqs),
        pictures=pictures,
        of_closed=_kept(kept[_BY_CLOSED]),
        of_others=_kept(kept[_BY_MORE]),
        first_day=min(days, default=""),
        last_day=max(days, default=""),
        dids=tuple(sorted(dids)),
    )


def _kept(seqs: list[int]) -> Kept:
    return Kept(len(seqs), tuple(sorted(seqs)[:MAX_NAMED]))


def _find_name(connection: sqlite3.Connection, name: str) -> list[PersonMatch]:
    rows = connection.execute(_MATCHES, (fold(name), _MAX_MATCHES)).fetchall()
    return [
        PersonMatch(_name_of(connection, seq) or name, uuid or "", count, seq)
        for uuid, count, seq in rows
    ]


def _find_uuid(connection: sqlite3.Connection, uuid: str) -> PersonMatch | None:
    count, seq = connection.execute(_UUID_MATCH, (indexed_uuid(uuid),)).fetchone()
    return (
        PersonMatch(_name_of(connection, seq), canonical_number(uuid), count, seq)
        if count
        else None
    )


def _name_of(connection: sqlite3.Connection, seq: int) -> str:
    kind, detail = connection.execute(_DETAIL, (seq,)).fetchone()
    return getattr(known_detail(kind, detail), "name", None) or ""


def _mark_step(condition: str, value: str, last: int, most: int) -> Step:
    """Return the step that marks the next records, so that readers see shells of them.

    Those stay that are `kept` by more than `most`.
    """

    def step(connection: sqlite3.Connection, after: int) -> int | None:
        rows = _find(connection, condition, value, after, last)
        for record in rows:
            for row in (record, *_lone_pictures(connection, record, last)):
                if row.kept <= most:
                    connection.execute(_MARK, (row.seq,))
        return rows[-1].seq if rows else None

    return step


def _empty_step(id: int, portion: _Portion, at: int) -> Step:
    """Return the step that empties the rows of marked records, whose pictures are overwritten."""
    marked = _MARKED_ROWS.format(condition=portion.condition)

    def step(connection: sqlite3.Connection, start: int) -> int | None:
        rows = connection.execute(marked, (*portion.values, _STEP_RECORDS)).fetchall()
        if not rows:
            return None
        with secure_deletion(connection):
            sizes = [image.size for row in rows for image in known_images(row[3])]
            erase_alarms_of_records(connection, [row[0] for row in rows])
            for seq, kind, detail, _, _ in rows:
                connection.execute(_EMPTY, (erased_detail(kind, detail), seq))
                connection.execute(_EMPTY_HELD, (seq,))
                connection.execute(_FORGET_ACCESS, (seq,))
            for term in {row[4] for row in rows} - {None}:
                connection.execute(_DROP_TERM, (term,))
            count_erased(connection, id, len(rows), len(sizes), sum(sizes))
            for day in portion.days:
                connection.execute(_NOTE_DAY, (at, day))
                connection.execute(_NOTE_HELD, (at, day))
        return start

    return step


def _renew_index(name: str, connection: sqlite3.Connection) -> None:
    """Make an index anew. Takes a second for each million of rows, in which nothing is stored."""
    with secure_deletion(connection):
        # In memory it would sort all rows at once.
        connection.execute("PRAGMA temp_store = FILE").fetchall()
        try:
            connection.execute(f"REINDEX {name}")
        finally:
            connection.execute("PRAGMA temp_store = MEMORY").fetchall()


def _renew_register(connection: sqlite3.Connection) -> None:
    """Move each row of the register to pages that had none of them, and back.

    The pages that become free are overwritten. 20,000 people take half a second.
    """
    with secure_deletion(connection):
        # Until the commit, when all pids are as they were.
        connection.execute("PRAGMA defer_foreign_keys = ON").fetchall()
        for new in ("'-' || pid", "substr(pid, 2)"):
            for table in _MOVED:
                connection.execute(f"UPDATE {table} SET pid = {new}")
        for table in _MOVED:
            connection.execute(f"REINDEX {table}")


def _free_step(connection: sqlite3.Connection, start: int) -> int | None:
    """Give a free page back to the file system: it may hold what was deleted before."""
    if not one(connection, "PRAGMA freelist_count") or not one(connection, "PRAGMA auto_vacuum"):
        return None
    connection.execute("PRAGMA incremental_vacuum(1)")
    return start


def _is_there(path: Path, image: StoredImage) -> bool:
    """Whether a picture lies where the database says, so that nothing else is overwritten."""
    magic = first_magic(path, image.offset - PICTURE_SIZE)
    return magic in (PICTURE_MAGIC, ERASED_PICTURE_MAGIC)
