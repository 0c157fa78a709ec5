"""What a rebuild has taken over, over all its runs: an interrupted one is told as a whole."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

import msgspec
from msgspec import Struct

from hub.decoders import decode_json
from hub.store.sqlite.sql import one
from hub.store.tables.settings import save_setting

#: The setting: JSON. It is there from the first group on until somebody is told.
_TAKEN_OVER = "store.taken_over"
_KNOWN = "SELECT value FROM setting WHERE key = ?"


class TakenOver(Struct):
    """`received`: when the first and the last of the records came, in UNIX milliseconds."""

    records: int = 0
    unreadable: int = 0
    received: tuple[int, int] | None = None
    days: set[str] = msgspec.field(default_factory=set)

    def add(self, day: str, received: Iterable[int]) -> None:
        """Add the records of a group, given by when they came."""
        times = list(received)
        self.days.add(day)
        self.records += len(times)
        if times:
            times += self.received or ()
            self.received = min(times), max(times)

    def save(self, connection: sqlite3.Connection) -> None:
        """Note it, in the transaction that inserts the records."""
        save_setting(connection, _TAKEN_OVER, msgspec.json.encode(self).decode())


def load_taken_over(connection: sqlite3.Connection) -> TakenOver:
    """Return what earlier runs took over. What is damaged counts as nothing."""
    noted = one(connection, _KNOWN, (_TAKEN_OVER,))
    try:
        return decode_json(noted, TakenOver) if isinstance(noted, str) else TakenOver()
    except (msgspec.MsgspecError, UnicodeError):
        return TakenOver()


def forget_taken_over(connection: sqlite3.Connection) -> None:
    save_setting(connection, _TAKEN_OVER, None)
