"""What of the wall each user has looked at and reviewed: one row for each."""

from __future__ import annotations

import sqlite3
from operator import attrgetter

from msgspec import Struct

from hub.decoders import decode_json
from hub.store.rows import TableRows, as_json_text
from hub.store.tables.table import MemoryTable
from hub.wire.times import Moment

TABLE = "review"
MAX_MARKS = 500


class Review(Struct, frozen=True, kw_only=True):
    """`line`: the last seq that the user saw on the visit before, which lasted until `left_at`;
    `seen`: on the latest one, until `seen_at` (UNIX milliseconds). Records up to `reviewed` are
    reviewed, and the `marks` above it, at most MAX_MARKS.
    """

    name: str
    line: int = 0
    left_at: Moment = 0
    seen: int = 0
    seen_at: Moment = 0
    reviewed: int = 0
    marks: tuple[int, ...] = ()


def _read_marks(value: object) -> tuple[int, ...]:
    if not isinstance(value, str):
        raise TypeError("a list")
    return decode_json(value, tuple[int, ...])[-MAX_MARKS:]


_rows = TableRows(
    TABLE,
    Review,
    key=("name",),
    decoders={"marks": _read_marks},
    encoders={"marks": lambda marks: as_json_text(marks[-MAX_MARKS:])},
)
# Not for a user who was removed meanwhile.
_PUT = f"""
INSERT OR REPLACE INTO review ({_rows.names})
SELECT {_rows.marks} WHERE EXISTS (SELECT 1 FROM user WHERE name = :name)
"""


class ReviewTable(MemoryTable[str, Review]):
    """All reviews, in memory. Changes are durable on return."""

    key = attrgetter("name")
    queries = ((_rows, _rows.select),)

    def get(self, name: str) -> Review:
        """Return what a user has seen; nothing so far if it is not known."""
        return self._rows.get(name) or Review(name=name)

    async def put(self, review: Review) -> None:
        """Replace the row of a user; without effect for a user who was removed."""

        def job(connection: sqlite3.Connection) -> bool:
            return connection.execute(_PUT, _rows.values(review)).rowcount > 0

        def saved(is_there: bool) -> None:
            if is_there:
                self._put(review)

        await self._writer.write(job, saved)

    def forget_user(self, name: str) -> None:
        self._rows.pop(name, None)
