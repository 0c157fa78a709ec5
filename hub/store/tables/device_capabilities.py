"""What is known of each device's firmware, part by part, and what administrators set (D12)."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import partial
from typing import Literal

from msgspec import Struct
from msgspec.structs import asdict

from hub.store.rows import TableRows
from hub.store.tables.devices import check_camera
from hub.store.tables.table import Engine, RowSource, Saving, Table
from hub.wire.times import Moment

#: What a part was learnt from; None if it was not.
CapabilitySource = Literal["connect", "get_info", "upload", "answer"]


class CapabilityRow(Struct, frozen=True, kw_only=True):
    """One part of what a device can do, as text; hub/services/devices/capabilities.py reads it.

    `learnt`: what the device has shown; `override`: an administrator's, which counts instead. One
    of them is given. `firmware`: for which it was learnt. `learnt_at`: UNIX milliseconds.
    """

    part: str
    learnt: str | None = None
    source: CapabilitySource | None = None
    firmware: str = ""
    learnt_at: Moment | None = None
    override: str | None = None


class _StoredRow(CapabilityRow, frozen=True, kw_only=True):
    did: str


_FORGET = "DELETE FROM device_capability WHERE did = ?"

_FIELDS = CapabilityRow.__struct_fields__

#: A part that cannot be read is not known, and learnt again.
_rows = TableRows("device_capability", _StoredRow, key=("did", "part"))
_PUT = f"INSERT INTO device_capability ({_rows.names}) VALUES ({_rows.marks})"
_ALL = f"{_rows.select} ORDER BY did, part"


class CapabilityTable(Table[dict[str, tuple[CapabilityRow, ...]]]):
    """What is known of all devices, in memory. Changes are durable on return."""

    queries = ((_rows, _ALL),)

    def __init__(self, engine: Engine, loaded: dict[str, tuple[CapabilityRow, ...]]) -> None:
        super().__init__(engine, loaded)
        self._rows = loaded

    @classmethod
    def load(cls, source: RowSource) -> dict[str, tuple[CapabilityRow, ...]]:
        """Read the rows of each device by its did."""
        found: dict[str, tuple[CapabilityRow, ...]] = {}
        for row in _rows.read_all(source.connection.execute(_ALL), source.damaged):
            part = CapabilityRow(**{name: getattr(row, name) for name in _FIELDS})
            found[row.did] = (*found.get(row.did, ()), part)
        return found

    def of(self, did: str) -> tuple[CapabilityRow, ...]:
        """Return the parts of which something is known or set."""
        return self._rows.get(did, ())

    def of_part(self, part: str) -> list[CapabilityRow]:
        """Return what is known of one part of each device."""
        return [row for rows in self._rows.values() for row in rows if row.part == part]

    def saving(self, did: str, sn: str, rows: Sequence[CapabilityRow]) -> Saving:
        """Return what replaces all that is known of the camera with this SN, for one write.

        The job raises NoSuchResource if the device's camera was replaced meanwhile.
        """
        kept = tuple(rows)

        def saved() -> None:
            self._rows[did] = kept

        return Saving(partial(_save, did=did, sn=sn, rows=kept), saved)

    async def save(self, did: str, sn: str, rows: Sequence[CapabilityRow]) -> None:
        """Carry out such a `saving`."""
        await self.carry_out(self.saving(did, sn, rows))

    def forget_camera(self, did: str) -> None:
        self._rows.pop(did, None)


def _save(
    connection: sqlite3.Connection, *, did: str, sn: str, rows: Sequence[CapabilityRow]
) -> None:
    check_camera(connection, did, sn)
    connection.execute(_FORGET, (did,))
    connection.executemany(_PUT, ({"did": did, **asdict(row)} for row in rows))
