"""The site's register of people (D10) as a table. It is not held in memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Literal

import msgspec
from msgspec import UNSET, Struct
from msgspec.structs import replace

from hub.clock_reading import Reading
from hub.errors import AlreadyExists, BadParameter, HubError, Missing, NoSuchResource
from hub.store.people.device_people import note_known
from hub.store.people.person_fields import SentFacts
from hub.store.people.person_rows import (
    BY_NUMBER,
    IS_VALID,
    MAX_PEOPLE,
    PERSON_QUERIES,
    SELECT_PERSON,
    Person,
    PersonChange,
    PersonName,
    assign_pid,
    count_people,
    empty_person,
    fold_text,
    load_person,
    load_photo,
    names_of,
    next_revision,
    pids_named,
    read_people,
    remove_person,
    save_person,
    save_photo,
    unknown_groups,
)
from hub.store.rows import as_number
from hub.store.sqlite.sql import one, secure_deletion
from hub.store.tables.audit import forget_person
from hub.store.tables.table import Table

#: Whether the person of a `PersonPut` must be new, or known, or may be either.
Expected = Literal["new", "known", "either"]
#: How the sync with cameras stands for a person: see `PersonFilter`.
SyncState = Literal["failed", "pending", "done"]

_ORDER = BY_NUMBER.format(pid="pid")
#: Whether anybody should hold the person now, and then whether `device` should; as in `holdings`,
#: which a test compares.
_SHOULD = "(person.has_photo = 1 AND {is_valid})"
_IS_VALID = _SHOULD.format(is_valid=IS_VALID.format(p="person", stays="0"))
_MAY_BE_VALID = _SHOULD.format(is_valid=IS_VALID.format(p="person", stays="1"))
#: Likewise, by a row of `holding`.
_IS_VALID_THERE = _SHOULD.format(
    is_valid=IS_VALID.format(p="person", stays="coalesce(holding.revision, 0) <> 0")
)
_IS_MEANT = """
(person.everywhere = 1 OR EXISTS (
    SELECT 1 FROM person_group JOIN camera_group_device USING (camera_group)
    WHERE person_group.pid = person.pid AND camera_group_device.did = device.did
))
"""
_IS_LEFT_ALONE = """
EXISTS (SELECT 1 FROM device_people WHERE device_people.did = device.did AND state = 'alone')
"""
#: A camera refused the person, or its removal.
_FAILED = f"""
(person.pid IN (SELECT pid FROM holding WHERE failed_revision IS NOT NULL) AND EXISTS (
    SELECT 1 FROM holding JOIN device USING (did)
    WHERE holding.pid = person.pid AND NOT {_IS_LEFT_ALONE}
        AND CASE WHEN {_IS_VALID_THERE} AND {_IS_MEANT}
        THEN failed_revision = person.revision AND holding.revision IS NOT person.revision
        ELSE failed_revision = 0 AND holding.revision IS NOT 0 END
))
"""
#: All cameras, or all that are not left alone, hold the person as it is now. Counted in an index,
#: which spares most people a look at each camera.
_IS_ON_ALL = """
((SELECT count(*) FROM holding WHERE holding.pid = person.pid
        AND holding.revision = person.revision) >= (SELECT count(*) FROM device)
    OR (SELECT count(*) FROM holding WHERE holding.pid = person.pid
        AND holding.revision = person.revision AND did NOT IN (
            SELECT did FROM device_people WHERE state = 'alone'
        )) >= (SELECT count(*) FROM device WHERE did NOT IN (
            SELECT did FROM device_people WHERE state = 'alone'
        )))
