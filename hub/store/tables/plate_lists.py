"""Watched plates: lists of patterns (D11)."""

from __future__ import annotations

import sqlite3

from msgspec import Struct
from msgspec.structs import asdict, replace

from hub.errors import AlreadyExists, BadParameter, Missing
from hub.store.alarms.alarm import Severity
from hub.store.rows import TableRows
from hub.store.sqlite.sql import one
from hub.store.tables.table import MemoryTable, RowSource
from hub.wire.times import Moment

#: Lists, entries of all lists together, and how many of those may have wildcards.
MAX_LISTS = 100
MAX_ENTRIES = 10_000
MAX_WILDCARDS = 1_000

_CHANGE = "UPDATE plate_list SET name = ?, severity = ? WHERE id = ?"
_REMOVE = "DELETE FROM plate_list WHERE id = ?"
_CLEAR = "DELETE FROM plate_entry WHERE list = ?"
_TAKEN = "SELECT EXISTS (SELECT 1 FROM plate_list WHERE name = ? AND id <> ?)"
_COUNT = "SELECT count(*) FROM plate_list"
_COUNT_ENTRIES = """
SELECT count(*), coalesce(sum(pattern GLOB '*[*?]*'), 0) FROM plate_entry WHERE list <> ?
"""


class PlateEntry(Struct, frozen=True):
    """A plate or a pattern, reduced. `until`: UNIX milliseconds, None without an end."""

    pattern: str
    note: str = ""
    until: Moment | None = None


class NewPlateList(Struct, frozen=True, kw_only=True):
    """A list as somebody wants it: see `PlateList`."""

    name: str
    severity: Severity = "critical"
    entries: tuple[PlateEntry, ...] = ()


class PlateList(NewPlateList, frozen=True, kw_only=True):
    """Watched plates. `severity`: of the alarms that it raises."""

    id: int


class _EntryRow(PlateEntry, frozen=True, kw_only=True):
    list: int


#: A list keeps working although its name or severity is damaged, an entry although its end is.
_list_rows = TableRows("plate_list", PlateList, without=("entries",))
_entry_rows = TableRows("plate_entry", _EntryRow, key=("list", "pattern"))
_ADD_ENTRY = f"INSERT INTO plate_entry ({_entry_rows.names}) VALUES ({_entry_rows.marks})"
_ENTRIES = f"{_entry_rows.select} ORDER BY list, pattern"


class PlateListTable(MemoryTable[int, PlateList]):
    """All lists, in memory. Changes are durable on return."""

    queries = ((_list_rows, f"{_list_rows.select} ORDER BY id"),)

    @classmethod
    def load(cls, source: RowSource) -> list[PlateList]:
        entries: dict[int, list[PlateEntry]] = {}
        for row in _entry_rows.read_all(source.connection.execute(_ENTRIES), source.damaged):
            entries.setdefault(row.list, []).append(PlateEntry(row.pattern, row.note, row.until))
        found = super().load(source)
        return [replace(one, entries=tuple(entries.get(one.id, ()))) for one in found]

    async def add(self, new: NewPlateList) -> PlateList:
        """Add a list. Raises AlreadyExists for its name, BadParameter beyond the limits."""

        def job(connection: sqlite3.Connection) -> PlateList:
            if int(str(one(connection, _COUNT))) >= MAX_LISTS:
                raise BadParameter(f"there are at most {MAX_LISTS} lists", field="name")
            _check(connection, new, 0)
            id = _list_rows.insert(connection, new)
            return _save_entries(connection, id, new)

        return await self._writer.write(job, self._put)

    async def change(self, id: int, new: NewPlateList) -> PlateList:
        """Replace a list. Raises NoSuchResource, AlreadyExists, BadParameter."""

        def job(connection: sqlite3.Connection) -> PlateList:
            _check(connection, new, id)
            if not connection.execute(_CHANGE, (new.name, new.severity, id)).rowcount:
                raise Missing("plate list", id=id)
            return _save_entries(connection, id, new)

        return await self._writer.write(job, self._put)

    async def remove(self, id: int) -> None:
        """Remove a list. Raises NoSuchResource."""
        await self._remove_one(id, _REMOVE, Missing("plate list", id=id))


def _check(connection: sqlite3.Connection, new: NewPlateList, id: int) -> None:
    """Check a list against the others before it is saved."""
    if one(connection, _TAKEN, (new.name, id)):
        raise AlreadyExists(f"name: there is a plate list {new.name!r} already")
    entries, wild = connection.execute(_COUNT_ENTRIES, (id,)).fetchone()
    wild += sum("*" in entry.pattern or "?" in entry.pattern for entry in new.entries)
    if entries + len(new.entries) > MAX_ENTRIES:
        raise BadParameter(f"all lists together have at most {MAX_ENTRIES} plates", field="entries")
    if wild > MAX_WILDCARDS:
        raise BadParameter(f"at most {MAX_WILDCARDS} plates may have * or ?", field="entries")


def _save_entries(connection: sqlite3.Connection, id: int, new: NewPlateList) -> PlateList:
    connection.execute(_CLEAR, (id,))
    connection.executemany(_ADD_ENTRY, ({"list": id, **asdict(entry)} for entry in new.entries))
    return PlateList(**asdict(new), id=id)
