"""Summaries of the days that are over: how they are kept, and read together with what came late.

A summary covers the records of a day up to a seq. Later records of the day, from cameras that were
away or whose clock is off, are read from the log: spans tell where they are. A record of the day
that is deleted, erased or changed takes the summary with it, by triggers of the schema, and so does
one while the summary is being made.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeVar

from hub.store.commit.group_commit import GroupCommit
from hub.store.commit.steps import in_steps
from hub.store.damage import DamagedRows, RowReader
from hub.store.records.time_spans import SeqRange
from hub.store.reports.day_parts import (
    DaySummary,
    PartName,
    VehiclesSeen,
    checked,
    decode_people,
    decode_vehicles,
    encode_people,
    encode_vehicles,
    with_checksum,
)
from hub.store.reports.sightings import PersonKey, PersonSeen, add_people, parts_of
from hub.store.sqlite.readers import Readers
from hub.store.sqlite.sql import one

T = TypeVar("T")

TABLE, PART_TABLE = "report_day", "report_part"

_ALL = "SELECT since, until, through, made_at, parts FROM report_day"
_OF_DAY = f"{_ALL} WHERE since = ?"
_COUNT_PARTS = "SELECT count(*) FROM report_part WHERE since = ?"
_PARTS = """
SELECT since, kind, did, part, data FROM report_part
WHERE since = ? AND kind = ? AND did = ? ORDER BY part
"""
_ALL_PARTS = "SELECT since, kind, did, part, data FROM report_part"
_BEGIN = """
INSERT INTO report_day (since, until, through, made_at)
VALUES (?, ?, ifnull((SELECT max(seq) FROM record), 0), ?) RETURNING through
"""
_IS_GOING_ON = "SELECT 1 FROM report_day WHERE since = ? AND through = ? AND parts IS NULL"
_PUT = "INSERT INTO report_part (since, kind, did, part, data) VALUES (?, ?, ?, ?, ?)"
_COMPLETE = "UPDATE report_day SET parts = ? WHERE since = ?"
_FORGET = "DELETE FROM report_day WHERE since = ?"
#: In place of a did: all cameras together.
ALL_CAMERAS = "*"

_days = RowReader(TABLE, DaySummary, DaySummary.__struct_fields__, key=("since",))
_DECODERS: dict[str, Callable[[DaySummary, memoryview], object]] = {
    "people": decode_people,
    "vehicles": decode_vehicles,
}

#: The name of a part, and its data.
_Part = tuple[PartName, bytes]


def check_day_summaries(connection: sqlite3.Connection, damaged: DamagedRows) -> None:
    """Decode all summaries; note what is damaged."""
    known = {day.since: day for day in _days.read_all(connection.execute(_ALL), damaged)}
    for since, kind, did, part, data in connection.execute(_ALL_PARTS):
        try:
            summary, decode = known[since], _DECODERS[kind]
            decode(summary, checked(summary, (kind, did, part), data))
        except (LookupError, TypeError, ValueError):
            damaged.note(PART_TABLE, f"{since} {kind} {did} {part}", ["data"])


def read_people(
    found: dict[PersonKey, PersonSeen],
    since: int,
    until: int,
    dids: Sequence[str] | None,
    damaged: DamagedRows,
    connection: sqlite3.Connection,
) -> list[SeqRange]:
    """Add the people of a day's summary; return the parts of the log that it does not cover.

    Those are all that can hold records of the day, if there is no summary. `dids`: of these
    cameras, None for all. Runs in a reader's thread.
    """
    with _at_one_time(connection):
        summary = _summary_of(connection, since, until, damaged)
        chosen = [ALL_CAMERAS] if dids is None else list(dids)
        parts = _decoded(connection, summary, "people", chosen, decode_people, damaged)
        for people in parts or ():
            add_people(found, people)
        return _rest(connection, since, until, summary if parts is not None else None)


def read_vehicles(
    since: int, until: int, damaged: DamagedRows, connection: sqlite3.Connection
) -> tuple[list[VehiclesSeen], list[SeqRange]]:
    """Return the vehicles of a day's summary, and what `read_people` does."""
    with _at_one_time(connection):
        summary = _summary_of(connection, since, until, damaged)
        parts = _decoded(connection, summary, "vehicles", [ALL_CAMERAS], decode_vehicles, damaged)
        rest = _rest(connection, since, until, summary if parts is not None else None)
        return parts or [], rest


def late_parts(summary: DaySummary, connection: sqlite3.Connection) -> list[SeqRange]:
    """Return the parts of the log that hold records of the day which came later."""
    return _rest(connection, summary.since, summary.until, summary)