"""
# Whoever should be on all cameras has none to lose: half of the work for most people.
_PENDING = f"""
(({_MAY_BE_VALID} AND NOT {_IS_ON_ALL} AND EXISTS (
    SELECT 1 FROM device WHERE NOT EXISTS (
        SELECT 1 FROM holding WHERE holding.did = device.did AND holding.pid = person.pid
            AND (holding.revision = person.revision OR holding.failed_revision = person.revision)
    ) AND ({_IS_VALID} OR EXISTS (
        SELECT 1 FROM holding WHERE holding.did = device.did AND holding.pid = person.pid
            AND {_IS_VALID_THERE}
    )) AND {_IS_MEANT} AND NOT {_IS_LEFT_ALONE}
)) OR ((person.everywhere = 0 OR NOT {_IS_VALID}) AND EXISTS (
    SELECT 1 FROM holding JOIN device USING (did)
    WHERE holding.pid = person.pid AND holding.revision IS NOT 0
        AND holding.failed_revision IS NOT 0 AND NOT {_IS_LEFT_ALONE}
        AND NOT ({_IS_VALID_THERE} AND {_IS_MEANT})
)))
"""
_STATES: dict[SyncState, str] = {
    "failed": _FAILED,
    "pending": _PENDING,
    "done": f"NOT {_PENDING} AND NOT {_FAILED}",
}

#: What cameras are given (1.12): a change of it raises the revision.
_SENT = SentFacts.__struct_fields__
_WORK_IDS = """
SELECT work_id, pid FROM person WHERE work_id IN (SELECT value FROM json_each(?)) AND work_id <> ''
"""
_PIDS_OF_NAMES = "SELECT name, pid FROM person WHERE name IN (SELECT value FROM json_each(?))"
_RAISE_NUMBERS = "SELECT pid FROM person WHERE id_card_no <> '' OR ic_card_no <> '' ORDER BY pid"
_FORGET_UNKNOWN = "DELETE FROM unknown_person WHERE ltrim(pid, '0') = ?"
_SET_REVISION = "UPDATE person SET revision = ? WHERE pid = ?"


class PersonPut(Struct, frozen=True, kw_only=True):
    """A person to add or to change. `pid`: None assigns one."""

    pid: str | None = None
    change: PersonChange
    expected: Expected = "either"


#: A person as stored, or what refused it.
Stored = Person | BadParameter | NoSuchResource


class PersonFilter(Struct, frozen=True, kw_only=True):
    """Which people to return. None and "" match all.

    `q`: a part of the name, the pid, the work number, the department, or of the last four digits
    of a personal number; if `sees_numbers`, of any part of a personal number. `group`: those who
    name this group. `state`: "failed": a camera refused the person as it is now; "pending": a
    camera that should hold it as it is now does not (yet), or holds it and should not; "done":
    neither. Cameras that are left alone do not count.
    """

    q: str = ""
    sees_numbers: bool = False
    category: int | None = None
    group: int | None = None
    state: SyncState | None = None


class PersonPage(Struct, frozen=True):
    """People in the order of their pids. `next`: the `after` of the next page, None at the end."""

    items: tuple[Person, ...]
    next: str | None


class PersonTable(Table[None]):
    """Everybody in the register. Changes are durable on return; they raise CannotStoreNow."""

    queries = PERSON_QUERIES

    # -- reading

    async def get(self, pid: str) -> Person | None:
        return await self._readers.read(lambda c: load_person(c, pid, self._damaged))

    async def photo(self, pid: str) -> bytes | None:
        """Return the JPEG that cameras are given; None without a photo."""
        return await self._readers.read(lambda c: load_photo(c, pid))

    async def names(self, pids: Collection[str]) -> dict[str, PersonName]:
        """Return the people with these pids, by pid."""
        return await self._readers.read(lambda c: names_of(c, pids)) if pids else {}

    async def page(
        self, matching: PersonFilter, at: Reading, after: str | None, limit: int
    ) -> PersonPage:
        """Return at most `limit` people with pids above `after`, as numbers.

        `at`: the time now, for the state of the sync.
        """
        where, values = _where(matching, at, after)
        sql = f"{SELECT_PERSON}{where} ORDER BY {_ORDER} LIMIT {limit + 1:d}"
        rows = await self._readers.read(lambda c: c.execute(sql, values).fetchall())
        last = rows[limit - 1][0] if len(rows) > limit else None
        return PersonPage(tuple(read_people(rows[:limit], self._damaged)), last)

    async def count(self, matching: PersonFilter, at: Reading) -> int:
        """Return how many people match."""
        where, values = _where(matching, at)
        sql = f"SELECT count(*) FROM person{where}"
        return as_number(await self._readers.read(lambda c: one(c, sql, values)))

    async def pids_of_work_ids(self, work_ids: Collection[str]) -> dict[str, tuple[str, ...]]:
        """Return who has these work numbers. Scans the register: ask for many at a time."""
        return await self._pids_by(_WORK_IDS, work_ids)

    async def pids_of_names(self, names: Collection[str]) -> dict[str, tuple[str, ...]]:
        """Return who has exactly these names. Scans the register: ask for many at a time."""
        return await self._pids_by(_PIDS_OF_NAMES, names)

    async def _pids_by(self, sql: str, values: Collection[str]) -> dict[str, tuple[str, ...]]:
        asked = (msgspec.json.encode(list(values)).decode(),)
        found: dict[str, tuple[str, ...]] = {}
        for value, pid in await self._readers.read(lambda c: c.execute(sql, asked).fetchall()):
            found[value] = (*found.get(value, ()), pid)
        return found

    # -- changing

    async def put(
        self,
        puts: Sequence[PersonPut],
        by: str,
        at: int,
        on_commit: Callable[[list[Stored]], None] = lambda stored: None,
    ) -> list[Stored]:
        """Add and change people in one write. `at`: UNIX milliseconds.

        `on_commit` is called even if the caller was cancelled meanwhile, as a job may be.

        Each is stored as a whole or not at all; what refused it is returned in its place:
        AlreadyExists or NoSuchResource if it is not as expected, BadParameter for a group that
        does not exist, or if the register is full.
        """

        def job(connection: sqlite3.Connection) -> list[Stored]:
            room = MAX_PEOPLE - count_people(connection)
            stored: list[Stored] = []
            for put in puts:
                try:
                    person, is_new = self._put(connection, put, by, at, room)
                    room -= is_new
                    stored.append(person)
                except (BadParameter, NoSuchResource) as error:
                    stored.append(error)
            return stored

        def committed(stored: list[Stored]) -> None:
            on_commit(stored)

        return await self._writer.write(job, committed)

    async def remove(self, pids: Collection[str]) -> list[str]:
        """Remove people in one write; the bytes are overwritten. Return who was there."""

        def job(connection: sqlite3.Connection) -> list[str]:
            with secure_deletion(connection):
                return [pid for pid in pids if remove_person(connection, pid)]

        return await self._writer.write(job)

    async def erase(self, pid: str) -> None:
        """Remove a person, if there is one, and whatever else tells of it beside records.

        What cameras hold stays noted, by number alone, until they have deleted it.
        """

        def job(connection: sqlite3.Connection) -> None:
            with secure_deletion(connection):
                remove_person(connection, pid)
                connection.execute(_FORGET_UNKNOWN, (pid,))
                forget_person(connection, pid)

        await self._writer.write(job)

    async def named(self, name: str) -> list[str]:
        """Return the pids of those with exactly this name, case ignored."""
        return await self._readers.read(lambda c: pids_named(c, name))

    async def raise_revisions_of_numbers(self) -> None:
        """Give everybody with an ID or IC card number a new revision, so that cameras get them."""
        pids = await self._readers.read(lambda c: [pid for (pid,) in c.execute(_RAISE_NUMBERS)])
        for start in range(0, len(pids), 500):
            await self._writer.write(partial(_raise_revisions, pids[start : start + 500]))

    def _put(
        self, connection: sqlite3.Connection, put: PersonPut, by: str, at: int, room: int
    ) -> tuple[Person, bool]:
        """Store one person; return it, and whether it is new. Refuses before it writes."""
        known = None if put.pid is None else load_person(connection, put.pid, self._damaged)
        if known is None and put.expected == "known":
            raise Missing("person", pid=put.pid)
        if known is not None and put.expected == "new":
            raise AlreadyExists(f"there is a person {put.pid} already", field="pid")
        if known is None and room < 1:
            raise BadParameter(f"the register holds at most {MAX_PEOPLE} people")
        if known is None and not put.change.name:
            raise BadParameter("is required", field="name")
        groups = () if put.change.groups is UNSET else put.change.groups
        if missing := unknown_groups(connection, groups):
            raise BadParameter(f"no group {min(missing)}", field="groups")
        before = known or empty_person(put.pid or assign_pid(connection), at)
        person = _changed(before, put.change)
        photo = put.change.photo
        has_new_photo = photo is not UNSET and load_photo(connection, person.pid) != photo
        if person == known and not has_new_photo:
            return known, False
        if known is None or has_new_photo or _sent(person) != _sent(before):
            person = replace(person, revision=next_revision(connection))
        person = replace(person, changed_at=at, changed_by=by)
        save_person(connection, person)
        if known is None:
            note_known(connection, person.pid)
        if has_new_photo:
            save_photo(connection, person.pid, photo or None)
        return person, known is None


def raised(found: Person | HubError) -> Person:
    """Return a stored person, or raise what refused it."""
    if isinstance(found, HubError):
        raise found
    return found


def _changed(person: Person, change: PersonChange) -> Person:
    wanted = {k: v for k, v in msgspec.structs.asdict(change).items() if v is not UNSET}
    photo = wanted.pop("photo", UNSET)
    if photo is not UNSET:
        wanted["has_photo"] = photo is not None
    if wanted.get("age") is not None:
        wanted["birth_year"] = None
    elif wanted.get("birth_year") is not None:
        wanted["age"] = None
    if "groups" in wanted:
        wanted["groups"] = tuple(sorted(set(wanted["groups"])))
        wanted.setdefault("everywhere", not wanted["groups"])
    return replace(person, **wanted)


def _sent(person: Person) -> tuple[object, ...]:
    return tuple(getattr(person, name) for name in _SENT)


def _raise_revisions(pids: Sequence[str], connection: sqlite3.Connection) -> None:
    for pid in pids:
        connection.execute(_SET_REVISION, (next_revision(connection), pid))


def _where(
    matching: PersonFilter, at: Reading, after: str | None = None
) -> tuple[str, dict[str, object]]:
    """Return the WHERE clause for a filter at a time, and its values."""
    conditions: list[str] = []
    values: dict[str, object] = {"earliest": at.earliest, "latest": at.latest}
    if q := fold_text(matching.q).strip():
        numbers = ("folded", "id_card_no", "ic_card_no", "phone")
        places = numbers if matching.sees_numbers else numbers[:1]
        conditions.append(f"({' OR '.join(f'instr({_lower(c)}, :q) > 0' for c in places)})")
        values["q"] = q
    if matching.category is not None:
        conditions.append("category = :category")
        values["category"] = matching.category
    if matching.group is not None:
        conditions.append("pid IN (SELECT pid FROM person_group WHERE camera_group = :group)")
        values["group"] = matching.group
    if matching.state is not None:
        conditions.append(_STATES[matching.state])
    if after is not None:
        conditions.append(f"{_ORDER} > :after")
        values["after"] = after.zfill(20)
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return where, values


def _lower(column: str) -> str:
    return column if column == "folded" else f"lower({column})"
