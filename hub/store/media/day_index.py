"""The days that the log holds: the seqs of each, and the committed end of its pack."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from msgspec import Struct

from hub.store.media.packs import day_of

_ALL = "SELECT day, first_seq, last_seq, records, bytes FROM day ORDER BY day"
_PUT = """
INSERT INTO day (day, first_seq, last_seq, records, bytes) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (day) DO UPDATE SET first_seq = excluded.first_seq, last_seq = excluded.last_seq,
    records = excluded.records, bytes = excluded.bytes
"""


class PackDay(Struct, frozen=True):
    """A UTC day of `received_at`. `bytes`: the committed end of its pack."""

    day: str
    first_seq: int
    last_seq: int
    records: int
    bytes: int


class DayIndex:
    """The days in memory. Changed by the writer's thread after a commit; read from any thread."""

    def __init__(self, days: Iterable[PackDay]) -> None:
        self._days = {day.day: day for day in days}

    def get(self, day: str) -> PackDay | None:
        return self._days.get(day)

    def all(self) -> tuple[PackDay, ...]:
        """Return the days, oldest first."""
        return tuple(sorted(self._days.copy().values(), key=lambda day: day.day))

    def put(self, day: PackDay) -> None:
        self._days[day.day] = day

    def drop(self, day: str) -> None:
        self._days.pop(day, None)

    def end(self, day: str) -> int:
        """Return the committed end of a day's pack, in bytes."""
        known = self._days.get(day)
        return 0 if known is None else known.bytes

    def grown(self, day: str, first_seq: int, last_seq: int, end: int) -> PackDay:
        """Return the day as it will be once these records are committed. Changes nothing."""
        known = self._days.get(day)
        count = last_seq - first_seq + 1
        if known is None:
            return PackDay(day, first_seq, last_seq, count, end)
        return PackDay(day, known.first_seq, last_seq, known.records + count, end)

    def has_pictures(self, seq: int, received_at: int) -> bool:
        """Whether a record's pack still exists. The record's row may outlive it for a while."""
        known = self._days.get(day_of(received_at))
        return known is not None and seq >= known.first_seq


def load_days(connection: sqlite3.Connection) -> list[PackDay]:
    return [PackDay(*row) for row in connection.execute(_ALL)]


def save_day(connection: sqlite3.Connection, day: PackDay) -> None:
    connection.execute(_PUT, (day.day, day.first_seq, day.last_seq, day.records, day.bytes))
