"""The site's devices: what is known of each, and how that is changed."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable

import trio
from msgspec import UNSET
from msgspec.structs import replace

from hub.errors import NoSuchResource, WrongSignature
from hub.live.feed import Change, Feed
from hub.live.frame_trace import FrameTraces
from hub.live.pending_devices import (
    ConnectAttempt,
    PendingDevice,
    PendingDevices,
    RefusalReason,
    has_proved_key,
)
from hub.live.registry import Link, Registry
from hub.services.devices.csv_import import DeviceCsv, check_csv, read_csv, write_csv
from hub.services.devices.keys import DeviceKeys
from hub.services.devices.latest_pictures import LatestPictures
from hub.services.devices.status import DeviceStatus
from hub.services.devices.validation import check_change, check_key, check_new
from hub.services.devices.verification import Fit, all_reasons, fit_or_reason
from hub.services.devices.views import DevicePage, DeviceView
from hub.services.shielding import shielded
from hub.store.db import Store
from hub.store.tables.devices import Device as Device
from hub.store.tables.devices import DeviceChange as DeviceChange
from hub.store.tables.devices import DeviceNote
from hub.store.tables.devices import NewDevice as NewDevice
from hub.wire.uploads.bodies import DeviceInfo
from hub.wire.uploads.records import Record

log = logging.getLogger(__name__)

#: What keeps a device out though its signature is good, and is no matter of how it is set here.
_AFTER_THE_SIGNATURE = ("foreign-did", "no-did")


class Devices:
    """Changes are durable, and seen by every reader, once the call returns."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        room: PendingDevices,
        traces: FrameTraces,
        records: Feed[Record],
        changes: Feed[Change],
        now: Callable[[], float],
    ) -> None:
        self._store = store
        self._keys = DeviceKeys(store, now)
        self._registry = registry
        self._room = room
        self._traces = traces
        self._changes = changes
        self._notes = DeviceStatus(store.devices, registry)
        self._pictures = LatestPictures(store.records, records)
        #: Sheets have thousands of rows and keys: others are served meanwhile.
        self._threads = trio.CapacityLimiter(1)
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

    def page(self, *, after: str | None, limit: int) -> DevicePage:
        """In the order of their dids, those behind `after`, whether that is a device or not."""
        found = self._store.devices.all(after)
        items = [self._view(device) for device in found[:limit]]
        return DevicePage(items, items[-1].did if len(found) > limit else None)

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
        with shielded():
            (device,) = await self._store.devices.add((new,))
        log.info("device %s (%s) was added", device.did, device.name or device.sn)
        self._enrolled(device, new.code)
        return self._view(device)

    async def read_csv(self, text: str) -> DeviceCsv:
        """The rows of a CSV file, to be imported. Raises BadSheet."""
        return await trio.to_thread.run_sync(read_csv, text, limiter=self._threads)

    async def check_import(self, sheet: DeviceCsv) -> None:
        """Whether `import_csv` would take it. Raises BadCsv."""
        known = self._store.devices.all()
        taken = {("sn", device.sn) for device in known} | {("did", device.did) for device in known}
        await trio.to_thread.run_sync(check_csv, sheet, taken, limiter=self._threads)

    async def import_csv(self, sheet: DeviceCsv) -> tuple[Device, ...]:
        """All or nothing: raises BadSheet with every row that is wrong, and nothing is added."""
        await self.check_import(sheet)
        with shielded():
            added = await self._store.devices.add([row.device for row in sheet.rows])
        knocking = {waiting.sn for waiting in self._room.pending()}
        for device, row in zip(added, sheet.rows, strict=True):
            if device.sn in knocking:
                self._judge(device, row.device.code)
        self._changes.publish([Change("device", device.did) for device in added])
        log.info("%d devices were imported", len(added))
        return added

    def export_csv(self) -> str:
        """All devices as CSV in the columns of an import, without their codes."""
        return write_csv(self._store.devices.all())

    async def change(self, did: str, change: DeviceChange) -> DeviceView:
        """Raises BadParameter, AlreadyExists for the sn, NoSuchResource, and WrongSignature where a
        device with the new sn waits whose last signature does not fit code and key.

        A new sn or code, and disabling, end the open connection and every token. A new key alone
        does not: the earlier one is good until the device signs with the new one, or for a week.
        With a new sn another camera takes the place of a broken one (D3).
        """
        before = self.device(did)
        check_change(change)
        if change.sn == before.sn:
            change = replace(change, sn=UNSET)
        if change.sn is not UNSET:
            self._check_signature(before, change.sn, change)
        is_other = change.sn is not UNSET or change.code is not UNSET
        ends = is_other or change.enabled is False or change.previous_key is None
        if is_other or change.previous_key is None:
            change = replace(change, previous_key=None, previous_key_until=None)
        elif change.key is not UNSET:
            change = self._keys.with_grace(before, change)
        with shielded():
            await self._store.devices.change(did, change)
            if change.sn is not UNSET:
                # What was seen of it is of another camera now.
                self._notes.forget(before.sn)
                self._room.forget_failure(did)
                self._traces.forget(before.sn)
            if ends:
                await self._shut_out(did, "the device was changed")
        if is_other or _is_judged_anew(change):
            self._judge(self.device(did), self._store.devices.secrets(did).code)
        log.info("device %s (%s) was changed", did, before.name or before.sn)
        self.tell_changed(did)
        return self.get(did)

    async def remove(self, did: str) -> None:
        """Raises NoSuchResource. Its records stay."""
        device = self.device(did)
        with shielded():
            await self._store.devices.remove(did)
            await self._shut_out(did, "the device was removed")
        self._registry.forget(did)
        self._room.forget_failure(did)
        self._notes.forget(device.sn)
        self._traces.forget(device.sn)
        log.info("device %s (%s) was removed", did, device.name or device.sn)
        self.tell_changed(did)

    def site_key(self) -> str | None:
        """The public key, as PEM, of devices that have none of their own."""
        return self._keys.site_key()

    async def set_site_key(self, pem: str) -> None:
        """Raises BadParameter. The earlier one stays good for each device that signs with it,
        until that signs with the new one, or for a week."""
        check_key(pem)
        with shielded():
            await self._keys.replace_site_key(pem)
        self._site_key_changed()

    async def remove_site_key(self) -> None:
        """Devices without a key of their own are put out, and not let in any more."""
        with shielded():
            await self._keys.replace_site_key(None)
            for device in self._without_key():
                await self._shut_out(device.did, "the site key was removed")
        self._site_key_changed()

    def keys_of(self, device: Device) -> tuple[str, ...]:
        """The public keys that the device's signature is checked with."""
        return self._keys.of(device)

    async def settle_key(self, device: Device, key: str) -> None:
        """The device signed with `key`: an earlier one is needed no more."""
        await self._keys.settle(device, key)

    def reasons_of_unknown(
        self, knock: ConnectAttempt, time: RefusalReason | None
    ) -> tuple[RefusalReason, ...]:
        """What an installer should know of a device that is not enrolled yet."""
        site_key = self.site_key()
        fit = fit_or_reason(knock, keys=() if site_key is None else (site_key,), code=None)
        return all_reasons(fit, time)

    def fit_of_waiting(self, waiting: PendingDevice, *, key: str | None, code: str) -> Fit | None:
        """How the last signature of a device that waits fits; None where it sends none (D3).

        Without a `key` the site's counts. Raises WrongSignature, and the row tells why from then.
        """
        fit = self._fit(waiting, key, code)
        if isinstance(fit, Fit):
            return fit
        if fit.code == "no-signature":
            return None
        raise self._unfit(waiting, fit)

    def link(self, did: str) -> Link | None:
        """The connection that the device is in on."""
        return self._registry.get(did)

    def shut_outs(self, did: str) -> int:
        """Grows when the device may no longer come in as it was: disabled, changed, removed."""
        return self._shut_outs[did]

    def note(
        self,
        sn: str,
        *,
        ip: str | None = None,
        clock_offset: float | None = None,
        sign_form: str | None = None,
    ) -> None:
        """Remember what was heard of a camera; it is saved with the next flush."""
        self._notes.add(sn, DeviceNote(ip=ip, clock_offset=clock_offset, sign_form=sign_form))

    def note_report(self, device: Device, info: DeviceInfo) -> None:
        """2.2: the device told its versions and its name."""
        self._notes.add(
            device.sn,
            DeviceNote(
                fw_ver=info.fw_ver,
                sw_ver=info.sw_ver,
                os_ver=info.os_ver,
                hw_ver=info.hw_ver,
                dev_name=info.dev_name,
            ),
        )
        self.tell_changed(device.did)

    def tell_changed(self, did: str) -> None:
        """Who looks at the device should look again."""
        self._changes.publish([Change("device", did)])

    async def flush(self) -> None:
        """Save what was heard now."""
        await self._notes.flush()

    def _check_signature(self, device: Device, sn: str, change: DeviceChange) -> None:
        """Of another camera that is to take the device's place, where that one knocks already."""
        waiting = self._room.find(sn)
        if waiting is None:
            return
        key = device.key if change.key is UNSET else change.key
        code = change.code
        if code is UNSET:
            code = self._store.devices.secrets(device.did).code
        fit = self._fit(waiting, key, code)
        if isinstance(fit, Fit):
            return
        # Anybody can knock with that sn: what no holder of a key has sent is in nobody's way.
        if fit.code == "code-mismatch" or has_proved_key(
            self.reasons_of_unknown(waiting.attempt, None)
        ):
            raise self._unfit(waiting, fit)

    def _fit(self, waiting: PendingDevice, key: str | None, code: str) -> Fit | RefusalReason:
        key = key or self.site_key()
        return fit_or_reason(waiting.attempt, keys=() if key is None else (key,), code=code)

    def _unfit(self, waiting: PendingDevice, reason: RefusalReason) -> WrongSignature:
        reasons = all_reasons(reason, waiting.time_reason)
        self._room.set_reasons(waiting.sn, reasons)
        return WrongSignature("; ".join(reason.sentence for reason in reasons))

    def _enrolled(self, device: Device, code: str) -> None:
        self._judge(device, code)
        self.tell_changed(device.did)

    def _judge(self, device: Device, code: str) -> None:
        """Tell at once whether the device, if it is knocking, will be let in as it is now."""
        waiting = self._room.find(device.sn) or self._room.failure(device.did)
        self._room.forget(device.sn)
        if waiting is None:
            return
        fit = fit_or_reason(waiting.attempt, keys=self.keys_of(device), code=code)
        reasons = list(all_reasons(fit, self._of_time(device, waiting)))
        if isinstance(fit, Fit):
            reasons += [reason for reason in waiting.reasons if reason.code in _AFTER_THE_SIGNATURE]
        self._room.reassess_failure(device.did, waiting, reasons)

    def _of_time(self, device: Device, waiting: PendingDevice) -> RefusalReason | None:
        """What still is wrong with the time of a connect: a clock need not be trusted."""
        was_accepted = self._store.tokens.was_accepted(waiting.sn, waiting.attempt.ts_text)
        return waiting.time_reason if device.clock_trusted or was_accepted else None

    def _site_key_changed(self) -> None:
        """Who waits for it, or signs with another key, is told so now."""
        for device in self._without_key():
            self._judge(device, self._store.devices.secrets(device.did).code)
        for waiting in self._room.pending():
            self._room.set_reasons(
                waiting.sn, self.reasons_of_unknown(waiting.attempt, waiting.time_reason)
            )
        self._changes.publish([Change("site")])

    def _without_key(self) -> tuple[Device, ...]:
        return tuple(device for device in self._store.devices.all() if device.key is None)

    async def _shut_out(self, did: str, why: str) -> None:
        self._shut_outs[did] += 1
        link = self._registry.get(did)
        if link is not None:
            link.close(why)
        await self._store.tokens.drop(did)

    def _view(self, device: Device) -> DeviceView:
        device = self._notes.latest(device)
        link = self._registry.get(device.did)
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
            waiting=None if link else self._room.failure(device.did),
            has_own_key=device.key is not None,
            previous_key_until=self._keys.previous_until(device),
            sign_form=device.sign_form,
            init_outcome=device.init_outcome,
            last_picture=self._pictures.path(device.did),
            created_at=device.created_at,
        )


def _is_judged_anew(change: DeviceChange) -> bool:
    """Whether a device that was not let in may be now, or for another reason."""
    return change.key is not UNSET or change.enabled is True or change.clock_trusted is False
