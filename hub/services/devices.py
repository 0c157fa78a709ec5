"""The site's devices: what is known of each, and how that is changed."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Sequence
from typing import Literal

import trio
from msgspec import UNSET, Struct
from msgspec.structs import replace

from hub.errors import AlreadyExists, BadParameter, NoSuchResource
from hub.live.feed import Change, Feed
from hub.live.registry import Registry
from hub.live.waiting import Reason, ReasonCode, WaitingRoom
from hub.services.carrythrough import carried_through
from hub.services.connectsign import sign_form_or_reason
from hub.services.devicenotes import DeviceNotes
from hub.services.latestpictures import LatestPictures
from hub.store.db import Store
from hub.store.devices import Device as Device
from hub.store.devices import DeviceChange as DeviceChange
from hub.store.devices import DeviceNote
from hub.store.devices import NewDevice as NewDevice
from hub.wire.records import Record
from hub.wire.signing import load_public_key
from hub.wire.uploads import DeviceInfo

log = logging.getLogger(__name__)

SITE_KEY = "site.key"

_DID = re.compile(r"[1-9][0-9]{0,19}", re.ASCII)
_LARGEST_DID = 2**64 - 1
_LONGEST_KEY = 16_384


class DeviceView(Struct, frozen=True, kw_only=True):
    """A device as pages and integrators see it. Times are UNIX milliseconds.

    `waiting_*`: why an offline device is not let in, as far as known. `init_outcome`: how it took
    the initial parameters (D3). `clock_offset`: seconds, positive where its clock is ahead.
    """

    did: str
    sn: str
    name: str
    state: Literal["online", "offline", "disabled"]
    enabled: bool
    ip: str | None
    last_seen: int | None
    online_since: int | None
    fw_ver: str | None
    sw_ver: str | None
    os_ver: str | None
    hw_ver: str | None
    dev_name: str | None
    clock_offset: float | None
    clock_trusted: bool
    waiting_reason: str | None
    waiting_code: ReasonCode | None
    waiting_args: dict[str, str]
    has_own_key: bool
    sign_form: str | None
    init_outcome: str | None
    last_picture: str | None
    created_at: int


class ImportRow(Struct, frozen=True):
    """A row of a file, with the number of its line for the message."""

    line: int
    device: NewDevice


class DeviceBook:
    """Changes are durable, and seen by every reader, once the call returns."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        room: WaitingRoom,
        records: Feed[Record],
        changes: Feed[Change],
    ) -> None:
        self._store = store
        self._registry = registry
        self._room = room
        self._changes = changes
        self._notes = DeviceNotes(store.devices, registry)
        self._pictures = LatestPictures(store.records, records)
        #: did -> how often its connection and its tokens were ended by a change.
        self._shut_outs: Counter[str] = Counter()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Save now and then what is heard of devices, and follow their latest pictures."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self._pictures.follow)
            task_status.started()
            await self._notes.keep_saving()

    def list(self) -> list[DeviceView]:
        return [self._view(device) for device in self._store.devices.all()]

    def get(self, did: str) -> DeviceView:
        """Raises NoSuchResource."""
        return self._view(self.device(did))

    def device(self, did: str) -> Device:
        """The device as stored, with what was heard of it since. Raises NoSuchResource."""
        device = self._store.devices.by_did(did)
        if device is None:
            raise NoSuchResource(f"no device with did {did}")
        return self._notes.latest(device)

    async def add(self, new: NewDevice) -> DeviceView:
        """Raises BadParameter, and AlreadyExists for its sn or did."""
        check_new(new)
        with carried_through():
            (device,) = await self._store.devices.add((new,))
        log.info("device %s (%s) was added", device.did, device.name or device.sn)
        self._enrolled(device, new.code)
        return self._view(device)

    async def import_rows(self, rows: Sequence[ImportRow]) -> tuple[DeviceView, ...]:
        """All or nothing: a row that is wrong is named with its line, and nothing is added."""
        lines: dict[tuple[str, str], int] = {}
        for row in rows:
            self._check_row(row, lines)
        with carried_through():
            added = await self._store.devices.add([row.device for row in rows])
        for device, row in zip(added, rows, strict=True):
            self._enrolled(device, row.device.code)
        log.info("%d devices were imported", len(added))
        return tuple(self._view(device) for device in added)

    async def change(self, did: str, change: DeviceChange) -> DeviceView:
        """Raises BadParameter, AlreadyExists for the sn, NoSuchResource.

        A new sn, code or key, and disabling, end the open connection and every token.
        """
        before = self.device(did)
        _check_change(change)
        is_replaced = change.sn is not UNSET and change.sn != before.sn
        if is_replaced:
            # D3: a new camera takes the place of a broken one; what it is capable of is open.
            change = replace(change, did_state="unknown", sign_form=None, init_outcome=None)
        with carried_through():
            await self._store.devices.change(did, change)
            if is_replaced:
                self._notes.forget(did)
            if change.enabled is False or _changes_identity(change):
                await self._shut_out(did, "the device was changed")
        if change.enabled is True or _changes_identity(change):
            self._room.forget_device(did)
            self._judge_knock(self.device(did), self._store.devices.secrets(did).code)
        log.info("device %s (%s) was changed", did, before.name or before.sn)
        self._changes.publish([Change("device", did)])
        return self.get(did)

    async def remove(self, did: str) -> None:
        """Raises NoSuchResource. Its records stay."""
        device = self.device(did)
        with carried_through():
            await self._store.devices.remove(did)
            await self._shut_out(did, "the device was removed")
        self._registry.forget(did)
        self._room.forget_device(did)
        self._notes.forget(did)
        log.info("device %s (%s) was removed", did, device.name or device.sn)
        self._changes.publish([Change("device", did)])

    def site_key(self) -> str | None:
        """The public key, as PEM, of devices that have none of their own."""
        return self._store.settings.get(SITE_KEY)

    async def set_site_key(self, pem: str) -> None:
        """Raises BadParameter."""
        _check_key(pem)
        await self._store.settings.set(SITE_KEY, pem)
        self._changes.publish([Change("site")])

    def key_of(self, device: Device) -> str | None:
        """The public key that the device's signature is checked with."""
        return device.key or self.site_key()

    def shut_outs(self, did: str) -> int:
        """Grows when the device may no longer come in as it was: disabled, changed, removed."""
        return self._shut_outs[did]

    def note(
        self,
        did: str,
        *,
        ip: str | None = None,
        clock_offset: float | None = None,
        sign_form: str | None = None,
    ) -> None:
        """Remember what was heard of a device; it is saved with the next flush."""
        self._notes.add(did, DeviceNote(ip=ip, clock_offset=clock_offset, sign_form=sign_form))

    def note_report(self, did: str, info: DeviceInfo) -> None:
        """2.2: the device told its versions and its name."""
        self._notes.add(
            did,
            DeviceNote(
                fw_ver=info.fw_ver,
                sw_ver=info.sw_ver,
                os_ver=info.os_ver,
                hw_ver=info.hw_ver,
                dev_name=info.dev_name,
            ),
        )
        self._changes.publish([Change("device", did)])

    async def flush(self) -> None:
        """Save what was heard now."""
        await self._notes.flush()

    def _enrolled(self, device: Device, code: str) -> None:
        self._judge_knock(device, code)
        self._changes.publish([Change("device", device.did)])

    def _judge_knock(self, device: Device, code: str) -> None:
        """The SN is a device's now. If it is knocking, tell at once whether it will be let in."""
        knock = self._room.last_knock(device.sn)
        if knock is None:
            return
        self._room.forget(device.sn)
        fit = sign_form_or_reason(
            knock.sign, key=self.key_of(device), code=code, sn=knock.sn, ts_text=knock.ts_text
        )
        if isinstance(fit, Reason):
            self._room.note_failing(device.did, fit)

    async def _shut_out(self, did: str, why: str) -> None:
        self._shut_outs[did] += 1
        link = self._registry.get(did)
        if link is not None:
            link.close(why)
        await self._store.tokens.drop(did)

    def _check_row(self, row: ImportRow, lines: dict[tuple[str, str], int]) -> None:
        try:
            check_new(row.device)
            self._check_free("sn", row.device.sn, row.line, lines)
            if row.device.did is not None:
                self._check_free("did", row.device.did, row.line, lines)
        except BadParameter as error:
            raise type(error)(f"line {row.line}: {error.message}") from None

    def _check_free(
        self, field: str, value: str, line: int, lines: dict[tuple[str, str], int]
    ) -> None:
        """`lines`: where each sn and did of the rows before stands."""
        known = self._store.devices
        if (known.by_sn(value) if field == "sn" else known.by_did(value)) is not None:
            raise AlreadyExists(f"a device with {field} {value} exists already", field=field)
        earlier = lines.setdefault((field, value), line)
        if earlier != line:
            raise AlreadyExists(f"{value} stands in line {earlier} already", field=field)

    def _view(self, device: Device) -> DeviceView:
        device = self._notes.latest(device)
        link = self._registry.get(device.did)
        reason = None if link else self._room.reason_of(device.did)
        return DeviceView(
            did=device.did,
            sn=device.sn,
            name=device.name,
            state=("online" if link else "offline") if device.enabled else "disabled",
            enabled=device.enabled,
            ip=device.ip,
            last_seen=self._registry.last_seen(device.did) or device.last_seen,
            online_since=link.since if link else None,
            fw_ver=device.fw_ver,
            sw_ver=device.sw_ver,
            os_ver=device.os_ver,
            hw_ver=device.hw_ver,
            dev_name=device.dev_name,
            clock_offset=device.clock_offset,
            clock_trusted=device.clock_trusted,
            waiting_reason=reason.sentence if reason else None,
            waiting_code=reason.code if reason else None,
            waiting_args=reason.args if reason else {},
            has_own_key=device.key is not None,
            sign_form=device.sign_form,
            init_outcome=device.init_outcome,
            last_picture=self._pictures.path(device.did),
            created_at=device.created_at,
        )


