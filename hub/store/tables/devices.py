"""The enrolled devices and their secrets."""

from __future__ import annotations

import sqlite3
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from hub.errors import AlreadyExists, NoSuchResource
from hub.store.commit.group_commit import GroupCommit
from hub.store.sealing import Random, SecretBox
from hub.store.sql import one

DidState = Literal["unknown", "sent", "none", "known"]


class Device(Struct, frozen=True, kw_only=True):
    """An enrolled device. Times in milliseconds, `clock_offset` in seconds (+: it is ahead).

    `key`: its own public key as PEM, None where the site's key applies. `did_state`: whether the
    device knows its did (D2, D3). `init_outcome`: how it took the initial parameters.
    `previous_key`: good beside the other until `previous_key_until`, or until it is not used.
    """

    did: str
    sn: str
    name: str
    enabled: bool
    clock_trusted: bool
    key: str | None
    sign_form: str | None
    did_state: DidState
    appid: str
    ota_id: str
    ip: str | None
    last_seen: int | None
    fw_ver: str | None
    sw_ver: str | None
    os_ver: str | None
    hw_ver: str | None
    dev_name: str | None
    clock_offset: float | None
    init_outcome: str | None
    created_at: int
    previous_key: str | None = None
    previous_key_until: int | None = None


class NewDevice(Struct, frozen=True, kw_only=True):
    """A device to be enrolled; without a `did` the store assigns one."""

    sn: str
    code: str
    did: str | None = None
    name: str = ""
    key: str | None = None
    clock_trusted: bool = True

    def __repr__(self) -> str:
        return f"NewDevice({self.sn!r})"


class DeviceSecrets(Struct, frozen=True):
    """The security code of 1.1 and the secret of 三."""

    code: str
    secret: str

    def __repr__(self) -> str:
        return "DeviceSecrets(...)"


class DeviceChange(Struct, frozen=True, kw_only=True):
    """What a person or the protocol changes; UNSET: stays as it is."""

    name: str | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    code: str | UnsetType = UNSET
    key: str | UnsetType | None = UNSET
    sn: str | UnsetType = UNSET
    clock_trusted: bool | UnsetType = UNSET
    sign_form: str | UnsetType | None = UNSET
    did_state: DidState | UnsetType = UNSET
    init_outcome: str | UnsetType | None = UNSET
    previous_key: str | UnsetType | None = UNSET
    previous_key_until: int | UnsetType | None = UNSET

    def __repr__(self) -> str:
        return "DeviceChange(...)"


class DeviceNote(Struct, frozen=True, kw_only=True):
    """What a device was seen to be; None: nothing new is known."""

    ip: str | None = None
    last_seen: int | None = None
    fw_ver: str | None = None
    sw_ver: str | None = None
    os_ver: str | None = None
    hw_ver: str | None = None
    dev_name: str | None = None
    clock_offset: float | None = None
    sign_form: str | None = None
    did_state: DidState | None = None


class StoredDevice(Struct, frozen=True):
    """A device with its secrets as they are stored."""

    device: Device
    code: bytes
    secret: bytes


