"""Which records were erased, in the order of that: what targets still have to hear.

Triggers note each record in the transaction that hides it, under the ids of all logs that have it.
An entry with the seq 0 stands for a person: `ErasureTable.people_told_as` says who it was.
"""

from __future__ import annotations

from msgspec import Struct

from hub.store.rows import Size, TableRows
from hub.store.sqlite.sql import clamp, one
from hub.store.tables.table import Table

_UNDER_WAY = "SELECT EXISTS (SELECT 1 FROM record WHERE erased = 1)"
_LAST = "SELECT coalesce(max(number), 0) FROM erased_record"
#: More than one hub is ever restored.
MAX_EARLIER_LOGS = 100


class ErasedRecord(Struct, frozen=True):
    """A record that is an empty shell now. `number`: of the order in which this happened."""

    number: Size
    log: str
    seq: Size


class ErasedPage(Struct, frozen=True):
    """Some of them. `last`: the number of the last one, whether or not it can be read."""

    items: tuple[ErasedRecord, ...]
    last: int


class EarlierLog(Struct, frozen=True):
    """A log that this one continues: up to `last_seq` their records are the same."""

    log: str
    last_seq: Size


_rows = TableRows("erased_record", ErasedRecord, key=("number",))
_log_rows = TableRows("earlier_log", EarlierLog, key=("log",))
_AFTER = f"{_rows.select} WHERE number > ? ORDER BY number LIMIT ?"
_EARLIER = f"{_log_rows.select} WHERE last_seq > 0 ORDER BY last_seq DESC, log LIMIT ?"


class ErasedRecords(Table[None]):
    """The last 100,000 of them, and those that a target has not heard of."""

    queries = ((_rows, _rows.select), (_log_rows, _log_rows.select))

    async def after(self, number: int, limit: int) -> ErasedPage | None:
        """Return those after a number, None if there are none."""
        rows = await self._readers.read(
            lambda c: c.execute(_AFTER, (clamp(number), limit)).fetchall()
        )
        if not rows:
            return None
        return ErasedPage(tuple(_rows.read_all(rows, self._damaged)), rows[-1][0])

    async def earlier_logs(self) -> tuple[EarlierLog, ...]:
        """Return the logs that this one continues, since the hub was restored from backups."""
        rows = await self._readers.read(
            lambda c: c.execute(_EARLIER, (MAX_EARLIER_LOGS,)).fetchall()
        )
        return tuple(_log_rows.read_all(rows, self._damaged))

    async def is_under_way(self) -> bool:
        """Whether records are being erased, whose alarms may still say more than they will."""
        return bool(await self._readers.read(lambda c: one(c, _UNDER_WAY)))

    async def last_number(self) -> int:
        """Return the number of the last one, 0 before the first."""
        return await self._readers.read(lambda c: int(str(one(c, _LAST))))
