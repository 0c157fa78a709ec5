"""Groups of cameras, such as "Gate": a person can be on the cameras of some groups only (D10)."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from hub.errors import AlreadyExists, BadParameter, Missing, existing
from hub.store.people.person_rows import fold_text
from hub.store.rows import TableRows
from hub.store.sqlite.sql import one
from hub.store.tables.table import MemoryTable, RowSource

MAX_GROUPS = 200

_ADD = "INSERT INTO camera_group (name) VALUES (?)"
_RENAME = "UPDATE camera_group SET name = ? WHERE id = ?"
_REMOVE = "DELETE FROM camera_group WHERE id = ?"
_HAS_DEVICE = "SELECT 1 FROM device WHERE did = ?"
_CLEAR = "DELETE FROM camera_group_device WHERE camera_group = ?"
_ADD_DEVICE = "INSERT INTO camera_group_device (camera_group, did) VALUES (?, ?)"


class CameraGroup(Struct, frozen=True, kw_only=True):
    """A group, and the dids of its cameras in the order of their numbers."""

    id: int
    name: str
    dids: tuple[str, ...] = ()


class _GroupDevice(Struct, frozen=True):
    camera_group: int
    did: str


_rows = TableRows("camera_group", CameraGroup, without=("dids",))
_devices = TableRows("camera_group_device", _GroupDevice, key=("camera_group", "did"))
_DEVICES = f"{_devices.select} ORDER BY length(did), did"


class CameraGroupTable(MemoryTable[int, CameraGroup]):
    """All groups, in memory. Changes are durable on return; they raise CannotStoreNow."""

    queries = ((_rows, f"{_rows.select} ORDER BY id"),)

    @classmethod
    def load(cls, source: RowSource) -> list[CameraGroup]:
        dids: dict[int, list[str]] = {}
        for one_device in _devices.read_all(source.connection.execute(_DEVICES), source.damaged):
            dids.setdefault(one_device.camera_group, []).append(one_device.did)
        found = super().load(source)
        return [replace(group, dids=tuple(dids.get(group.id, ()))) for group in found]

    def all(self) -> tuple[CameraGroup, ...]:
        """Return the groups by name."""
        return tuple(sorted(self._rows.values(), key=lambda one: (fold_text(one.name), one.id)))

    def get(self, id: int) -> CameraGroup:
        """Return a group. Raises NoSuchResource."""
        return existing(self._rows.get(id), "group", id=id)

    def of_device(self, did: str) -> tuple[CameraGroup, ...]:
        """Return the groups that a camera is in, by name."""
        return tuple(group for group in self.all() if did in group.dids)

    async def add(self, name: str, dids: Collection[str]) -> CameraGroup:
        """Add a group. Raises AlreadyExists, BadParameter for a did that there is not."""

        def job(connection: sqlite3.Connection) -> CameraGroup:
            known = self._load(connection)
            if len(known) >= MAX_GROUPS:
                raise BadParameter(f"there are at most {MAX_GROUPS} groups")
            _check_name(name, known)
            id = connection.execute(_ADD, (name,)).lastrowid or 0
            return CameraGroup(id=id, name=name, dids=_put_devices(connection, id, dids))

        return await self._writer.write(job, self._put)

    async def change(
        self,
        id: int,
        name: str | UnsetType = UNSET,
        dids: Collection[str] | UnsetType = UNSET,
    ) -> CameraGroup:
        """Rename a group, or give it other cameras.

        Raises NoSuchResource, AlreadyExists, BadParameter for a did that there is not.
        """

        def job(connection: sqlite3.Connection) -> CameraGroup:
            known = {group.id: group for group in self._load(connection)}
            group = existing(known.get(id), "group", id=id)
            if name is not UNSET:
                _check_name(name, [one for one in known.values() if one.id != id])
                connection.execute(_RENAME, (name, id))
                group = replace(group, name=name)
            if dids is not UNSET:
                group = replace(group, dids=_put_devices(connection, id, dids))
            return group

        return await self._writer.write(job, self._put)

    async def remove(self, id: int) -> None:
        """Remove a group; its cameras and its people stay. Raises NoSuchResource."""
        self.get(id)
        await self._remove_one(id, _REMOVE, Missing("group", id=id))

    def forget_device(self, did: str) -> None:
        for group in tuple(self._rows.values()):
            if did in group.dids:
                self._put(replace(group, dids=tuple(one for one in group.dids if one != did)))


def _check_name(name: str, others: Iterable[CameraGroup]) -> None:
    if any(fold_text(group.name) == fold_text(name) for group in others):
        raise AlreadyExists(f"there is a group {name} already", field="name")


def _put_devices(connection: sqlite3.Connection, id: int, dids: Collection[str]) -> tuple[str, ...]:
    """Replace the cameras of a group; return them in order. Raises BadParameter."""
    wanted = tuple(sorted(set(dids), key=lambda did: (len(did), did)))
    for did in wanted:
        if one(connection, _HAS_DEVICE, (did,)) is None:
            raise BadParameter(f"no device {did}", field="dids")
    connection.execute(_CLEAR, (id,))
    connection.executemany(_ADD_DEVICE, [(id, did) for did in wanted])
    return wanted