def _changes_identity(change: DeviceChange) -> bool:
    return any(value is not UNSET for value in (change.sn, change.code, change.key))


def check_new(new: NewDevice) -> None:
    """Raises BadParameter that names the field."""
    _check_text(new.sn, "sn", most=64)
    _check_text(new.code, "code", most=128)
    _check_name(new.name)
    if new.did is not None:
        _check_did(new.did)
    if new.key is not None:
        _check_key(new.key)


def _check_change(change: DeviceChange) -> None:
    if change.sn is not UNSET:
        _check_text(change.sn, "sn", most=64)
    if change.code is not UNSET:
        _check_text(change.code, "code", most=128)
    if change.name is not UNSET:
        _check_name(change.name)
    if change.key is not UNSET and change.key is not None:
        _check_key(change.key)


def _check_text(value: str, field: str, *, most: int) -> None:
    if not 1 <= len(value) <= most or not value.isprintable() or value != value.strip():
        raise BadParameter(
            f"1 to {most} printable characters without blanks around them", field=field
        )


def _check_name(name: str) -> None:
    if len(name) > 100 or not name.isprintable():
        raise BadParameter("at most 100 printable characters", field="name")


def _check_did(did: str) -> None:
    if not _DID.fullmatch(did) or int(did) > _LARGEST_DID:
        raise BadParameter("a decimal number from 1 to 18446744073709551615", field="did")


def _check_key(pem: str) -> None:
    if len(pem) > _LONGEST_KEY:
        raise BadParameter(f"at most {_LONGEST_KEY} characters of PEM", field="key")
    load_public_key(pem)
