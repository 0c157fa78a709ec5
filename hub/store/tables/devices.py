"""Enrolled devices: their shapes, and their rows in the database."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Collection, Iterable
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from hub.errors import AlreadyExists, Missing
from hub.store.rows import DamagedRows, TableRows, as_flag, as_text
from hub.store.sealing import SecretBox
from hub.store.sqlite.sql import one
from hub.wire.times import Moment

_DID = re.compile("[0-9]{1,20}")
#: Seconds; more than any clock can be off.
ClockOffset = Annotated[float, Meta(ge=-1e12, le=1e12)]
#: D2, D3: "unknown" until the device is sent its did, "sent" until it connects with it ("known"),
#: "none" if it connects without one.
DidState = Literal["unknown", "sent", "none", "known"]
#: What is sealed of a device.
Secret = Literal["code", "secret"]
#: D12: whether a device signs its connects.
Connects = Literal["signed", "unsigned"]
#: D12: what of an unsigned connect did not fit: its address, its MAC, or whose facts they are.
Suspicion = Literal["address", "mac", "facts"]


class Device(Struct, frozen=True, kw_only=True):
    """An enrolled device. Times in UNIX milliseconds.

    `key`: its own public key as PEM, None if the site's key applies. `clock_offset`: seconds,
    positive if its clock is ahead. `init_outcome`: the outcome of sending its initial parameters.
    `previous_key`: also accepted until `previous_key_until`. `ip` is what it states, `address`
    where its last good connect came from.
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
    last_seen: Moment | None
    fw_ver: str | None
    sw_ver: str | None
    os_ver: str | None
    hw_ver: str | None
    dev_name: str | None
    clock_offset: ClockOffset | None
    init_outcome: str | None
    created_at: Moment
    previous_key: str | None = None
    previous_key_until: Moment | None = None
    address: str | None = None
    #: D12: of an unsigned one, what it is held to; see UnsignedPins and `schema/0001_first.sql`.
    connects: Connects = "signed"
    pinned_address: str | None = None
    pinned_mac: str | None = None
    pinned_devid: str | None = None
    auth_code_hash: str | None = None
    path_hash: str | None = None
    next_path_hash: str | None = None
    #: What did not fit at a connect since somebody last looked at it; None: nothing.
    suspect: Suspicion | None = None
    suspect_address: str | None = None
    suspect_mac: str | None = None
    suspect_at: Moment | None = None


class UnsignedPins(Struct, frozen=True):
    """What an unsigned device is held to at each connect (D12)."""

    pinned_address: str
    pinned_mac: str
    pinned_devid: str
    auth_code_hash: str

    def __repr__(self) -> str:
        return "UnsignedPins(...)"


class NewDevice(Struct, frozen=True, kw_only=True):
    """A device to be enrolled. Without a `did` the store assigns one.

    `pins`: it connects without a signature, and is held to these.
    """

    sn: str
    code: str
    did: str | None = None
    name: str = ""
    key: str | None = None
    clock_trusted: bool = True
    pins: UnsignedPins | None = None

    def __repr__(self) -> str:
        return f"NewDevice({self.sn!r})"


class DeviceSecrets(Struct, frozen=True):
    """The security code of 1.1 and the secret of the signature (三)."""

    code: str
    secret: str

    def __repr__(self) -> str:
        return "DeviceSecrets(...)"


class DeviceChange(Struct, frozen=True, kw_only=True):
    """Fields to change. UNSET leaves a field as it is."""

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
    #: Of the camera with the new `sn`; without them it signs its connects.
    pins: UnsignedPins | UnsetType = UNSET
    pinned_address: str | UnsetType = UNSET
    pinned_mac: str | UnsetType = UNSET
    path_hash: str | UnsetType | None = UNSET
    next_path_hash: str | UnsetType | None = UNSET
    suspect: Suspicion | UnsetType | None = UNSET
    suspect_address: str | UnsetType | None = UNSET
    suspect_mac: str | UnsetType | None = UNSET
    suspect_at: int | UnsetType | None = UNSET

    def __repr__(self) -> str:
        return "DeviceChange(...)"


class StatusUpdate(Struct, frozen=True, kw_only=True):
    """Status that a device reported. None leaves a field as it is."""

    ip: str | None = None
    address: str | None = None
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
    """A device with its secrets, which are sealed."""

    device: Device
    code: bytes
    secret: bytes


