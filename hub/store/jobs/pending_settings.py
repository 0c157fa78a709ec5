"""Settings that devices get when they come: at most one of each name for a device."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec
from msgspec import Struct
from msgspec.structs import asdict, replace

from hub.decoders import decode_json
from hub.store.jobs.jobs import ItemState, JobItem, note_item
from hub.store.rows import TableRows, as_json
from hub.store.tables.device_settings import SettingName
from hub.store.tables.table import Engine, RowSource, Table
from hub.wire.commands.params import merge_changes
from hub.wire.times import Moment

_COLUMNS = "did, name, param, job, position, wished_by, wished_at"
_ALL = f"SELECT {_COLUMNS} FROM device_wish"
_OF_DEVICE = f"{_ALL} WHERE did = ? ORDER BY name"
_DIDS = "SELECT DISTINCT did FROM device_wish"
#: A device that was removed meanwhile gets nothing.
_PUT = f"""
INSERT OR REPLACE INTO device_wish ({_COLUMNS})
SELECT :did, :name, :param, :job, :position, :asked_by, :asked_at
WHERE EXISTS (SELECT 1 FROM device WHERE did = :did)
"""
_ONE = f"{_ALL} WHERE did = ? AND name = ?"
_REMOVE = "DELETE FROM device_wish WHERE did = ? AND name = ?"
_REMOVE_OF_JOB = "DELETE FROM device_wish WHERE job = ?"
_END_JOB = "UPDATE job SET state = 'cancelled', ended_at = ? WHERE id = ? AND state = 'running'"
_CANCEL_ITEMS = """
UPDATE job_item SET state = iif(state = 'running', 'interrupted', 'cancelled')
WHERE job = ? AND state IN ('waiting', 'running')
"""
#: Items whose pending setting went with its device.
_LOST_ITEMS = """
SELECT job, position, iif(json_valid(detail), json_set(detail, '$.msg', ?), 'null')
FROM job_item JOIN job ON job.id = job_item.job
WHERE job.kind = 'settings' AND job.state = 'running'
    AND job_item.state IN ('waiting', 'running')
    AND NOT EXISTS (SELECT 1 FROM device_wish
        WHERE device_wish.job = job_item.job AND device_wish.position = job_item.position)
"""


class PendingSetting(Struct, frozen=True, kw_only=True):
    """A setting that a device gets when it comes. `asked_at`: UNIX milliseconds.

    `param`: the fields that change, as JSON. `job`, `position`: the item that tells of it, None if
    the job is gone.
    """

    did: str
    name: SettingName
    param: str
    job: int | None
    position: int | None
    asked_by: str
    asked_at: Moment


_rows = TableRows(
    "device_wish",
    PendingSetting,
    key=("did", "name"),
    decoders={"param": as_json},
)


class PendingSettingTable(Table[set[str]]):
    """Pending settings by device. Changes are durable on return."""

    queries = ((_rows, _ALL),)

    def __init__(self, engine: Engine, loaded: set[str]) -> None:
        super().__init__(engine, loaded)
        #: The devices for which settings are pending.
        self.dids = loaded

    @classmethod
    def load(cls, source: RowSource) -> set[str]:
        return {did for (did,) in source.connection.execute(_DIDS)}

    async def of_device(self, did: str) -> list[PendingSetting]:
        """Return the pending settings of a device."""
        rows = await self._readers.read(lambda c: c.execute(_OF_DEVICE, (did,)).fetchall())
        return _rows.read_all(rows, self._damaged)

    async def put(self, settings: Sequence[PendingSetting]) -> None:
        """Note settings, together with what earlier ones change and they do not.

        The items of the earlier ones are cancelled, and name the job of the later one.
        """

        def committed(dids: set[str]) -> None:
            self._took(dids)

        def job(connection: sqlite3.Connection) -> set[str]:
            for setting in settings:
                earlier = self._current(connection, setting)
                if earlier is not None:
                    setting = _joined(earlier, setting)
                connection.execute(_PUT, asdict(setting))
                if earlier is not None:
                    detail = msgspec.json.encode(
                        {"did": setting.did, "later_job": setting.job}
                    ).decode()
                    _note(connection, earlier, "cancelled", detail, setting.asked_at)
            return self._load(connection)

        await self._writer.write(job, committed)

    async def note(
        self, setting: PendingSetting, state: ItemState, detail: object, at: int
    ) -> bool:
        """Note how far a setting is, in its item; done or failed, it is not pending any longer.

        Returns False if it was replaced or withdrawn meanwhile.
        """
        text = msgspec.json.encode(detail).decode()

        def job(connection: sqlite3.Connection) -> tuple[bool, set[str]]:
            found = self._current(connection, setting)
            # The job may be gone, which changes the row.
            is_current = found is not None and (found.asked_at, found.param) == (
                setting.asked_at,
                setting.param,
            )
            if is_current:
                if state not in ("waiting", "running"):
                    connection.execute(_REMOVE, (setting.did, setting.name))
                _note(connection, setting, state, text, at)
            return is_current, self._load(connection)

        is_current, _ = await self._writer.write(job, lambda found: self._took(found[1]))
        return is_current

    async def withdraw(self, job_id: int, at: int) -> None:
        """Remove the pending settings of a job, which is then cancelled."""

        def job(connection: sqlite3.Connection) -> set[str]:
            connection.execute(_REMOVE_OF_JOB, (job_id,))
            connection.execute(_CANCEL_ITEMS, (job_id,))
            connection.execute(_END_JOB, (at, job_id))
            return self._load(connection)

        await self._writer.write(job, self._took)

    async def settle(self, msg: str, at: int) -> list[int]:
        """Note the items whose setting went with its device as failed; return their jobs."""

        def job(connection: sqlite3.Connection) -> list[int]:
            lost = connection.execute(_LOST_ITEMS, (msg,)).fetchall()
            for id, position, detail in lost:
                note_item(connection, id, JobItem(position, "failed", detail), at)
            return [id for id, _, _ in lost]

        return await self._writer.write(job)

    def forget_device(self, did: str) -> None:
        self.dids.discard(did)

    def _current(
        self, connection: sqlite3.Connection, setting: PendingSetting
    ) -> PendingSetting | None:
        row = connection.execute(_ONE, (setting.did, setting.name)).fetchone()
        return None if row is None else _rows.read(row, self._damaged)

    def _took(self, dids: set[str]) -> None:
        self.dids = dids


def _joined(earlier: PendingSetting, later: PendingSetting) -> PendingSetting:
    """The later setting, with the fields that only the earlier one changes."""
    fields, changes = (decode_json(setting.param, dict) for setting in (earlier, later))
    return replace(later, param=msgspec.json.encode(merge_changes(fields, changes)).decode())


def _note(
    connection: sqlite3.Connection, setting: PendingSetting, state: ItemState, detail: str, at: int
) -> None:
    if setting.job is not None and setting.position is not None:
        note_item(connection, setting.job, JobItem(setting.position, state, detail), at)
