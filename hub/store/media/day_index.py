"""The days that the log holds: the seqs of each, and the committed end of its pack."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

from msgspec import Struct

from hub.store.media.packs import as_day, day_bounds, day_of

_ALL = "SELECT day, first_seq, last_seq, records, bytes FROM day ORDER BY day"
_PUT = """
INSERT INTO day (day, first_seq, last_seq, records, bytes) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (day) DO UPDATE SET first_seq = excluded.first_seq, last_seq = excluded.last_seq,
    records = excluded.records, bytes = excluded.bytes
"""
# Copied in the transaction, so that records of groups committed just before are included.
_PUT_DROPPED = """
INSERT OR REPLACE INTO dropped_day (first_seq, last_seq, day)
SELECT first_seq, last_seq, day FROM day WHERE day = ?
"""
_COUNT = """
SELECT min(seq), max(seq), count(*) FROM record WHERE received_at >= ? AND received_at < ?
"""
_FORGET = "DELETE FROM day WHERE day = ?"


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
        #: Days whose pack is gone, but which the database could not forget yet.
        self._hidden: dict[str, PackDay] = {}
        #: The last day to begin, and its first record.
        self._begun: tuple[str, int] | None = None

    def get(self, day: str) -> PackDay | None:
        return self._days.get(day)

    def get_any(self, day: str) -> PackDay | None:
        """Return a day also if it is hidden."""
        return self._days.get(day) or self._hidden.get(day)

    def all(self) -> tuple[PackDay, ...]:
        """Return the days, oldest first, also those that are hidden."""
        days = {**self._hidden.copy(), **self._days.copy()}
        return tuple(sorted(days.values(), key=lambda day: day.day))

    def begin(self, day: PackDay) -> None:
        """Expect a day's first commit: its records can be read before put() is called."""
        if day.day not in self._days:
            self._begun = (day.day, day.first_seq)

    def put(self, day: PackDay) -> None:
        self._days[day.day] = day
        self._hidden.pop(day.day, None)

    def drop(self, day: str) -> None:
        self._begun = None
        self._days.pop(day, None)
        self._hidden.pop(day, None)

    def hide(self, day: str) -> None:
        """Let nobody look for a day's pictures any more: its pack is about to be deleted."""
        self._begun = None
        if known := self._days.get(day):
            self._hidden[day] = known
            del self._days[day]

    def is_hidden(self, day: str) -> bool:
        return day in self._hidden

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
        day = day_of(received_at)
        known = self._days.get(day)
        if known is None and (begun := self._begun) is not None and begun[0] == day:
            return seq >= begun[1]
        return known is not None and seq >= known.first_seq


def load_days(connection: sqlite3.Connection) -> list[PackDay]:
    """Return the days. One without a name or an end is none: see `hub.store.recovery`."""
    return [
        PackDay(day, *_counts(connection, day, counts), end)
        for day, *counts, end in connection.execute(_ALL)
        if is_sound_day(day, end)
    ]


def is_sound_day(day: object, end: object) -> bool:
    """Return whether a row says which pack it is about, and where it ends."""
    try:
        as_day(day)
    except (TypeError, ValueError):
        return False
    return isinstance(end, int) and end >= 0


def _counts(
    connection: sqlite3.Connection, day: str, counts: Sequence[object]
) -> tuple[int, int, int]:
    """Return a day's first and last seq and number of records; if damaged, as they are counted."""
    match counts:
        case [int(first), int(last), int(records)] if 0 <= first <= last and 0 <= records <= last:
            return first, last, records
    first, last, records = connection.execute(_COUNT, day_bounds(day)).fetchone()
    return first or 0, last or 0, records


def forget_day(connection: sqlite3.Connection, day: str) -> None:
    """Remove a day from the index; its rows are still to be removed: see `dropped_day`."""
    connection.execute(_PUT_DROPPED, (day,))
    connection.execute(_FORGET, (day,))


def save_day(connection: sqlite3.Connection, day: PackDay) -> None:
    connection.execute(_PUT, (day.day, day.first_seq, day.last_seq, day.records, day.bytes))
