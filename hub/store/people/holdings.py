"""What devices are known to hold of the site's people, beside what they should hold (D10).

The difference is a query: nothing of it is kept in memory, and there is no list of work that could
be out of step with it. `revision` of a holding: see `Known`.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Literal

from msgspec import Struct

from hub.clock_reading import Reading
from hub.store.people.person_fields import SentFacts
from hub.store.people.person_rows import BY_NUMBER, IS_VALID
from hub.store.rows import Size, TableRows
from hub.store.tables.devices import check_camera
from hub.store.tables.table import Table
from hub.wire.times import Moment

SyncState = Literal["pending", "done", "failed"]

#: What is known of one person on one device: the revision that it took, or one of these.
Known = int | None
ABSENT = 0
#: It has the person, but not as sent last.
OTHER = -1
#: The `failed_revision` of somebody whose removal was refused.
REMOVAL = 0

#: Whether person `p` should be on a device.
_SHOULD = """
p.has_photo = 1 AND {is_valid}
AND (p.everywhere OR EXISTS (
    SELECT 1 FROM person_group pg JOIN camera_group_device cd ON cd.camera_group = pg.camera_group
    WHERE pg.pid = p.pid AND cd.did = {did}
))
"""
_IS_HELD = "coalesce(h.revision, 0) <> 0"
_IS_WANTED = _SHOULD.format(did=":did", is_valid=IS_VALID.format(p="p", stays=_IS_HELD))
_IS_WANTED_THERE = _SHOULD.format(did="d.did", is_valid=IS_VALID.format(p="p", stays=_IS_HELD))
#: It may be that it should: also if it is not known whether the device holds the person.
_MAY_BE_WANTED = _SHOULD.format(did=":did", is_valid=IS_VALID.format(p="p", stays="1"))

_IS_OPEN = """
(h.pid IS NULL OR h.revision IS NOT p.revision)
AND (h.failed_revision IS NULL OR h.failed_revision <> p.revision)
AND (h.due_at IS NULL OR h.due_at <= :due)
"""
_PUT_COLUMNS = """
p.pid, p.revision, CASE WHEN h.pid IS NULL THEN 0 ELSE h.revision END, h.sent,
coalesce(h.attempts, 0)
"""
_BLACKLIST = f"""
SELECT {_PUT_COLUMNS} FROM person p LEFT JOIN holding h ON h.did = :did AND h.pid = p.pid
WHERE p.category = 2 AND {_IS_OPEN} AND {_IS_WANTED}
ORDER BY p.revision LIMIT :limit
"""
_DUE = f"""
SELECT {_PUT_COLUMNS} FROM holding h JOIN person p ON p.pid = h.pid
WHERE h.did = :did AND h.due_at <= :due AND p.category <> 2 AND {_IS_OPEN} AND {_IS_WANTED}
ORDER BY p.revision LIMIT :limit
"""
_THESE = f"""
SELECT {_PUT_COLUMNS} FROM person p LEFT JOIN holding h ON h.did = :did AND h.pid = p.pid
WHERE p.pid IN (SELECT value FROM json_each(:pids)) AND p.revision <= :after
    AND p.category <> 2 AND {_IS_OPEN} AND {_IS_WANTED}
ORDER BY p.revision LIMIT :limit
"""
_CHANGED = f"""
SELECT {_PUT_COLUMNS} FROM person p LEFT JOIN holding h ON h.did = :did AND h.pid = p.pid
WHERE p.revision > :after AND p.category <> 2 AND {_IS_OPEN} AND {_IS_WANTED}
ORDER BY p.revision LIMIT :limit
"""
_REMOVED = f"""
SELECT h.pid, 0, h.revision, NULL, h.attempts
FROM holding h LEFT JOIN person p ON p.pid = h.pid
WHERE h.did = :did AND {{which}} AND h.revision IS NOT 0 AND h.failed_revision IS NOT 0
    AND (h.due_at IS NULL OR h.due_at <= :due)
    AND (p.pid IS NULL OR NOT ({_MAY_BE_WANTED}))
