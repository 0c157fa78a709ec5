"""The settings that devices last accepted, for settings that devices cannot be asked for."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec import Struct
from msgspec.structs import astuple

from hub.store.commit.group_commit import GroupCommit
from hub.store.rows import DamagedRows, Moment, RowReader, as_text
from hub.store.tables.devices import check_camera

SettingName = Literal["face", "recording", "adjust", "day_night"]


class DeviceSetting(Struct, frozen=True, kw_only=True):
    """A device's last answer to a setting, and the param that it last accepted.

    `taken`: the accepted param as JSON, None if none was ever accepted. `uri`: which uri of 1.5,
    which has two, this device knows. `code`, `msg`: its last answer. Times in UNIX milliseconds.
    """

    did: str
    name: SettingName
    taken: str | None
    taken_at: Moment | None
    uri: str | None
    code: int
    msg: str
    answered_at: Moment


_COLUMNS = ", ".join(DeviceSetting.__struct_fields__)
_ALL = f"SELECT {_COLUMNS} FROM device_setting"
_SAVE = f"""
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


def _as_param(value: object) -> str | None:
    """Decode the JSON of a param, which is kept as text. Raises an exception if it is none."""
    if value is None:
        return None
    text = as_text(value)
    msgspec.json.decode(text, type=dict[str, object])
    return text


_rows = RowReader(
    "device_setting",
    DeviceSetting,
    DeviceSetting.__struct_fields__,
    key=("did", "name"),
    decoders={"taken": _as_param},
)


def load_device_settings(
    connection: sqlite3.Connection, damaged: DamagedRows
) -> list[DeviceSetting]:
    return _rows.read_all(connection.execute(_ALL), damaged)


class DeviceSettingTable:
    """All settings of devices, in memory. Changes are durable on return."""

    def __init__(
        self, writer: GroupCommit, settings: Sequence[DeviceSetting], damaged: DamagedRows
    ) -> None:
        self._writer = writer
        self._damaged = damaged
        self._settings = {(setting.did, setting.name): setting for setting in settings}

    def get(self, did: str, name: SettingName) -> DeviceSetting | None:
        return self._settings.get((did, name))

    async def save(self, setting: DeviceSetting, sn: str) -> None:
        """Save the answer of the camera with this SN. Fields that are None keep their old value.

        Raises NoSuchResource if the device's camera was replaced meanwhile.
        """

        def job(connection: sqlite3.Connection) -> DeviceSetting:
            check_camera(connection, setting.did, sn)
            saved = connection.execute(_SAVE, astuple(setting)).fetchone()
            return _rows.read(saved, self._damaged) or setting

        def committed(setting: DeviceSetting) -> None:
            self._settings[setting.did, setting.name] = setting

        await self._writer.write(job, committed)

    def forget_device(self, did: str) -> None:
        """Remove the device's settings from memory, as the database did."""
        for key in [key for key in self._settings if key[0] == did]:
            del self._settings[key]