#: Fields of a device that signs its connects (D12).
SIGNED = {
    "connects": "signed",
    "pinned_address": None,
    "pinned_mac": None,
    "pinned_devid": None,
    "auth_code_hash": None,
    "path_hash": None,
    "next_path_hash": None,
    "suspect": None,
    "suspect_address": None,
    "suspect_mac": None,
    "suspect_at": None,
}
#: Fields that are reset when the physical camera is replaced (D3). Its tokens, settings, pictures,
#: names, relay and secret go too.
CAMERA_DEFAULTS = {
    "sign_form": None,
    "did_state": "unknown",
    "ip": None,
    "address": None,
    "fw_ver": None,
    "sw_ver": None,
    "os_ver": None,
    "hw_ver": None,
    "dev_name": None,
    "clock_offset": None,
    "init_outcome": None,
    "previous_key": None,
    "previous_key_until": None,
    **SIGNED,
}
_COLUMNS = Device.__struct_fields__
_STATUS_COLUMNS = StatusUpdate.__struct_fields__
_ALL = f"SELECT code, secret, {', '.join(_COLUMNS)} FROM device"
_ONE = f"{_ALL} WHERE did = ?"
_ADD = (
    f"INSERT INTO device (code, secret, {', '.join(_COLUMNS)}) VALUES (?, ?{', ?' * len(_COLUMNS)})"
)
_SAVE = f"UPDATE device SET code = ?, secret = ?, {' = ?, '.join(_COLUMNS)} = ? WHERE did = ?"
_UPDATE_STATUS = (
    f"UPDATE device SET {', '.join(f'{c} = coalesce(?, {c})' for c in _STATUS_COLUMNS)} "
    "WHERE sn = ?"
)
_KEEP_PREVIOUS_KEY = (
    "UPDATE device SET previous_key = CASE WHEN previous_key_until > ? THEN previous_key ELSE ? END"
    ", previous_key_until = ? WHERE key IS NULL"
)
_FORGET_PREVIOUS_KEYS = (
    "UPDATE device SET previous_key = NULL, previous_key_until = NULL WHERE key IS NULL"
)
_REMOVE = "DELETE FROM device WHERE did = ?"
#: Statements that remove or reset the rows of a camera that is being replaced.
_REMOVE_TOKENS = "DELETE FROM token WHERE did = ?"
_RESET_CAMERA = (
    _REMOVE_TOKENS,
    "DELETE FROM device_setting WHERE did = ?",
    "DELETE FROM device_capability WHERE did = ?",
    "DELETE FROM device_relay WHERE did = ?",
    "DELETE FROM device_picture WHERE did = ?",
    "DELETE FROM firmware_download WHERE did = ?",
    "UPDATE campaign_device SET state = 'waiting', offered_at = NULL, downloaded_at = NULL "
    "WHERE did = ? AND done_at IS NULL",
    "DELETE FROM holding WHERE did = ?",
    "DELETE FROM unknown_person WHERE did = ?",
    "UPDATE device_people SET state = iif(state = 'alone', state, 'new'), must_check = 1, "
    "deletes_first = NULL, versions = '', total = NULL, compared_at = NULL WHERE did = ?",
)
_IS_ITS_CAMERA = "SELECT 1 FROM device WHERE did = ? AND sn = ?"
_SN_TAKEN = "SELECT 1 FROM device WHERE sn = ?"
_DID_TAKEN = "SELECT 1 FROM device WHERE did = ?"
_DID_IN_LOG = "SELECT 1 FROM record WHERE did = ? LIMIT 1"
_LAST_DID = "SELECT value FROM setting WHERE key = 'store.last_did'"
_PUT_LAST_DID = "INSERT OR REPLACE INTO setting (key, value) VALUES ('store.last_did', ?)"


def _as_did(value: object) -> str:
    """Decode a did. Raises an exception if it is none."""
    text = as_text(value)
    if not _DID.fullmatch(text):
        raise ValueError("a decimal number is expected")
    return text


_rows = TableRows(
    "device",
    Device,
    key=("did",),
    decoders={"did": _as_did, "enabled": as_flag, "clock_trusted": as_flag},
)


def load_devices(
    connection: sqlite3.Connection, damaged: DamagedRows, box: SecretBox | None
) -> list[StoredDevice]:
    found = (_stored(row, damaged, box) for row in connection.execute(_ALL))
    return [stored for stored in found if stored is not None]


def load_device(
    connection: sqlite3.Connection, did: str, damaged: DamagedRows, box: SecretBox
) -> StoredDevice | None:
    row = connection.execute(_ONE, (did,)).fetchone()
    return None if row is None else _stored(row, damaged, box)


