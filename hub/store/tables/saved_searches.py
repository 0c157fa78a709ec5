"""Saved searches: questions to the record log that people saved under a name."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from urllib.parse import parse_qs

from msgspec import Struct
from msgspec.structs import asdict, replace

from hub.errors import AlreadyExists, BadParameter, NoSuchResource
from hub.store.commit.record_rows import fold
from hub.store.rows import TableRows
from hub.store.sqlite.sql import one, secure_deletion
from hub.store.tables.table import MemoryTable
from hub.wire.person_numbers import canonical_number
from hub.wire.times import Moment

TABLE = "saved_search"
MAX_SEARCHES = 100
#: The scripts from here on, those of China and Japan first, do not separate words by spaces.
_FIRST_UNSPACED = "\u2e80"

_RENAME = "UPDATE saved_search SET name = ? WHERE id = ?"
_REMOVE = "DELETE FROM saved_search WHERE id = ?"
_TAKEN = "SELECT EXISTS (SELECT 1 FROM saved_search WHERE name = ? AND id <> ?)"
_COUNT = "SELECT count(*) FROM saved_search"


class NewSearch(Struct, frozen=True, kw_only=True):
    """`query`: the query string of the page of search, without a question mark."""

    name: str
    query: str
    created_by: str
    created_at: Moment


class SavedSearch(NewSearch, frozen=True, kw_only=True):
    id: int

    def names_person(self, uuids: Collection[str], names: Collection[str]) -> bool:
        """Whether the search is about one of these people: by number, or by folded name."""
        asked = parse_qs(self.query)
        texts = [fold(text) for text in (self.name, *asked.get("name", ()))]
        is_named = any(_says(text, name) for name in names for text in texts)
        numbers = {canonical_number(uuid) for uuid in uuids}
        return is_named or not numbers.isdisjoint(map(canonical_number, asked.get("uuid", ())))


def _says(text: str, name: str) -> bool:
    """Whether a text has a name that is no part of a longer word: "li" is not in "lift".

    Chinese has no spaces: a name of two or more of its characters is found among others. A single
    one is only a part of most words and names, and has to stand alone.
    """
    at = text.find(name)
    while at >= 0:
        end = at + len(name)
        is_joined = (at > 0 and _are_joined(text[at - 1], name[0], is_alone=len(name) == 1)) or (
            end < len(text) and _are_joined(name[-1], text[end], is_alone=len(name) == 1)
        )
        if not is_joined:
            return True
        at = text.find(name, at + 1)
    return False


def _are_joined(first: str, second: str, *, is_alone: bool) -> bool:
    """Whether two characters can be of one word. `is_alone`: one of them is a whole name."""
    if not (first.isalnum() and second.isalnum()):
        return False
    return is_alone or max(first, second) < _FIRST_UNSPACED


_rows = TableRows(TABLE, SavedSearch)


class SavedSearchTable(MemoryTable[int, SavedSearch]):
    """All saved searches, in memory. Changes are durable on return."""

    queries = ((_rows, f"{_rows.select} ORDER BY id"),)

    def get(self, id: int) -> SavedSearch:
        """Return a search. Raises NoSuchResource."""
        if id not in self._rows:
            raise NoSuchResource(f"no saved search {id}")
        return self._rows[id]

    async def add(self, new: NewSearch) -> SavedSearch:
        """Add a search. Raises AlreadyExists for its name, BadParameter if there are too many."""

        def job(connection: sqlite3.Connection) -> SavedSearch:
            if int(str(one(connection, _COUNT))) >= MAX_SEARCHES:
                raise BadParameter(f"there are at most {MAX_SEARCHES}", field="searches")
            _check_name(connection, new.name, 0)
            return SavedSearch(id=_rows.insert(connection, new), **asdict(new))

        return await self._writer.write(job, self._put)

    async def rename(self, id: int, name: str) -> SavedSearch:
        """Give a search another name. Raises NoSuchResource, AlreadyExists."""

        def job(connection: sqlite3.Connection) -> SavedSearch:
            _check_name(connection, name, id)
            connection.execute(_RENAME, (name, id))
            return replace(self.get(id), name=name)

        return await self._writer.write(job, self._put)

    async def remove(self, id: int) -> None:
        """Remove a search. Raises NoSuchResource."""
        self.get(id)
        await self._remove_some([id])

    async def remove_of_person(self, uuids: Collection[str], names: Collection[str]) -> None:
        """Remove the searches about a person with one of these numbers or folded names."""
        await self._remove_some([s.id for s in self.all() if s.names_person(uuids, names)])

    async def _remove_some(self, ids: Sequence[int]) -> None:
        def job(connection: sqlite3.Connection) -> None:
            with secure_deletion(connection):
                connection.executemany(_REMOVE, [(id,) for id in ids])

        if ids:
            await self._writer.write(job, lambda _: self._drop(ids))


def _check_name(connection: sqlite3.Connection, name: str, id: int) -> None:
    if one(connection, _TAKEN, (name, id)):
        raise AlreadyExists(f"there is a saved search {name!r}")
