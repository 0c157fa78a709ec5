"""Summaries of the days that are over: how they are kept, and read together with what came late.

A summary covers the records of a day up to a seq. Later records of the day, from cameras that were
away or whose clock is off, are read from the log: spans tell where they are. A record of the day
that is deleted, erased or changed takes the summary with it, by triggers of the schema, and so does
one while the summary is being made.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from hub.store.commit.group_commit import GroupCommit
from hub.store.commit.steps import in_steps
from hub.store.damage import DamagedRows, RowReader
from hub.store.records.time_spans import SeqRange
from hub.store.reports.day_parts import ALL_CAMERAS, FORM, DaySummary, Part, checked
from hub.store.reports.people_parts import decode_people, decode_people_by_camera, people_of
from hub.store.reports.sightings import PersonKey, PersonSeen, add_people, parts_of
from hub.store.reports.unsorted_faces import FaceCount, decode_faces
from hub.store.reports.vehicle_parts import VehiclesSeen, decode_vehicles
from hub.store.sqlite.readers import Readers
from hub.store.sqlite.sql import one

T = TypeVar("T")

TABLE, PART_TABLE = "report_day", "report_part"

_ALL = "SELECT since, until, through, made_at, parts, form FROM report_day"
_OF_DAY = f"{_ALL} WHERE since = ?"
_COUNT_PARTS = "SELECT count(*) FROM report_part WHERE since = ?"
_PARTS = """
SELECT since, kind, did, part, data FROM report_part
WHERE since = ? AND kind = ? AND did = ? ORDER BY part
"""
_ALL_PARTS = "SELECT since, kind, did, part, data FROM report_part"
_BEGIN = """
INSERT INTO report_day (since, until, through, made_at, form)
VALUES (?, ?, ifnull((SELECT max(seq) FROM record), 0), ?, ?) RETURNING through
"""
_IS_GOING_ON = "SELECT 1 FROM report_day WHERE since = ? AND through = ? AND parts IS NULL"
_PUT = "INSERT INTO report_part (since, kind, did, part, data) VALUES (?, ?, ?, ?, ?)"
_COMPLETE = "UPDATE report_day SET parts = ? WHERE since = ?"
_FORGET = "DELETE FROM report_day WHERE since = ?"

_days = RowReader(TABLE, DaySummary, DaySummary.__struct_fields__, key=("since",))
_DECODERS: dict[str, Callable[[memoryview], object]] = {
    "people": decode_people,
    "people_by_camera": decode_people_by_camera,
    "vehicles": decode_vehicles,
    "repeats": decode_vehicles,
    "faces": decode_faces,
}


def check_day_summaries(connection: sqlite3.Connection, damaged: DamagedRows) -> None:
    """Decode all summaries; note what is damaged."""
    known = {day.since: day for day in _days.read_all(connection.execute(_ALL), damaged)}
    for since, kind, did, part, data in connection.execute(_ALL_PARTS):
        try:
            summary = known[since]
            if summary.form == FORM:  # the parts of another one are never read
                _DECODERS[kind](checked(summary, (kind, did, part), data))
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
        parts = _people(connection, summary, dids, damaged)
        for people in parts or ():
            add_people(found, people)
        return _rest(connection, since, until, summary if parts is not None else None)


def read_vehicles(
    since: int, until: int, damaged: DamagedRows, connection: sqlite3.Connection
) -> tuple[list[VehiclesSeen], list[VehiclesSeen], list[SeqRange]]:
    """Return vehicles of a day's summary: to be paired, and repeats; and what `read_people` does.

    Repeats are left out if no part of the log is to be read: they matter to what came late only.
    """
    with _at_one_time(connection):
        summary = _summary_of(connection, since, until, damaged)
        seen = _decoded(connection, summary, "vehicles", decode_vehicles, damaged)
        rest = _rest(connection, since, until, summary if seen is not None else None)
        if seen is None or not rest:
            return seen or [], [], rest
        repeats = _decoded(connection, summary, "repeats", decode_vehicles, damaged)
        if repeats is None:
            return [], [], _rest(connection, since, until, None)
        return seen, repeats, rest


def read_unsorted_faces(
    since: int, until: int, damaged: DamagedRows, connection: sqlite3.Connection
) -> tuple[list[FaceCount], list[SeqRange]]:
    """Return the counts of a day's summary of `unsorted_faces_in`, and what `read_people` does."""
    with _at_one_time(connection):
        summary = _summary_of(connection, since, until, damaged)
        parts = _decoded(connection, summary, "faces", decode_faces, damaged)
        rest = _rest(connection, since, until, summary if parts is not None else None)
        return [count for part in parts or () for count in part], rest


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
            return int(str(one(connection, _BEGIN, (since, until, at, FORM))))

        through = await self._writer.write(job)
        self._forget_damage(since)
        return DaySummary(since, until, through, at, None)

    async def complete(self, summary: DaySummary, parts: Sequence[Part]) -> bool:
        """Store what a summary says, in short writes with pauses that follow the load.

        Returns whether it is stored: it is not if a record of the day has been deleted, erased or
        changed meanwhile.
        """
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
    """Return the summary of a day, if it is complete, whole, and of the form of now."""
    row = connection.execute(_OF_DAY, (since,)).fetchone()
    found = None if row is None else _days.read(row, damaged)
    if found is None or (found.until, found.form) != (until, FORM) or found.parts is None:
        return None
    if one(connection, _COUNT_PARTS, (since,)) != found.parts:
        damaged.note(TABLE, since, ["parts"])
        return None
    return found


def _people(
    connection: sqlite3.Connection,
    summary: DaySummary | None,
    dids: Sequence[str] | None,
    damaged: DamagedRows,
) -> list[list[PersonSeen]] | None:
    if summary is None:
        return None
    if dids is None:
        return _decoded(connection, summary, "people", decode_people, damaged)
    decode = partial(_people_of, summary, frozenset(dids))
    return _decoded(connection, summary, "people_by_camera", decode, damaged)


def _people_of(summary: DaySummary, dids: Collection[str], content: memoryview) -> list[PersonSeen]:
    return list(people_of(decode_people_by_camera(content), summary.since, dids))


def _decoded(
    connection: sqlite3.Connection,
    summary: DaySummary | None,
    kind: str,
    decode: Callable[[memoryview], T],
    damaged: DamagedRows,
) -> list[T] | None:
    """Return what the parts of a kind say, None if one is damaged."""
    if summary is None:
        return None
    found: list[T] = []
    for since, _, did, part, data in connection.execute(_PARTS, (summary.since, kind, ALL_CAMERAS)):
        try:
            found.append(decode(checked(summary, (kind, did, part), data)))
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
