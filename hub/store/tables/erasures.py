"""Erasures: what was asked for, how far each is, and what it removed."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec import Struct

from hub.decoders import decode_json
from hub.store.commit.record_rows import indexed_uuid
from hub.store.rows import TableRows, as_flag, as_text
from hub.store.sqlite.sql import clamp, one, secure_deletion
from hub.store.tables.table import Table
from hub.wire.times import Moment

#: By a person's number or name, or records that were chosen by hand.
ErasureManner = Literal["person", "records"]

#: Finished erasures are kept as a history, the last ones of them.
_MAX_FINISHED = 1_000

_ADD = """
INSERT INTO erasure (created_by, created_at, manner, subject, with_held, last_seq, records,
    pictures, bytes, report) VALUES (?, ?, ?, ?, ?, ?, 0, 0, 0, ?)
"""
_COUNT = """
UPDATE erasure SET records = records + ?, pictures = pictures + ?, bytes = bytes + ? WHERE id = ?
"""
_KEEP_SUBJECT = "UPDATE erasure SET subject = ? WHERE id = ?"
# Of targets, those of NATS alone keep records for ever, in which they find a person themselves.
_HAS_CENTRE = "SELECT EXISTS (SELECT 1 FROM target WHERE kind = 'nats')"
_TELL = "INSERT INTO erased_record (log, seq) SELECT log_id, 0 FROM record_log"
_LEFT = """
SELECT seq FROM record WHERE uuid = ? AND seq <= ? AND erased IS NULL ORDER BY seq LIMIT ?
"""
_TOLD = "SELECT subject, last_seq FROM erasure WHERE subject IS NOT NULL"
_FORGET_TOLD = """
UPDATE erasure SET subject = NULL WHERE finished_at IS NOT NULL AND subject IS NOT NULL
AND CASE WHEN json_valid(subject) THEN coalesce(json_extract(subject, '$.told_as'), 0) ELSE 0 END
    <= coalesce((SELECT min(erasure_number) FROM target WHERE kind = 'nats'), 9223372036854775807)
