"""The settings that devices last accepted, for settings that devices cannot be asked for."""

from __future__ import annotations

import sqlite3
from operator import attrgetter
from typing import Literal

from msgspec import Struct

from hub.store.rows import TableRows, as_json
from hub.store.tables.devices import check_camera
from hub.store.tables.table import KeyedTable
from hub.wire.times import Moment

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


_rows = TableRows(
    "device_setting",
    DeviceSetting,
    key=("did", "name"),
    decoders={"taken": lambda text: None if text is None else as_json(text)},
)
_SAVE = f"""
INSERT INTO device_setting ({_rows.names}) VALUES ({_rows.marks})
ON CONFLICT (did, name) DO UPDATE SET
    taken = coalesce(excluded.taken, taken),
    taken_at = coalesce(excluded.taken_at, taken_at),
    uri = coalesce(excluded.uri, uri),
    code = excluded.code,
    msg = excluded.msg,
    answered_at = excluded.answered_at
RETURNING {_rows.names}
"""


class DeviceSettingTable(KeyedTable[tuple[str, SettingName], DeviceSetting]):
    """All settings of devices, in memory. Changes are durable on return."""

    key = attrgetter("did", "name")
    queries = ((_rows, _rows.select),)

    def get(self, did: str, name: SettingName) -> DeviceSetting | None:
        return self._rows.get((did, name))

    async def save(self, setting: DeviceSetting, sn: str) -> None:
        """Save the answer of the camera with this SN. Fields that are None keep their old value.

        Raises NoSuchResource if the device's camera was replaced meanwhile.
        """

        def job(connection: sqlite3.Connection) -> DeviceSetting:
            check_camera(connection, setting.did, sn)
            saved = connection.execute(_SAVE, _rows.values(setting)).fetchone()
            return _rows.read(saved, self._damaged) or setting

        await self._writer.write(job, self._put)

    def forget_camera(self, did: str) -> None:
        self._drop([key for key in self._rows if key[0] == did])
