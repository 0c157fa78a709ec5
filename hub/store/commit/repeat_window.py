"""How long an upload is remembered, so that its repeat is recognised."""

from __future__ import annotations

import sqlite3

from hub.store.sqlite.sql import one

#: An upload with the same digest as another within this time is a repeat.
REPEAT_MS = 86_400_000

_LATEST = "SELECT at FROM upload ORDER BY first_seq DESC LIMIT 1"


class RepeatWindow:
    """The last day, not counting the time that the hub was off before it started.

    After a weekend without power, cameras send again what the hub stored and could not answer any
    more: that is no new record.
    """

    def __init__(self) -> None:
        self._started: int | None = None
        #: When the latest upload before the start was stored, if there is one.
        self._ended: int | None = None

    def since(self, connection: sqlite3.Connection, at: int) -> int:
        """Return the time of the oldest upload to remember. Times are UNIX milliseconds.

        `at`: now. The first call counts as the start.
        """
        if self._started is None:
            latest = one(connection, _LATEST)
            self._started, self._ended = at, latest if isinstance(latest, int) else None
        running = min(max(at - self._started, 0), REPEAT_MS)
        if self._ended is None or running == REPEAT_MS:
            return at - REPEAT_MS
        return min(at - REPEAT_MS, self._ended - REPEAT_MS + running)
