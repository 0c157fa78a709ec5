"""The directory of enrolled devices: looking up, adding, changing and removing them."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

import trio
from msgspec import UNSET
from msgspec.structs import replace

from hub.errors import Missing
from hub.live.feed import Change
from hub.live.presence import Presence
from hub.live.registry import Link
from hub.services.devices.csv_import import DeviceCsv, check_csv, read_csv, write_csv
from hub.services.devices.keys import DeviceKeys
from hub.services.devices.latest_pictures import LatestPictures
from hub.services.devices.overview import CameraOverview
from hub.services.devices.refusals import Refusals
from hub.services.devices.status import DeviceStatus
from hub.services.devices.validation import check_change, check_key, check_new
from hub.services.devices.views import DevicePage, DeviceView, DeviceViews
from hub.store.tables.devices import Device, DeviceChange, NewDevice, StatusUpdate
from hub.wire.uploads.bodies import DeviceInfo

if TYPE_CHECKING:
    from hub.services.core import Core

log = logging.getLogger(__name__)


class Devices:
    """The enrolled devices. When a call returns, its changes are durable and visible to all."""

    def __init__(self, core: Core, presence: Presence) -> None:
        self._store = core.store
        self._registry = registry = presence.registry
        self._pending = pending = presence.pending
        self._traces = presence.traces
        self._changes = core.changes
        self._status = DeviceStatus(core.store.devices, registry)
        self._pictures = LatestPictures(core.store.records, core.records)
        self.keys = DeviceKeys(core.store, core.now)
        self.refusals = Refusals(core.store, self.keys, pending)
        self._views = DeviceViews(
            registry,
            pending,
            self.keys,
            self._status,
            self._pictures,
        )
        #: All of them in few words, for lists of thousands.
        self.overview = CameraOverview(core.store.devices, registry, pending, self._status)
        #: A CSV file may have thousands of rows and keys, which would block the event loop.
        self._threads = trio.CapacityLimiter(1)
        #: did -> the number of the last change that ended its connection and its tokens, or of its
        #: enrolment; none of a device that is as it was when the hub started.
        self._change_numbers: dict[str, int] = {}
        self._numbers = itertools.count(1)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Regularly save what devices report, and follow their latest pictures."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self._pictures.follow)
            task_status.started()
            await self._status.keep_saving()

    # Look-up

    def addresses(self) -> Sequence[str]:
        """Return where the enabled devices connected from last, as far as it is known."""
        latest = [self._status.latest(one) for one in self._store.devices.all() if one.enabled]
        # Before the first connect to this version of the hub, only what the device stated is known.
        found = (device.address or device.ip for device in latest)
        return [address for address in found if address]

    def list(self) -> list[DeviceView]:
        return [self._views.view(device) for device in self._store.devices.all()]

    def names(self) -> dict[str, str]:
        """Return how each device is called, by did: one without a name by its serial number."""
        return {one.did: one.name or one.sn for one in self._store.devices.all()}

    def page(self, *, after: str | None, limit: int) -> DevicePage:
        """Return the first `limit` devices, in the order of their dids, after the did `after`.

        `after` need not be the did of a device.
        """
        found = self._store.devices.all(after)
        items = [self._views.view(device) for device in found[:limit]]
        return DevicePage(items, items[-1].did if len(found) > limit else None)

    def get(self, did: str) -> DeviceView:
        """Return what is known about a device. Raises NoSuchResource."""
        return self._views.view(self.device(did))

    def device(self, did: str) -> Device:
        """Return the stored device with its latest reports. Raises NoSuchResource."""
        device = self._store.devices.by_did(did)
        if device is None:
            raise Missing("device", did=did)
        return self._status.latest(device)

    def link(self, did: str) -> Link | None:
        """Return the connection on which the device is online."""
        return self._registry.get(did)

    # Changes

    async def add(self, new: NewDevice) -> DeviceView:
        """Enrol a device. Raises BadParameter, and AlreadyExists for its sn or did."""
        check_new(new)
        (device,) = await self._store.devices.add((new,))
        self._change_numbers[device.did] = next(self._numbers)
        log.info("device %s (%s) was added", device.did, device.name or device.sn)
        self.refusals.reassess(device, new.code)
        self.publish_change(device.did)
        return self._views.view(device)

    async def change(self, did: str, change: DeviceChange) -> DeviceView:
        """Change a device.

        A new sn, a new code or disabling ends the open connection and every token. A new key does
        not: the earlier one stays valid until the device signs with the new one, or for a week. A
        new sn means that another camera replaces a broken one (D3).

        Raises BadParameter, AlreadyExists for the sn, NoSuchResource, and WrongSignature if a
        pending device has the new sn, and code and key do not match its last signature.
        """
        before = self.device(did)
        check_change(change)
        if change.sn == before.sn:
            change = replace(change, sn=UNSET)
        if change.sn is not UNSET:
            self.refusals.check_replacement(before, change.sn, change)
        is_other = change.sn is not UNSET or change.code is not UNSET
        disconnects = (
            is_other
            or change.enabled is False
            or change.previous_key is None
            or change.pinned_address is not UNSET
        )
        if is_other or change.previous_key is None:
            change = replace(change, previous_key=None, previous_key_until=None)
        elif change.key is not UNSET:
            change = self.keys.with_grace(before, change)
        await self._store.devices.change(did, change, ends_tokens=disconnects)
        if change.sn is not UNSET:
            self._forget_camera(before)
            # What the camera before has shown says nothing about this one.
            self._pictures.forget(did)
        if disconnects:
            await self._disconnect(did, "the device was changed")
        if is_other or _may_change_refusal(change):
            self.refusals.reassess(self.device(did), self._store.devices.secrets(did).code)
        log.info("device %s (%s) was changed", did, before.name or before.sn)
        self.publish_change(did)
        return self.get(did)

    async def remove(self, did: str) -> None:
        """Remove a device; its records stay. Raises NoSuchResource."""
        device = self.device(did)
        await self._store.devices.remove(did)
        await self._disconnect(did, "the device was removed")
        self._registry.forget(did)
        self._forget_camera(device)
        self._change_numbers.pop(did, None)
        self._pictures.forget(did)
        log.info("device %s (%s) was removed", did, device.name or device.sn)
        self.publish_change(did)

    def change_number(self, did: str) -> int:
        """Return a number that is another one after a change that ends connection and tokens.

        Compare the numbers before and after waiting, to find out whether a check still holds.
        """
        return self._change_numbers.get(did, 0) if self._store.devices.by_did(did) else -1

    def publish_change(self, did: str) -> None:
        """Tell subscribers that the device changed."""
        self._changes.publish([Change("device", did)])

    # CSV

    async def read_csv(self, text: str) -> DeviceCsv:
        """Read the rows of a CSV file. Raises BadCsv."""
        return await trio.to_thread.run_sync(read_csv, text, limiter=self._threads)

    async def check_import(self, csv_file: DeviceCsv) -> None:
        """Check whether `import_csv` would accept the rows. Raises BadCsv."""
        known = self._store.devices.all()
        taken = {("sn", device.sn) for device in known} | {("did", device.did) for device in known}
        await trio.to_thread.run_sync(check_csv, csv_file, taken, limiter=self._threads)

    async def import_csv(self, csv_file: DeviceCsv) -> tuple[Device, ...]:
        """Add all devices or none. Raises BadCsv, which names every bad row."""
        await self.check_import(csv_file)
        added = await self._store.devices.add([row.device for row in csv_file.rows])
        pending = {device.sn for device in self._pending.pending()}
        for device, row in zip(added, csv_file.rows, strict=True):
            self._change_numbers[device.did] = next(self._numbers)
            if device.sn in pending:
                self.refusals.reassess(device, row.device.code)
        self._changes.publish([Change("device", device.did) for device in added])
        log.info("%d devices were imported", len(added))
        return added

    def export_csv(self) -> str:
        """Return all devices as CSV in the columns of an import, without their codes."""
        return write_csv(self._store.devices.all())

    # The site key

    def site_key(self) -> str | None:
        """Return the public key (PEM) for devices that have none of their own."""
        return self.keys.site_key()

    async def set_site_key(self, pem: str) -> None:
        """Replace the site key. Raises BadParameter.

        The earlier key stays valid for each device that signs with it, until the device signs with
        the new one, or for a week.
        """
        check_key(pem)
        await self.keys.replace_site_key(pem)
        self._site_key_changed()

    async def remove_site_key(self) -> None:
        """Remove the site key, and disconnect the devices that have no key of their own."""
        await self.keys.replace_site_key(None)
        for device in self.keys.devices_of_site_key():
            await self._disconnect(device.did, "the site key was removed")
        self._site_key_changed()

    # What devices report

    def note(
        self,
        sn: str,
        *,
        ip: str | None = None,
        address: str | None = None,
        clock_offset: float | None = None,
        sign_form: str | None = None,
    ) -> None:
        """Remember what was observed about a camera; the next flush saves it.

        `ip`: what it states. `address`: where a good connect came from.
        """
        update = StatusUpdate(
            ip=ip, address=address, clock_offset=clock_offset, sign_form=sign_form
        )
        self._status.add(sn, update)

    def note_facts(self, device: Device, *, address: str, firmware: str) -> None:
        """D12: remember where an unsigned camera was admitted, and its firmware."""
        update = StatusUpdate(ip=address, address=address, fw_ver=firmware or None)
        self._status.add(device.sn, update)

    def note_report(self, device: Device, info: DeviceInfo) -> None:
        """2.2: remember the versions and the name that a device reported."""
        self._status.add(
            device.sn,
            StatusUpdate(
                fw_ver=info.fw_ver,
                sw_ver=info.sw_ver,
                os_ver=info.os_ver,
                hw_ver=info.hw_ver,
                dev_name=info.dev_name,
            ),
        )
        self.publish_change(device.did)

    async def flush(self) -> None:
        """Save what was reported now. Raises CannotStoreNow."""
        await self._status.flush()

    def _site_key_changed(self) -> None:
        self.refusals.reassess_site_key_devices()
        self._changes.publish([Change("site")])

    def _forget_camera(self, device: Device) -> None:
        """Drop what was observed about a camera that no longer belongs to this device."""
        self._status.forget(device.sn)
        self._pending.forget_failure(device.did)
        self._traces.forget(device.sn)

    async def _disconnect(self, did: str, why: str) -> None:
        self._change_numbers[did] = next(self._numbers)
        link = self._registry.get(did)
        if link is not None:
            link.close(why)
        await self._store.tokens.drop(did)


def _may_change_refusal(change: DeviceChange) -> bool:
    """Whether the device may now be admitted, or be refused for another reason."""
    return change.key is not UNSET or change.enabled is True or change.clock_trusted is False
