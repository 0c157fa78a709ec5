"""How devices took what was set on them last (1.5, 1.6): they cannot be asked for it."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import astuple

from hub.store.commit.group_commit import GroupCommit
from hub.store.tables.devices import check_camera

SettingName = Literal["face", "recording"]


class DeviceSetting(Struct, frozen=True, kw_only=True):
    """A device's last answer to one of the settings, and what it took last.

    `taken`: that param as JSON, None where it never took one. `uri`: the one that this device
    knows; 1.5 has two. Times in milliseconds.
    """

    did: str
    name: SettingName
    taken: str | None
    taken_at: int | None
    uri: str | None
    code: int
    msg: str
    answered_at: int


_COLUMNS = ", ".join(DeviceSetting.__struct_fields__)
_ALL = f"SELECT {_COLUMNS} FROM device_setting"
_NOTE = f"""
INSERT INTO device_setting ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (did, name) DO UPDATE SET
    taken = coalesce(excluded.taken, taken),
    taken_at = coalesce(excluded.taken_at, taken_at),
    uri = coalesce(excluded.uri, uri),
    code = excluded.code,
    msg = excluded.msg,
    answered_at = excluded.answered_at
RETURNING {_COLUMNS}
"""


def load_device_settings(connection: sqlite3.Connection) -> list[DeviceSetting]:
    return [_setting(row) for row in connection.execute(_ALL)]


class DeviceSettingTable:
    """All of them in memory; changes are durable on return."""

    def __init__(self, writer: GroupCommit, settings: Sequence[DeviceSetting]) -> None:
        self._writer = writer
        self._settings = {(setting.did, setting.name): setting for setting in settings}

    def get(self, did: str, name: SettingName) -> DeviceSetting | None:
        return self._settings.get((did, name))

    async def note(self, setting: DeviceSetting, sn: str) -> None:
        """Keep the answer of the camera with this SN; of what is None, what was known before.

        NoSuchResource where it is not the device's any more.
        """

        def job(connection: sqlite3.Connection) -> DeviceSetting:
            check_camera(connection, setting.did, sn)
            return _setting(connection.execute(_NOTE, astuple(setting)).fetchone())

        def noted(setting: DeviceSetting) -> None:
            self._settings[setting.did, setting.name] = setting

        await self._writer.write(job, noted)

    def forget_device(self, did: str) -> None:
        """The rows are gone with the device, or with the camera: memory follows."""
        for key in [key for key in self._settings if key[0] == did]:
            del self._settings[key]


def _setting(row: tuple[Any, ...]) -> DeviceSetting:
    return DeviceSetting(**dict(zip(DeviceSetting.__struct_fields__, row, strict=True)))