class DaySummaryTable:
    """The summaries in the database. Changes are durable on return."""

    def __init__(self, writer: GroupCommit, readers: Readers, damaged: DamagedRows) -> None:
        self._writer = writer
        self._readers = readers
        self._damaged = damaged

    async def all(self) -> list[DaySummary]:
        """Return the summaries that are there, also those that were never completed."""
        return await self._readers.read(
            lambda c: _days.read_all(c.execute(_ALL).fetchall(), self._damaged)
        )

    async def begin(self, since: int, until: int, at: int) -> DaySummary:
        """Return a summary that is to be made of what is stored now, in place of any other."""

        def job(connection: sqlite3.Connection) -> int:
            connection.execute(_FORGET, (since,))
            return int(str(one(connection, _BEGIN, (since, until, at))))

        through = await self._writer.write(job)
        self._forget_damage(since)
        return DaySummary(since, until, through, at, None)

    async def complete(
        self,
        summary: DaySummary,
        people: Mapping[str, Sequence[PersonSeen]],
        vehicles: VehiclesSeen,
    ) -> bool:
        """Store what a summary says, in short writes with pauses that follow the load.

        `people`: of each camera, and with ALL_CAMERAS those of all together. Returns whether it is
        stored: it is not if a record of the day has been deleted, erased or changed meanwhile.
        """
        parts = list(_parts(summary, people, vehicles))
        is_stored = True

        def step(connection: sqlite3.Connection, start: int) -> int | None:
            nonlocal is_stored
            is_stored = one(connection, _IS_GOING_ON, (summary.since, summary.through)) is not None
            if is_stored and start < len(parts):
                name, data = parts[start]
                connection.execute(_PUT, (summary.since, *name, data))
                return start + 1
            if is_stored:
                connection.execute(_COMPLETE, (len(parts), summary.since))
            return None

        await in_steps(self._writer, step, 0)
        return is_stored

    async def forget(self, since: int) -> None:
        """Remove a summary."""
        await self._writer.write(lambda c: c.execute(_FORGET, (since,)) and None)
        self._forget_damage(since)

    def is_damaged(self, since: int) -> bool:
        """Whether a part of a day's summary could not be read."""
        return self._damaged.knows(TABLE, since) or bool(self._damaged_parts(since))

    def _damaged_parts(self, since: int) -> list[str]:
        return [key for key in self._damaged.of(PART_TABLE) if key.startswith(f"{since} ")]

    def _forget_damage(self, since: int) -> None:
        self._damaged.forget(TABLE, since)
        for key in self._damaged_parts(since):
            self._damaged.forget(PART_TABLE, key)


@contextmanager
def _at_one_time(connection: sqlite3.Connection) -> Iterator[None]:
    """Let the queries in the block see the same state of the database."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("COMMIT")


def _summary_of(
    connection: sqlite3.Connection, since: int, until: int, damaged: DamagedRows
) -> DaySummary | None:
    """Return the summary of a day, if it is complete and whole."""
    row = connection.execute(_OF_DAY, (since,)).fetchone()
    found = None if row is None else _days.read(row, damaged)
    if found is None or found.until != until or found.parts is None:
        return None
    if one(connection, _COUNT_PARTS, (since,)) != found.parts:
        damaged.note(TABLE, since, ["parts"])
        return None
    return found


def _decoded(
    connection: sqlite3.Connection,
    summary: DaySummary | None,
    kind: str,
    dids: Sequence[str],
    decode: Callable[[DaySummary, memoryview], T],
    damaged: DamagedRows,
) -> list[T] | None:
    """Return what these parts say, None if one is damaged."""
    if summary is None:
        return None
    found: list[T] = []
    for did in dids:
        for since, _, _, part, data in connection.execute(_PARTS, (summary.since, kind, did)):
            try:
                found.append(decode(summary, checked(summary, (kind, did, part), data)))
            except (ValueError, TypeError):
                damaged.note(PART_TABLE, f"{since} {kind} {did} {part}", ["data"])
                return None
    return found


def _rest(
    connection: sqlite3.Connection, since: int, until: int, summary: DaySummary | None
) -> list[SeqRange]:
    if summary is None:
        return parts_of(connection, since, until)
    return parts_of(connection, since, until, (summary.through + 1, 2**63 - 1))


def _parts(
    summary: DaySummary,
    people: Mapping[str, Sequence[PersonSeen]],
    vehicles: VehiclesSeen,
) -> Iterator[_Part]:
    people_of = {did: encode_people(seen) for did, seen in people.items()}
    contents = [("people", did, found) for did, found in people_of.items()]
    contents.append(("vehicles", ALL_CAMERAS, encode_vehicles(summary, vehicles)))
    for kind, did, found in contents:
        for part, content in enumerate(found):
            yield (kind, did, part), with_checksum(summary, (kind, did, part), content)