_COLUMNS = Device.__struct_fields__
_NOTED = DeviceNote.__struct_fields__
#: What is known of a camera rather than of its place: gone with the camera (D3), as its tokens,
#: what it took, its pictures, and the names and the secret that it was given are.
OF_THE_CAMERA = {
    "sign_form": None,
    "did_state": "unknown",
    "ip": None,
    "fw_ver": None,
    "sw_ver": None,
    "os_ver": None,
    "hw_ver": None,
    "dev_name": None,
    "clock_offset": None,
    "init_outcome": None,
    "previous_key": None,
    "previous_key_until": None,
}
_BOOLEANS = ("enabled", "clock_trusted")
_ALL = f"SELECT code, secret, {', '.join(_COLUMNS)} FROM device"
_ONE = f"{_ALL} WHERE did = ?"
_ADD = (
    f"INSERT INTO device (code, secret, {', '.join(_COLUMNS)}) VALUES (?, ?{', ?' * len(_COLUMNS)})"
)
_SAVE = f"UPDATE device SET code = ?, secret = ?, {' = ?, '.join(_COLUMNS)} = ? WHERE did = ?"
_NOTE = f"UPDATE device SET {', '.join(f'{c} = coalesce(?, {c})' for c in _NOTED)} WHERE sn = ?"
_KEEP_KEY = (
    "UPDATE device SET previous_key = CASE WHEN previous_key_until > ? THEN previous_key ELSE ? END"
    ", previous_key_until = ? WHERE key IS NULL"
)
_FORGET_KEYS = "UPDATE device SET previous_key = NULL, previous_key_until = NULL WHERE key IS NULL"
_REMOVE = "DELETE FROM device WHERE did = ?"
_REPLACED = (
    "DELETE FROM token WHERE did = ?",
    "DELETE FROM device_setting WHERE did = ?",
    "DELETE FROM device_picture WHERE did = ?",
    "DELETE FROM firmware_download WHERE did = ?",
    "UPDATE campaign_device SET state = 'waiting', offered_at = NULL, downloaded_at = NULL "
    "WHERE did = ? AND done_at IS NULL",
)
_IS_ITS_CAMERA = "SELECT 1 FROM device WHERE did = ? AND sn = ?"
_SN_TAKEN = "SELECT 1 FROM device WHERE sn = ?"
_DID_TAKEN = "SELECT 1 FROM device WHERE did = ?"
_DID_IN_LOG = "SELECT 1 FROM record WHERE did = ? LIMIT 1"
_LAST_DID = "SELECT value FROM setting WHERE key = 'store.last_did'"
_PUT_LAST_DID = "INSERT OR REPLACE INTO setting (key, value) VALUES ('store.last_did', ?)"


def load_devices(connection: sqlite3.Connection) -> list[StoredDevice]:
    return [_stored(row) for row in connection.execute(_ALL)]


