"""How each device is kept in step with the register, and the unknown people on it (D10)."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Literal

from msgspec import Struct

from hub.store.rows import TableRows, as_flag, as_json
from hub.store.sqlite.sql import one
from hub.store.tables.devices import check_camera
from hub.store.tables.table import MemoryTable
from hub.wire.times import Moment

#: new: not looked at yet. undecided: it holds unknown people, and nothing on it is changed until
#: somebody decides. alone: somebody decided to leave it alone.
PeopleState = Literal["new", "managed", "undecided", "alone"]

#: More unknown people of one device are not kept.
MAX_UNKNOWN = 20_000


class DevicePeople(Struct, frozen=True, kw_only=True):
    """How one device is kept in step. Times are UNIX milliseconds.

    `must_check`: it may have lost its people. `deletes_first`: whether it must be sent 1.15 before
    1.12 for a pid that it holds; None: not known yet. `versions`: when it was last looked at.
    `total`: how many people it said it holds; None if its list could not be read whole.
    """

    did: str
    state: PeopleState = "new"
    must_check: bool = True
    deletes_first: bool | None = None
    versions: str = ""
    total: int | None = None
    compared_at: Moment | None = None


class UnknownPerson(Struct, frozen=True):
    """A person on a device that the register does not have. `row`: JSON of its row of 1.13."""

    did: str
    pid: str
    row: str


_COUNT_UNKNOWN = "SELECT count(*) FROM unknown_person WHERE did = ?"
_UNKNOWN_PIDS = "SELECT pid FROM unknown_person WHERE did = ?"
_HAS_UNKNOWN = "SELECT EXISTS (SELECT 1 FROM unknown_person WHERE did = ?)"
_IS_UNKNOWN = "SELECT EXISTS (SELECT 1 FROM unknown_person WHERE did = ? AND pid = ?)"
#: Whoever is in the register, readable or not, or was put on the device by the hub, is not unknown.
_NOT_KNOWN = """
SELECT value FROM json_each(:pids) WHERE value NOT IN (SELECT pid FROM person)
    AND value NOT IN (SELECT pid FROM holding WHERE did = :did AND revision IS NOT 0)
"""
_PUT_UNKNOWN = "INSERT OR REPLACE INTO unknown_person (did, pid, row) VALUES (?, ?, ?)"
# A device at a time, by the primary key.
_UNKNOWN_IS_HELD = """
INSERT INTO holding (did, pid, revision, msg, attempts)
SELECT u.did, u.pid, -1, '', 0
FROM device d CROSS JOIN unknown_person u ON u.did = d.did AND u.pid = :pid
WHERE true ON CONFLICT (did, pid) DO UPDATE SET revision = -1, sent = NULL
"""
_DROP_UNKNOWN_PID = """
DELETE FROM unknown_person WHERE pid = :pid AND did IN (SELECT did FROM device)
"""
_DROP_UNKNOWN = "DELETE FROM unknown_person WHERE did = ? AND pid = ?"


def _as_flag_or_none(value: object) -> bool | None:
    return None if value is None else as_flag(value)


_rows = TableRows(
    "device_people",
    DevicePeople,
    key=("did",),
    decoders={"must_check": as_flag, "deletes_first": _as_flag_or_none},
)
_unknown_rows = TableRows(
    "unknown_person", UnknownPerson, key=("did", "pid"), decoders={"row": as_json}
)
#: By number, where they are numbers; longer ones come last.
_UNKNOWN_PAGE = f"""
{_unknown_rows.select} WHERE did = :did AND (length(pid), pid) > (length(:after), :after)
ORDER BY length(pid), pid
"""


def note_known(connection: sqlite3.Connection, pid: str) -> None:
    """Whoever is in the register from now on is unknown on no device.

    A device that holds the person holds it otherwise than the register says.
    """
    connection.execute(_UNKNOWN_IS_HELD, {"pid": pid})
    connection.execute(_DROP_UNKNOWN_PID, {"pid": pid})


class DevicePeopleTable(MemoryTable[str, DevicePeople]):
    """How all devices are kept in step, in memory; the unknown people in the database only.

    Changes are durable on return; those that name a SN raise NoSuchResource if the camera with it
    is not the device's any more.
    """

    key = attrgetter("did")
    queries = ((_rows, _rows.select), (_unknown_rows, _unknown_rows.select))

    def get(self, did: str) -> DevicePeople:
        return self._rows.get(did) or DevicePeople(did=did)

    async def save(self, row: DevicePeople, sn: str) -> None:
        def job(connection: sqlite3.Connection) -> None:
            check_camera(connection, row.did, sn)
            _rows.insert(connection, row, replacing=True)

        def committed(_: None) -> None:
            self._put(row)
            self._engine.device_marks.note(row.did)

        await self._writer.write(job, committed)

    def forget_device(self, did: str) -> None:
        self._rows.pop(did, None)
        self._engine.device_marks.note(did)

    def forget_camera(self, did: str) -> None:
        """Look at the device anew, as the database says after its camera was replaced."""
        if (row := self._rows.get(did)) is not None:
            state: PeopleState = "alone" if row.state == "alone" else "new"
            self._rows[did] = DevicePeople(did=did, state=state)
        self._engine.device_marks.note(did)

    # Unknown people

    async def unknown(self, did: str, *, after: str = "", limit: int) -> list[UnknownPerson]:
        """Return unknown people on the device, by pid as a number, behind `after`."""

        def job(connection: sqlite3.Connection) -> list[UnknownPerson]:
            found = connection.execute(_UNKNOWN_PAGE, {"did": did, "after": after})
            return _unknown_rows.take(found, limit, self._damaged)

        return await self._readers.read(job)

    async def count_unknown(self, did: str) -> int:
        return await self._readers.read(lambda c: int(str(one(c, _COUNT_UNKNOWN, (did,)))))

    async def has_unknown(self, did: str) -> bool:
        return await self._readers.read(lambda c: bool(one(c, _HAS_UNKNOWN, (did,))))

    async def is_unknown(self, did: str, pid: str) -> bool:
        """Return whether the device holds this person and the register does not."""
        return await self._readers.read(lambda c: bool(one(c, _IS_UNKNOWN, (did, pid))))

    async def unknown_pids(self, did: str) -> list[str]:
        return await self._readers.read(
            lambda c: [pid for (pid,) in c.execute(_UNKNOWN_PIDS, (did,))]
        )

    async def put_unknown(self, did: str, sn: str, people: Mapping[str, str]) -> list[str]:
        """Note people on the device, rows by pid, who are unknown; return the pids of those.

        Left out are those who are in the register by now, and whom the hub put there and is to
        remove. More than MAX_UNKNOWN are returned, but not noted.
        """
        values = {"did": did, "pids": json.dumps([*people])}

        def job(connection: sqlite3.Connection) -> list[str]:
            check_camera(connection, did, sn)
            unknown = [pid for (pid,) in connection.execute(_NOT_KNOWN, values)]
            room = MAX_UNKNOWN - int(str(one(connection, _COUNT_UNKNOWN, (did,))))
            rows = [(did, pid, people[pid]) for pid in unknown]
            connection.executemany(_PUT_UNKNOWN, rows[: max(0, room)])
            return unknown

        return await self._writer.write(job, lambda _: self._engine.device_marks.note(did))

    async def drop_unknown(self, did: str, pids: Sequence[str]) -> None:
        """Note that these are on the device no more, or that the register has them now."""
        rows = [(did, pid) for pid in pids]
        await self._writer.write(
            lambda c: c.executemany(_DROP_UNKNOWN, rows),
            lambda _: self._engine.device_marks.note(did),
        )