def insert_device(connection: sqlite3.Connection, stored: StoredDevice) -> None:
    """Insert a device. Raises AlreadyExists if the did is taken."""
    if one(connection, _DID_TAKEN, (stored.device.did,)) is not None:
        raise _taken("did", stored.device.did)
    connection.execute(_ADD, _row(stored))


def save_device(connection: sqlite3.Connection, stored: StoredDevice) -> None:
    connection.execute(_SAVE, (*_row(stored), stored.device.did))


def remove_device(connection: sqlite3.Connection, did: str) -> None:
    """Remove a device and the rows that refer to it. Raises NoSuchResource."""
    if connection.execute(_REMOVE, (did,)).rowcount == 0:
        raise Missing("device", did=did)


def remove_damaged(
    connection: sqlite3.Connection,
    sn: str,
    did: str | None,
    damaged: DamagedRows,
    box: SecretBox,
) -> None:
    """Remove a row that does not decode, in whose place a device is enrolled."""
    for row in connection.execute(f"{_ALL} WHERE sn = ? OR did = ?", (sn, did)).fetchall():
        if _stored(row, damaged, box) is None:
            _code, _secret, its_did, *_ = row
            connection.execute(_REMOVE, (its_did,))


def reset_camera(connection: sqlite3.Connection, did: str) -> None:
    """Remove or reset the rows of a camera that is being replaced (D3)."""
    for statement in _RESET_CAMERA:
        connection.execute(statement, (did,))


def remove_tokens(connection: sqlite3.Connection, did: str) -> None:
    connection.execute(_REMOVE_TOKENS, (did,))


def update_status(
    connection: sqlite3.Connection, updates: Iterable[tuple[str, StatusUpdate]]
) -> None:
    """Apply updates to the devices with these SNs."""
    rows = [(*msgspec.structs.astuple(update), sn) for sn, update in updates]
    connection.executemany(_UPDATE_STATUS, rows)


def keep_previous_key(connection: sqlite3.Connection, pem: str, until: int, now: int) -> None:
    """See `DeviceTable.keep_previous_key`. Times in UNIX milliseconds."""
    connection.execute(_KEEP_PREVIOUS_KEY, (now, pem, until))


def forget_previous_keys(connection: sqlite3.Connection) -> None:
    connection.execute(_FORGET_PREVIOUS_KEYS)


def check_camera(connection: sqlite3.Connection, did: str, sn: str) -> None:
    """Raise NoSuchResource unless the camera with this SN is the device's current one."""
    if one(connection, _IS_ITS_CAMERA, (did, sn)) is None:
        raise Missing("device", did=did)


def check_sn_free(connection: sqlite3.Connection, sn: str) -> None:
    """Raise AlreadyExists if a device has this SN."""
    if one(connection, _SN_TAKEN, (sn,)) is not None:
        raise _taken("sn", sn)


def assign_did(connection: sqlite3.Connection, reserved: Collection[str | None]) -> str:
    """Return the next number that no device has or had: a former device may have records."""
    last = str(one(connection, _LAST_DID) or 0)
    number = int(last if _DID.fullmatch(last) else 0) + 1
    while (
        str(number) in reserved
        or one(connection, _DID_TAKEN, (str(number),)) is not None
        or one(connection, _DID_IN_LOG, (str(number),)) is not None
    ):
        number += 1
    connection.execute(_PUT_LAST_DID, (str(number),))
    return str(number)


def _taken(field: str, value: str) -> AlreadyExists:
    return AlreadyExists(f"a device with {field} {value} is enrolled already", field=field)


def _stored(
    row: tuple[Any, ...], damaged: DamagedRows, box: SecretBox | None
) -> StoredDevice | None:
    code, secret, *values = row

    def has_secrets(device: Device) -> bool:
        sealed: tuple[tuple[Secret, bytes], ...] = (("code", code), ("secret", secret))
        return box is None or all(
            box.fits(value, secret_context(device.did, name)) for name, value in sealed
        )

    device = _rows.read(values, damaged, has_secrets)
    return None if device is None else StoredDevice(device, code, secret)


def secret_context(did: str, name: Secret) -> str:
    """What a secret of a device is sealed for."""
    return f"device/{did}/{name}"


def _row(stored: StoredDevice) -> tuple[object, ...]:
    values = (getattr(stored.device, name) for name in _COLUMNS)
    return (stored.code, stored.secret, *values)