class DeviceTable:
    """All of them in memory, their secrets sealed; changes are durable on return."""

    def __init__(
        self,
        writer: GroupCommit,
        box: SecretBox,
        random: Random,
        devices: Sequence[StoredDevice],
        now: Callable[[], float],
        on_removed: Callable[[str], None],
        on_replaced: Callable[[str], None],
    ) -> None:
        self._writer = writer
        self._box = box
        self._random = random
        self._now = now
        self._on_removed = on_removed
        self._on_replaced = on_replaced
        self._by_did: dict[str, StoredDevice] = {}
        self._by_sn: dict[str, str] = {}
        self._by_appid: dict[str, str] = {}
        for stored in devices:
            self._put(stored)

    def by_did(self, did: str) -> Device | None:
        stored = self._by_did.get(did)
        return None if stored is None else stored.device

    def by_sn(self, sn: str) -> Device | None:
        return self.by_did(self._by_sn.get(sn, ""))

    def by_appid(self, appid: str) -> Device | None:
        return self.by_did(self._by_appid.get(appid, ""))

    def all(self, after: str | None = None) -> tuple[Device, ...]:
        """In the order of their dids, as numbers; with `after` those behind this one."""
        dids = sorted(self._by_did, key=_did_order)
        if after is not None:
            dids = dids[bisect_right(dids, _did_order(after), key=_did_order) :]
        return tuple(self._by_did[did].device for did in dids)

    def secrets(self, did: str) -> DeviceSecrets:
        """NoSuchResource where there is no such device."""
        stored = self._by_did.get(did)
        if stored is None:
            raise NoSuchResource(f"no device {did}")
        return DeviceSecrets(
            self._box.open(stored.code, _context(did, "code")),
            self._box.open(stored.secret, _context(did, "secret")),
        )

    async def add(self, new: Sequence[NewDevice]) -> tuple[Device, ...]:
        """Enrol all or none. AlreadyExists, with its field, where a did or SN is taken."""

        def job(connection: sqlite3.Connection) -> list[StoredDevice]:
            # Given dids first, so that none is assigned to another in the same call.
            given = {device.did for device in new}
            return [self._insert(connection, device, given) for device in new]

        def added(devices: list[StoredDevice]) -> None:
            for stored in devices:
                self._put(stored)

        return tuple(stored.device for stored in await self._writer.write(job, added))

    async def change(self, did: str, change: DeviceChange) -> Device:
        """The device as it is then. NoSuchResource; AlreadyExists where the SN is taken.

        With a new SN another camera takes its place: nothing that was the old one's stays good.
        """

        def job(connection: sqlite3.Connection) -> StoredDevice:
            stored = _load(connection, did)
            if stored is None:
                raise NoSuchResource(f"no device {did}")
            changed = self._changed(stored, change)
            if changed.device.sn != stored.device.sn:
                _check_free(connection, _SN_TAKEN, changed.device.sn, "sn")
                for statement in _REPLACED:
                    connection.execute(statement, (did,))
            _save(connection, changed)
            return changed

        def noted(changed: StoredDevice) -> None:
            before = self._by_did[did].device.sn
            self._replace(changed)
            if changed.device.sn != before:
                self._on_replaced(did)

        return (await self._writer.write(job, noted)).device

    async def keep_previous_key(self, pem: str, until: int) -> None:
        """Let what devices without a key of their own sign with be good until then."""
        now = int(self._now() * 1000)

        def job(connection: sqlite3.Connection) -> None:
            connection.execute(_KEEP_KEY, (now, pem, until))

        def kept(device: Device) -> Device:
            is_live = (device.previous_key_until or 0) > now
            used = device.previous_key if is_live else pem
            return replace(device, previous_key=used, previous_key_until=until)

        await self._writer.write(job, lambda _: self._each_without_key(kept))

    async def forget_previous_keys(self) -> None:
        """Of devices without a key of their own."""

        def job(connection: sqlite3.Connection) -> None:
            connection.execute(_FORGET_KEYS)

        def forgotten(device: Device) -> Device:
            return replace(device, previous_key=None, previous_key_until=None)

        await self._writer.write(job, lambda _: self._each_without_key(forgotten))

    async def note(self, notes: Mapping[str, DeviceNote]) -> None:
        """Remember what many cameras, by SN, were seen to be; those that are gone are skipped."""

        rows = [(*msgspec.structs.astuple(note), sn) for sn, note in notes.items()]

        def job(connection: sqlite3.Connection) -> None:
            connection.executemany(_NOTE, rows)

        def noted(_: None) -> None:
            for sn, note in notes.items():
                if (stored := self._by_did.get(self._by_sn.get(sn, ""))) is not None:
                    seen = {k: v for k, v in msgspec.structs.asdict(note).items() if v is not None}
                    self._put(replace(stored, device=replace(stored.device, **seen)))

        if rows:
            await self._writer.write(job, noted)

    async def remove(self, did: str) -> None:
        """With its tokens; its records stay. NoSuchResource where there is no such device."""

        def job(connection: sqlite3.Connection) -> None:
            if connection.execute(_REMOVE, (did,)).rowcount == 0:
                raise NoSuchResource(f"no device {did}")

        def removed(_: None) -> None:
            self._drop(did)
            self._on_removed(did)

        await self._writer.write(job, removed)

    def _insert(
        self, connection: sqlite3.Connection, new: NewDevice, given: set[str | None]
    ) -> StoredDevice:
        _check_free(connection, _SN_TAKEN, new.sn, "sn")
        if new.did is not None:
            _check_free(connection, _DID_TAKEN, new.did, "did")
        stored = self._enrolled(new, new.did or _assign_did(connection, given))
        connection.execute(_ADD, _row(stored))
        return stored

    def _enrolled(self, new: NewDevice, did: str) -> StoredDevice:
        device = Device(
            did=did,
            sn=new.sn,
            name=new.name,
            enabled=True,
            clock_trusted=new.clock_trusted,
            key=new.key,
            sign_form=None,
            did_state="unknown",
            appid=self._new_name("D"),
            ota_id=self._new_name("O"),
            ip=None,
            last_seen=None,
            fw_ver=None,
            sw_ver=None,
            os_ver=None,
            hw_ver=None,
            dev_name=None,
            clock_offset=None,
            init_outcome=None,
            created_at=int(self._now() * 1000),
        )
        code = self._box.seal(new.code, _context(did, "code"))
        return StoredDevice(device, code, self._new_secret(did))

    def _new_name(self, kind: str) -> str:
        return f"{kind}{self._random(8).hex().upper()}"

    def _new_secret(self, did: str) -> bytes:
        return self._box.seal(self._random(16).hex().upper(), _context(did, "secret"))

    def _changed(self, stored: StoredDevice, change: DeviceChange) -> StoredDevice:
        wanted = {k: v for k, v in msgspec.structs.asdict(change).items() if v is not UNSET}
        code = wanted.pop("code", None)
        if code is not None:
            sealed = self._box.seal(code, _context(stored.device.did, "code"))
            stored = replace(stored, code=sealed)
        if wanted.get("sn", stored.device.sn) != stored.device.sn:
            names = {"appid": self._new_name("D"), "ota_id": self._new_name("O")}
            wanted = {**OF_THE_CAMERA, **names, **wanted}
            stored = replace(stored, secret=self._new_secret(stored.device.did))
        return replace(stored, device=replace(stored.device, **wanted))

    def _each_without_key(self, change: Callable[[Device], Device]) -> None:
        for stored in list(self._by_did.values()):
            if stored.device.key is None:
                self._put(replace(stored, device=change(stored.device)))

    def _put(self, stored: StoredDevice) -> None:
        device = stored.device
        self._by_did[device.did] = stored
        self._by_sn[device.sn] = device.did
        self._by_appid[device.appid] = device.did

    def _replace(self, stored: StoredDevice) -> None:
        self._drop(stored.device.did)
        self._put(stored)

    def _drop(self, did: str) -> None:
        stored = self._by_did.pop(did, None)
        if stored is not None:
            del self._by_sn[stored.device.sn]
            del self._by_appid[stored.device.appid]


