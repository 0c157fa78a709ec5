"""The doors and relays of cameras (D12), in memory, with their passwords sealed."""

from __future__ import annotations

import sqlite3
from functools import partial
from operator import attrgetter
from typing import Annotated, Literal

from msgspec import Meta, Struct
from msgspec.structs import replace

from hub.errors import existing
from hub.store.rows import TableRows, as_flag
from hub.store.tables.devices import check_camera
from hub.store.tables.table import KeyedTable, RowSource

TABLE = "device_relay"
#: What a relay does: it opens a door, or makes a sound.
RelayKind = Literal["door", "sounder"]


class DeviceRelay(Struct, frozen=True, kw_only=True):
    """The relay of one camera, and how its own HTTP is reached.

    `seconds`: how long it is switched on. `address`: an IP address. `is_own`: the camera must be
    connected from it; otherwise somebody typed it. `certificate`: SHA-256 in hexadecimal of the one
    that the camera showed first, "" before.
    """

    did: str
    name: str
    kind: RelayKind
    seconds: Annotated[int, Meta(ge=1, le=60)]
    address: str
    is_own: bool
    port: Annotated[int, Meta(ge=1, le=65535)]
    tls: bool
    certificate: str
    username: str


class SealedRelay(Struct, frozen=True):
    """A relay, and its sealed password."""

    relay: DeviceRelay
    password: bytes


_PIN = """
UPDATE device_relay SET certificate = ?
WHERE did = ? AND address = ? AND port = ? AND tls = 1 AND certificate = ''
"""
_REMOVE = "DELETE FROM device_relay WHERE did = ?"

_rows = TableRows(
    TABLE,
    DeviceRelay,
    key=("did",),
    decoders={"is_own": as_flag, "tls": as_flag},
)
_ALL = f"SELECT password, {_rows.names} FROM device_relay ORDER BY did"
_PUT = f"""
INSERT OR REPLACE INTO device_relay (password, {_rows.names}) VALUES (:password, {_rows.marks})
"""


class RelayTable(KeyedTable[str, SealedRelay]):
    """All relays, by the did of their camera. Changes are durable on return."""

    key = attrgetter("relay.did")

    @classmethod
    def load(cls, source: RowSource) -> list[SealedRelay]:
        found, box = [], source.box
        for password, *values in source.connection.execute(_ALL):

            def has_password(relay: DeviceRelay, password: bytes = password) -> bool:
                return box is None or box.fits(password, _context(relay))

            if (relay := _rows.read(values, source.damaged, has_password)) is not None:
                found.append(SealedRelay(relay, password))
        return found

    def get(self, did: str) -> DeviceRelay | None:
        """Return the relay of a camera, if it has one."""
        sealed = self._rows.get(did)
        return None if sealed is None else sealed.relay

    def password(self, did: str) -> str:
        """Return the password for the camera's HTTP. Raises NoSuchResource."""
        sealed = existing(self._rows.get(did), "relay", did=did)
        return self._engine.box.open(sealed.password, _context(sealed.relay))

    async def put(self, relay: DeviceRelay, password: str, sn: str) -> None:
        """Add or replace the relay of the camera with this SN.

        Raises NoSuchResource if the device's camera was replaced meanwhile, and CannotStoreNow.
        """
        sealed = SealedRelay(relay, self._engine.box.seal(password, _context(relay)))

        await self._writer.write(partial(_put, sealed=sealed, sn=sn), lambda _: self._put(sealed))

    async def pin(self, relay: DeviceRelay, certificate: str) -> None:
        """Remember the certificate that a camera has shown at this address.

        Nothing happens if one is known, or the camera has another address now.
        """
        values = (certificate, relay.did, relay.address, relay.port)

        def pinned(count: int) -> None:
            sealed = self._rows.get(relay.did)
            if count and sealed is not None:
                shown = replace(sealed.relay, certificate=certificate)
                self._rows[relay.did] = replace(sealed, relay=shown)

        await self._writer.write(lambda c: c.execute(_PIN, values).rowcount, pinned)

    async def remove(self, did: str) -> None:
        """Remove the relay of a camera, with its password. Nothing happens if there is none."""

        await self._remove([did], _REMOVE)

    def forget_camera(self, did: str) -> None:
        self._rows.pop(did, None)


def _put(connection: sqlite3.Connection, *, sealed: SealedRelay, sn: str) -> None:
    check_camera(connection, sealed.relay.did, sn)
    connection.execute(_PUT, {"password": sealed.password, **_rows.values(sealed.relay)})


def _context(relay: DeviceRelay) -> str:
    """What a password is sealed for: at another address it cannot be opened."""
    return f"device_relay/{relay.did}/{relay.address}/{relay.port}"