"""
#: Records of a person that stay, as held evidence, and are named. With more, targets hear of the
#: person as far as they go, and of those that are erased behind them by seqs alone.
_MAX_LEFT = 2_000
_FINISH = "UPDATE erasure SET finished_at = ?, report = ? WHERE id = ?"
_TRIM = """
DELETE FROM erasure WHERE finished_at IS NOT NULL AND id NOT IN (
    SELECT id FROM erasure WHERE finished_at IS NOT NULL ORDER BY id DESC LIMIT ?
)
"""


class Subject(Struct, frozen=True):
    """Whose records, or which, are erased.

    `uuids`: numbers of persons: every record of them, whatever its name. `names`: folded names:
    the records with this name and no number, or that of strangers. `seqs`: records chosen by hand.
    `people`: pids of those who are removed from the register of people as well. `of_closed`: the
    records that only closed alarms hold are erased too.

    Once the records are erased, only the numbers are left, until targets that keep records have
    heard of them: `told_as` is the number of the entry in `erased_record`, `kept` are the records
    that stay because they are held, up to `last_seq` (None: that of the erasure).
    """

    uuids: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    seqs: tuple[int, ...] = ()
    people: tuple[str, ...] = ()
    of_closed: bool = False
    told_as: int = 0
    kept: tuple[int, ...] = ()
    last_seq: int | None = None


class ErasedPerson(Struct, frozen=True):
    """Numbers of a person, whose records up to `last_seq` are erased, but for `kept`."""

    uuids: tuple[str, ...]
    last_seq: int
    kept: tuple[int, ...]


class ErasureReport(Struct, frozen=True):
    """What an erasure says beside its counts.

    `first_day`, `last_day`: of the records, "2026-11-25" (UTC). `kept`: records that stay because
    they are held; `kept_seqs`: the first ones of them. `dids`: cameras that reported the records or
    hold the person, and may still have either. `copies`: files made before, which still hold the
    records. `targets`: other systems that may have them; they are told to erase them.
    """

    first_day: str = ""
    last_day: str = ""
    kept: int = 0
    dids: tuple[str, ...] = ()
    copies: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    kept_seqs: tuple[int, ...] = ()


class Erasure(Struct, frozen=True, kw_only=True):
    """An erasure. Times are UNIX milliseconds; `finished_at` is None while it runs.

    `last_seq`: it erases nothing that came later. `bytes`: of the pictures.
    """

    id: int
    created_by: str
    created_at: Moment
    finished_at: Moment | None
    manner: ErasureManner
    with_held: bool
    last_seq: int
    records: int
    pictures: int
    bytes: int
    report: ErasureReport


class NewErasure(Struct, frozen=True, kw_only=True):
    """What somebody wants to erase: see `Erasure`."""

    created_by: str
    created_at: int
    manner: ErasureManner
    subject: Subject
    with_held: bool
    last_seq: int
    report: ErasureReport = ErasureReport()


_rows = TableRows(
    "erasure",
    Erasure,
    decoders={
        "with_held": as_flag,
        "report": lambda text: decode_json(as_text(text), ErasureReport),
    },
)
_ONE = f"{_rows.select} WHERE id = ?"
_BEGUN_BY = f"{_rows.select} WHERE created_by = ? ORDER BY id DESC LIMIT 1"
_LIST = f"{_rows.select} WHERE id < ? ORDER BY id DESC"
_UNFINISHED = f"SELECT {_rows.names}, subject FROM erasure WHERE finished_at IS NULL ORDER BY id"


class ErasureTable(Table[None]):
    """Erasures by id."""

    queries = ((_rows, _rows.select),)

    async def add(self, new: NewErasure) -> int:
        """Note an erasure before it begins; return its id."""
        row = (
            new.created_by,
            new.created_at,
            new.manner,
            msgspec.json.encode(new.subject).decode(),
            new.with_held,
            new.last_seq,
            msgspec.json.encode(new.report).decode(),
        )
        return await self._writer.write(lambda c: c.execute(_ADD, row).lastrowid or 0)

    async def finish(self, id: int, report: ErasureReport, at: int) -> None:
        """Note that nothing of an erasure is left to do."""
        text = msgspec.json.encode(report).decode()

        def job(connection: sqlite3.Connection) -> None:
            connection.execute(_FINISH, (at, text, id))
            connection.execute(_TRIM, (_MAX_FINISHED,))

        await self._writer.write(job)

    async def get(self, id: int) -> Erasure | None:
        """Return an erasure, None if there is none."""
        row = await self._readers.read(lambda c: c.execute(_ONE, (clamp(id),)).fetchone())
        return None if row is None else _rows.read(row, self._damaged)

    async def begun_by(self, who: str) -> Erasure | None:
        """Return the erasure that somebody has begun, None if there is none."""
        row = await self._readers.read(lambda c: c.execute(_BEGUN_BY, (who,)).fetchone())
        return None if row is None else _rows.read(row, self._damaged)

    async def newest(self, before: int | None = None, limit: int = 100) -> tuple[Erasure, ...]:
        """Return at most `limit` erasures with ids below `before`, the newest first."""
        bound = 2**63 - 1 if before is None else clamp(before)
        return await self._readers.read(
            lambda c: tuple(_rows.take(c.execute(_LIST, (bound,)), limit, self._damaged))
        )

    async def unfinished(self) -> list[tuple[Erasure, Subject]]:
        """Return what has not been finished yet, the oldest first.

        The subject is empty once all its records are erased. What is left out cannot go on,
        because it cannot be read whom it is about.
        """
        found = []
        for *row, subject in await self._readers.read(lambda c: c.execute(_UNFINISHED).fetchall()):
            erasure = _rows.read(row, self._damaged)
            if erasure is None:
                continue
            try:
                whose = decode_json(as_text(subject or "{}"), Subject)
            except (msgspec.MsgspecError, TypeError):
                self._damaged.note("erasure", erasure.id)
            else:
                found.append((erasure, whose))
        return found

    async def people_told_as(self, numbers: Sequence[int]) -> dict[int, ErasedPerson]:
        """Return whom entries of `erased_record` stand for, as far as it is still known."""
        found = {}
        for text, last_seq in await self._readers.read(lambda c: c.execute(_TOLD).fetchall()):
            try:
                subject = decode_json(as_text(text), Subject)
            except (msgspec.MsgspecError, TypeError):
                continue
            last = last_seq if subject.last_seq is None else subject.last_seq
            if subject.told_as in numbers and isinstance(last, int):
                found[subject.told_as] = ErasedPerson(subject.uuids, last, subject.kept)
        return found

    async def forget_told(self) -> None:
        """Forget whose records were erased, as far as no target has to hear of it any more."""

        def job(connection: sqlite3.Connection) -> None:
            with secure_deletion(connection):
                connection.execute(_FORGET_TOLD)

        await self._writer.write(job)


def count_erased(
    connection: sqlite3.Connection, id: int, records: int, pictures: int, size: int
) -> None:
    """Add to an erasure's counts. `size`: bytes of the pictures."""
    connection.execute(_COUNT, (records, pictures, size, id))


def forget_subject(erasure: Erasure, subject: Subject, connection: sqlite3.Connection) -> None:
    """Forget whose records were erased, but for what targets have to hear."""
    if subject.told_as:
        return
    with secure_deletion(connection):
        connection.execute(_KEEP_SUBJECT, (_to_tell(connection, erasure, subject), erasure.id))


def _to_tell(connection: sqlite3.Connection, erasure: Erasure, subject: Subject) -> str | None:
    """Return what is left of a subject, once targets are sure to hear of it; None if nothing is."""
    if not subject.uuids or not one(connection, _HAS_CENTRE):
        return None
    kept: list[int] = []
    for uuid in subject.uuids:
        asked = (indexed_uuid(uuid), erasure.last_seq, _MAX_LEFT + 1)
        kept += (seq for (seq,) in connection.execute(_LEFT, asked))
    kept.sort()
    last = kept[_MAX_LEFT] - 1 if len(kept) > _MAX_LEFT else None
    number = connection.execute(_TELL).lastrowid or 0
    left = Subject(uuids=subject.uuids, told_as=number, kept=tuple(kept[:_MAX_LEFT]), last_seq=last)
    return msgspec.json.encode(left).decode()