def check_camera(connection: sqlite3.Connection, did: str, sn: str) -> None:
    """NoSuchResource where the camera with this SN is not, or not any more, the device's."""
    if one(connection, _IS_ITS_CAMERA, (did, sn)) is None:
        raise NoSuchResource(f"no device {did} with sn {sn}")


def _context(did: str, field: str) -> str:
    return f"device/{did}/{field}"


def _did_order(did: str) -> tuple[int, str]:
    return len(did), did


def _stored(row: tuple[object, ...]) -> StoredDevice:
    code, secret, *values = row
    fields = dict(zip(_COLUMNS, values, strict=True))
    for name in _BOOLEANS:
        fields[name] = bool(fields[name])
    return msgspec.convert(
        {"device": fields, "code": code, "secret": secret}, StoredDevice, builtin_types=(bytes,)
    )


def _load(connection: sqlite3.Connection, did: str) -> StoredDevice | None:
    row = connection.execute(_ONE, (did,)).fetchone()
    return None if row is None else _stored(row)


def _row(stored: StoredDevice) -> tuple[object, ...]:
    return (stored.code, stored.secret, *msgspec.structs.astuple(stored.device))


def _save(connection: sqlite3.Connection, stored: StoredDevice) -> None:
    connection.execute(_SAVE, (*_row(stored), stored.device.did))


def _check_free(connection: sqlite3.Connection, sql: str, value: str, field: str) -> None:
    if one(connection, sql, (value,)) is not None:
        raise AlreadyExists(f"a device with {field} {value} is enrolled already", field=field)


def _assign_did(connection: sqlite3.Connection, given: set[str | None]) -> str:
    """The next number that no device has, or had: its records may still be in the log."""
    number = int(str(one(connection, _LAST_DID) or 0)) + 1
    while (
        str(number) in given
        or one(connection, _DID_TAKEN, (str(number),)) is not None
        or one(connection, _DID_IN_LOG, (str(number),)) is not None
    ):
        number += 1
    connection.execute(_PUT_LAST_DID, (str(number),))
    return str(number)