ORDER BY h.pid LIMIT :limit
"""
_ALL_REMOVED = _REMOVED.format(which="1")
_DUE_REMOVED = _REMOVED.format(which="h.due_at <= :due")
_THESE_REMOVED = _REMOVED.format(which="h.pid IN (SELECT value FROM json_each(:pids))")
_NEWEST = "SELECT coalesce(max(revision), 0) FROM person"
_NEXT_DUE = "SELECT min(due_at) FROM holding WHERE did = ? AND due_at IS NOT NULL"

_MARK = """
INSERT INTO holding (did, pid, revision, sent, msg, attempts) VALUES (?, ?, NULL, ?, '', 0)
ON CONFLICT (did, pid) DO UPDATE SET revision = NULL, sent = excluded.sent
"""
_NOTE = """
INSERT OR REPLACE INTO holding
    (did, pid, revision, sent, failed_revision, code, msg, attempts, due_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_FORGET = "DELETE FROM holding WHERE did = ? AND pid = ?"
_DISTURB = """
UPDATE holding SET revision = NULL, sent = NULL, due_at = NULL, attempts = 0
WHERE did = ? AND pid = ?
"""
_DISTURB_PERSON = """
INSERT INTO holding (did, pid, revision, msg, attempts)
SELECT ?, pid, NULL, '', 0 FROM person WHERE pid = ?
ON CONFLICT (did, pid) DO UPDATE
SET revision = NULL, sent = NULL, due_at = NULL, attempts = 0
"""
_RETRY = """
UPDATE holding SET failed_revision = NULL, attempts = 0, due_at = NULL
WHERE (failed_revision IS NOT NULL OR due_at IS NOT NULL) {which}
"""
_RESUME = """
UPDATE holding SET attempts = 0, due_at = NULL WHERE did = ? AND due_at IS NOT NULL
"""

_SENT = ", ".join(f"p.{name}" for name in SentFacts.__struct_fields__)
_TO_SEND = f"""
SELECT {_SENT}, p.revision, j.jpeg
FROM person p LEFT JOIN person_photo j ON j.pid = p.pid WHERE p.pid = ?
"""
_COMPARED = f"""
SELECT {_SENT}, p.revision, NULL,
    CASE WHEN h.pid IS NULL THEN 0 ELSE h.revision END, {_IS_WANTED}
FROM person p LEFT JOIN holding h ON h.did = :did AND h.pid = p.pid
WHERE p.pid IN (SELECT value FROM json_each(:pids))
"""
_FOUND_OTHER = """
INSERT INTO holding (did, pid, revision, msg, attempts) VALUES (?, ?, -1, '', 0)
ON CONFLICT (did, pid) DO UPDATE SET revision = -1, sent = NULL
"""
_HELD = "SELECT pid FROM holding WHERE did = ? AND revision IS NOT 0"
_LOST = "UPDATE holding SET revision = 0, sent = NULL WHERE did = ? AND pid = ?"
_DOUBT = """
UPDATE holding SET revision = iif(revision > 0, -1, revision), sent = NULL
WHERE revision > 0 OR sent IS NOT NULL
"""
_DOUBT_LISTS = "UPDATE device_people SET must_check = 1"

_WANTED_NUMBERS = f"""
SELECT count(*), count(h.pid) FILTER (WHERE h.revision IS NOT 0),
    count(*) FILTER (WHERE h.revision = p.revision),
    count(*) FILTER (WHERE h.failed_revision = p.revision AND h.revision IS NOT p.revision)
FROM person p LEFT JOIN holding h ON h.did = :did AND h.pid = p.pid
WHERE {_IS_WANTED}
"""
_HELD_NUMBERS = """
SELECT count(*) FILTER (WHERE revision <> 0), count(*) FILTER (WHERE revision IS NULL),
    count(*) FILTER (WHERE revision IS NOT 0 AND failed_revision = 0)
FROM holding WHERE did = ?
"""
_STATE = """
CASE WHEN h.revision = p.revision THEN 'done'
    WHEN h.failed_revision = p.revision THEN 'failed' ELSE 'pending' END
"""
_ROWS = f"""
SELECT p.pid, p.name, p.category, {_STATE} AS state, 1, h.code, coalesce(h.msg, '')
FROM person p LEFT JOIN holding h ON h.did = :did AND h.pid = p.pid
WHERE {BY_NUMBER.format(pid="p.pid")} > :after AND {_IS_WANTED}
    AND (:state = '' OR {_STATE} = :state)
ORDER BY {BY_NUMBER.format(pid="p.pid")} LIMIT :limit
"""
_REMOVED_STATE = "CASE WHEN h.failed_revision = 0 THEN 'failed' ELSE 'pending' END"
_REMOVED_ROWS = f"""
SELECT h.pid, coalesce(p.name, ''), coalesce(p.category, 0), {_REMOVED_STATE} AS state, 0, h.code,
    h.msg
FROM holding h LEFT JOIN person p ON p.pid = h.pid
WHERE h.did = :did AND {BY_NUMBER.format(pid="h.pid")} > :after AND h.revision IS NOT 0
    AND (p.pid IS NULL OR NOT ({_IS_WANTED})) AND (:state = '' OR {_REMOVED_STATE} = :state)
ORDER BY {BY_NUMBER.format(pid="h.pid")} LIMIT :limit
"""
_OF_PERSON = f"""
SELECT d.did, coalesce(s.state, 'new'), CASE
    WHEN p.pid IS NULL OR NOT ({_IS_WANTED_THERE}) THEN {_REMOVED_STATE} ELSE {_STATE} END,
    p.pid IS NOT NULL AND ({_IS_WANTED_THERE}), h.code, coalesce(h.msg, '')
FROM device d LEFT JOIN device_people s ON s.did = d.did
LEFT JOIN holding h ON h.did = d.did AND h.pid = :pid LEFT JOIN person p ON p.pid = :pid
WHERE (p.pid IS NOT NULL AND ({_IS_WANTED_THERE})) OR (h.pid IS NOT NULL AND h.revision IS NOT 0)
ORDER BY length(d.did), d.did
"""
_HOLDERS = """
WITH asked(pid) AS (SELECT value FROM json_each(?))
SELECT d.did FROM device d CROSS JOIN holding h ON h.did = d.did AND h.pid IN asked
WHERE h.revision IS NOT 0
UNION
SELECT d.did FROM device d CROSS JOIN unknown_person u ON u.did = d.did AND u.pid IN asked
"""
_VALIDITY_ENDS = """
SELECT count(*) FROM person
WHERE (valid_from > :after AND valid_from <= :until)
    OR (valid_until > :after AND valid_until <= :until)
"""


class SyncItem(Struct, frozen=True):
    """One person to put on a device, or to remove from it.

    `revision`: of the person; 0 to remove. `sent`: if it is not known what the device holds, the
    revision that was sent when it held nothing. `attempts`: in vain since the last success.
    """

    pid: str
    revision: int
    known: Known
    sent: int | None
    attempts: int


class SyncBatch(Struct, frozen=True):
    """The next items in the order of D10. `after`: go on behind this revision.

    `is_complete`: none of those in `changed` was left out.
    """

    items: tuple[SyncItem, ...]
    after: int
    is_complete: bool


class ItemResult(Struct, frozen=True, kw_only=True):
    """What is known of one person on a device after a try; fields as the columns of `holding`."""

    pid: str
    revision: Known
    sent: int | None = None
    failed_revision: int | None = None
    code: int | None = None
    msg: str = ""
    attempts: int = 0
    due_at: int | None = None


class StoredHolding(Struct, frozen=True, kw_only=True):
    """A row of `holding`, as the doctor decodes it."""

    did: str
    pid: str
    revision: int | None
    sent: int | None
    failed_revision: int | None
    code: int | None
    msg: str
    attempts: Size
    due_at: Moment | None


class RegisterPerson(SentFacts, frozen=True, kw_only=True):
    """A person of the register with what devices are given (1.12). `jpeg`: the photo, if any."""

    revision: int
    jpeg: bytes | None


class ComparedPerson(Struct, frozen=True):
    """A person that a device listed: as in the register, and as the holding says."""

    person: RegisterPerson
    known: Known
    is_wanted: bool


class SyncNumbers(Struct, frozen=True):
    """How many people a device should hold and is known to hold, and how far it is."""

    should: int
    held: int
    pending: int
    failed: int
    unsure: int


class PersonRow(Struct, frozen=True):
    """One person on one device. `is_wanted`: or else to be removed."""

    pid: str
    name: str
    category: int
    state: SyncState
    is_wanted: bool
    code: int | None
    msg: str


class DeviceRow(Struct, frozen=True):
    """One device of one person. `device_state`: of its people, see `DevicePeople`."""

    did: str
    device_state: str
    state: SyncState
    is_wanted: bool
    code: int | None
    msg: str


_register = TableRows("person", RegisterPerson, key=("pid",))
_holdings = TableRows("holding", StoredHolding, key=("did", "pid"))


def doubt_holdings(connection: sqlite3.Connection) -> None:
    """Note that the database is older than what cameras were given.

    They may hold other states of people, under revisions that are given again, and may lack some
    or have others: everybody is sent again, photos too, and each camera's list is read.
    """
    connection.execute(_DOUBT)
    connection.execute(_DOUBT_LISTS)


class HoldingTable(Table[None]):
    """The holdings of all devices, in the database only. Changes are durable on return.

    Changes raise NoSuchResource if the camera with this SN is not the device's any more. `due` and
    `due_at` are milliseconds of the expiry clock: the wall clock may be set.
    """

    queries = ((_holdings, f"SELECT {', '.join(StoredHolding.__struct_fields__)} FROM holding"),)

    async def _write(self, did: str | None, job: Callable[[sqlite3.Connection], object]) -> None:
        """Change what is known of a device, or of all."""
        await self._writer.write(job, lambda _: self._engine.device_marks.note(did))

    async def next(
        self,
        did: str,
        *,
        now: Reading,
        due: int,
        after: int,
        changed: Sequence[str] | None,
        limit: int,
    ) -> SyncBatch:
        """Return what to do next on a device: removals, blacklist, then the others by change.

        Everybody with a revision above `after` is looked at. Of the others, and for removals,
        those that are due at `due` and those in `changed`; None: all.
        """
        values = {
            **_at(did, now),
            "due": due,
            "after": after,
            "limit": limit,
            "pids": json.dumps(changed or ()),
        }
        return await self._readers.read(lambda c: _next(c, values, is_all=changed is None))

    async def next_due(self, did: str) -> int | None:
        """Return when the first of the postponed items of a device is due; None without any."""

        def job(connection: sqlite3.Connection) -> int | None:
            (due,) = connection.execute(_NEXT_DUE, (did,)).fetchone()
            return due if isinstance(due, int) else None

        return await self._readers.read(job)

    async def mark_sent(self, did: str, sn: str, items: Iterable[SyncItem]) -> None:
        """Note that it is not known what the device holds of these, before they are sent."""
        rows = [(did, item.pid, _sent(item)) for item in items]

        def job(connection: sqlite3.Connection) -> None:
            check_camera(connection, did, sn)
            connection.executemany(_MARK, rows)

        await self._write(did, job)

    async def note(self, did: str, sn: str, results: Sequence[ItemResult]) -> None:
        """Note what is known after tries."""
        rows, gone = [], []
        for r in results:
            if r.revision == ABSENT and r.failed_revision is None and r.due_at is None:
                gone.append((did, r.pid))
            else:
                tail = (r.failed_revision, r.code, r.msg, r.attempts, r.due_at)
                rows.append((did, r.pid, r.revision, r.sent, *tail))

        def job(connection: sqlite3.Connection) -> None:
            check_camera(connection, did, sn)
            connection.executemany(_NOTE, rows)
            connection.executemany(_FORGET, gone)

        await self._write(did, job)

    async def disturb(self, did: str, pid: str, *, is_added: bool) -> None:
        """Note that somebody else changes a person on the device: it is not known any more."""
        statement = _DISTURB_PERSON if is_added else _DISTURB
        await self._write(did, lambda c: c.execute(statement, (did, pid)))

    async def retry(self, did: str | None, pid: str | None) -> None:
        """Try again what failed or is postponed: on a device, of a person, both or all."""
        which = {"did": did, "pid": pid}
        given = {name: value for name, value in which.items() if value is not None}
        statement = _RETRY.format(which=" ".join(f"AND {name} = :{name}" for name in given))
        await self._write(did, lambda c: c.execute(statement, given))

    async def resume(self, did: str) -> None:
        """Make postponed items of a device due at once."""
        await self._write(did, lambda c: c.execute(_RESUME, (did,)))

    async def person(self, pid: str) -> RegisterPerson | None:
        """Return what devices are given of a person, with the photo."""

        def job(connection: sqlite3.Connection) -> RegisterPerson | None:
            row = connection.execute(_TO_SEND, (pid,)).fetchone()
            return None if row is None else _register.read(row, self._damaged)

        return await self._readers.read(job)

    async def listed(
        self, did: str, pids: Sequence[str], now: Reading
    ) -> dict[str, ComparedPerson]:
        """Return those of the pids that are in the register, without photos."""
        values = {**_at(did, now), "pids": json.dumps(pids)}

        def job(connection: sqlite3.Connection) -> dict[str, ComparedPerson]:
            found = {}
            for *row, known, wanted in connection.execute(_COMPARED, values):
                person = _register.read(row, self._damaged)
                if person is not None:
                    found[person.pid] = ComparedPerson(person, known, bool(wanted))
            return found

        return await self._readers.read(job)

    async def found_other(self, did: str, sn: str, pids: Sequence[str]) -> None:
        """Note people that the device holds otherwise than the register says."""

        def job(connection: sqlite3.Connection) -> None:
            check_camera(connection, did, sn)
            connection.executemany(_FOUND_OTHER, [(did, pid) for pid in pids])

        await self._write(did, job)

    async def held(self, did: str) -> list[str]:
        """Return the pids that the device holds or may hold."""
        return await self._readers.read(lambda c: [pid for (pid,) in c.execute(_HELD, (did,))])

    async def lost(self, did: str, sn: str, pids: Sequence[str]) -> None:
        """Note that the device does not hold these any more."""

        def job(connection: sqlite3.Connection) -> None:
            check_camera(connection, did, sn)
            connection.executemany(_LOST, [(did, pid) for pid in pids])

        await self._write(did, job)

    async def numbers(self, did: str, now: Reading) -> SyncNumbers:
        return await self._readers.read(lambda c: _numbers(c, _at(did, now)))

    async def rows(
        self, did: str, state: SyncState | None, *, now: Reading, after: str, limit: int
    ) -> list[PersonRow]:
        """Return the people that the device should hold or must lose, by pid as a number."""
        values = {
            **_at(did, now),
            "after": after.zfill(20),
            "limit": limit,
            "state": state or "",
        }

        def job(connection: sqlite3.Connection) -> list[PersonRow]:
            found = [*connection.execute(_ROWS, values), *connection.execute(_REMOVED_ROWS, values)]
            found.sort(key=lambda row: row[0].zfill(20))
            return [
                PersonRow(pid, name, category, state, bool(wanted), code, msg)
                for pid, name, category, state, wanted, code, msg in found[:limit]
            ]

        return await self._readers.read(job)

    async def of_person(self, pid: str, now: Reading) -> list[DeviceRow]:
        """Return the devices that should hold a person or must lose it."""

        def job(connection: sqlite3.Connection) -> list[DeviceRow]:
            found = connection.execute(_OF_PERSON, {**_at("", now), "pid": pid})
            return [
                DeviceRow(did, device_state, state, bool(wanted), code, msg)
                for did, device_state, state, wanted, code, msg in found
            ]

        return await self._readers.read(job)

    async def holders(self, pids: Collection[str]) -> list[str]:
        """Return the devices that may hold one of these people, in the register or unknown."""
        asked = json.dumps(list(pids))
        return await self._readers.read(lambda c: [did for (did,) in c.execute(_HOLDERS, (asked,))])

    async def validity_changed(self, before: Reading, now: Reading) -> bool:
        """Return whether anybody became valid or invalid, or nobody knows it any more, or again."""
        return bool(
            await self._count_ends(before.earliest, now.earliest)
            or await self._count_ends(before.latest, now.latest)
        )

    async def count_waiting(self, now: Reading) -> int:
        """Return of how many people nobody knows whether they are valid now."""
        return await self._count_ends(now.earliest, now.latest)

    async def _count_ends(self, one: int, other: int) -> int:
        """Return how many people become valid or invalid between two times."""
        values = {"after": min(one, other), "until": max(one, other)}
        if one == other:
            return 0
        return await self._readers.read(
            lambda c: int(c.execute(_VALIDITY_ENDS, values).fetchone()[0])
        )


def _at(did: str, now: Reading) -> dict[str, object]:
    return {"did": did, "earliest": now.earliest, "latest": now.latest}


def _sent(item: SyncItem) -> int | None:
    """What a later start needs to know: see `SyncItem.sent`."""
    if item.known == ABSENT:
        return item.revision
    return item.sent if item.known is None and item.sent == item.revision else None


def _next(connection: sqlite3.Connection, values: dict[str, object], *, is_all: bool) -> SyncBatch:
    # First: what changes meanwhile has a later revision.
    (newest,) = connection.execute(_NEWEST).fetchone()
    limit = int(str(values["limit"]))
    found: dict[str, SyncItem] = {}

    def take(statement: str) -> list[SyncItem]:
        items = [SyncItem(*row) for row in connection.execute(statement, values)]
        found.update((item.pid, item) for item in items)
        return items

    for statement in (_ALL_REMOVED,) if is_all else (_THESE_REMOVED, _DUE_REMOVED):
        take(statement)
    for statement in (_BLACKLIST, _DUE, _THESE):
        take(statement)
    is_complete = len(found) < limit  # or a statement may have found more
    after, changed = values["after"], take(_CHANGED)
    if len(found) <= limit:
        after = changed[-1].revision if len(changed) == limit else newest
    return SyncBatch(tuple(found.values())[:limit], int(str(after)), is_complete)


def _numbers(connection: sqlite3.Connection, values: dict[str, object]) -> SyncNumbers:
    should, wanted_held, done, failed = connection.execute(_WANTED_NUMBERS, values).fetchone()
    held, unsure, stuck = connection.execute(_HELD_NUMBERS, (values["did"],)).fetchone()
    to_remove = held + unsure - wanted_held
    stuck = min(stuck, to_remove)
    return SyncNumbers(
        should=should,
        held=held,
        pending=should - done - failed + to_remove - stuck,
        failed=failed + stuck,
        unsure=unsure,
    )
