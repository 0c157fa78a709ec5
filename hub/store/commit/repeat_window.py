"""How long an upload is remembered, so that its repeat is recognised."""

from __future__ import annotations

import sqlite3

from msgspec import Struct

from hub.store.sqlite.sql import one

#: An upload with the same digest as another within this time is a repeat.
REPEAT_MS = 86_400_000
#: The starts that are noted, the latest ones: a hub that crashes again and again has more.
MAX_STARTS = 64

_LATEST = "SELECT at FROM upload ORDER BY first_seq DESC LIMIT 1"
_STARTS = "SELECT started_at, ended_at FROM start ORDER BY id DESC LIMIT ?"
_NOTE_START = "INSERT INTO start (started_at, ended_at) VALUES (?, ?)"
_FORGET_STARTS = """
DELETE FROM start WHERE id NOT IN (SELECT id FROM start ORDER BY id DESC LIMIT ?)
"""


class _Start(Struct, frozen=True):
    """When the first group after a start was stored, and the last one before it.

    Both are UNIX milliseconds, by the clock of the hub, which may have been set in between.
    """

    started_at: int
    ended_at: int


class RepeatWindow:
    """The last day, not counting the times that the hub was off.

    After a weekend without power, cameras send again what the hub stored and could not answer any
    more: that is no new record. The hub may have been started several times by then.
    """

    def __init__(self) -> None:
        #: The latest first; None until the first group.
        self._starts: list[_Start] | None = None
        #: The start of this process, until it is noted.
        self._unnoted: _Start | None = None

    def since(self, connection: sqlite3.Connection, at: int) -> int:
        """Return the time of the oldest upload to remember. Times are UNIX milliseconds.

        `at`: now. The first call counts as the start.
        """
        if self._starts is None:
            self._starts = self._load(connection, at)
        left = REPEAT_MS
        for start in self._starts:
            running = max(at - start.started_at, 0)
            if running >= left:
                break
            left -= running
            at = min(at, start.ended_at)
        return at - left

    def note(self, connection: sqlite3.Connection) -> None:
        """Note the start of this process, as a part of the transaction of a group."""
        if self._unnoted is not None:
            connection.execute(_NOTE_START, (self._unnoted.started_at, self._unnoted.ended_at))
            connection.execute(_FORGET_STARTS, (MAX_STARTS,))

    def committed(self) -> None:
        """The transaction is committed: the start is noted for good."""
        self._unnoted = None

    def _load(self, connection: sqlite3.Connection, at: int) -> list[_Start]:
        starts = [
            _Start(started_at, ended_at)
            for started_at, ended_at in connection.execute(_STARTS, (MAX_STARTS,))
            # A damaged row tells nothing.
            if isinstance(started_at, int) and isinstance(ended_at, int)
        ]
        latest = one(connection, _LATEST)
        if isinstance(latest, int):
            self._unnoted = _Start(at, latest)
            starts.insert(0, self._unnoted)
        return starts
