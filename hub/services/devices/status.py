"""Status that devices report: address, versions, last seen.

Updates are applied in memory at once and flushed to the store in batches.
"""

from __future__ import annotations

import logging
from typing import NoReturn

import msgspec
import trio
from msgspec.structs import replace

from hub.errors import HubError
from hub.live.registry import Registry
from hub.log import limited
from hub.store.tables.device_table import DeviceTable
from hub.store.tables.devices import Device, StatusUpdate

log = logging.getLogger(__name__)

FLUSH_SECONDS = 60.0
_LAST_FLUSH_SECONDS = 5.0


class DeviceStatus:
    """Collects status updates and saves them once a minute: a heartbeat costs no write."""

    def __init__(self, devices: DeviceTable, registry: Registry) -> None:
        self._devices = devices
        self._registry = registry
        #: By SN, so that a camera's reports are not applied to the one that replaces it.
        self._unsaved: dict[str, StatusUpdate] = {}

    def add(self, sn: str, note: StatusUpdate) -> None:
        """Merge the fields of the note that are not None into the camera's status."""
        earlier = self._unsaved.get(sn)
        self._unsaved[sn] = note if earlier is None else replace(earlier, **_given_fields(note))

    def latest(self, device: Device) -> Device:
        """Return the stored device, updated with what it has reported since."""
        note = self._unsaved.get(device.sn)
        return device if note is None else replace(device, **_given_fields(note))

    def ip(self, device: Device) -> str | None:
        """Return the address that a device stated last."""
        note = self._unsaved.get(device.sn)
        return device.ip if note is None or note.ip is None else note.ip

    def forget(self, sn: str) -> None:
        """Drop the reports of a camera that no longer belongs to a device."""
        self._unsaved.pop(sn, None)

    async def flush(self) -> None:
        """Save all updates. Raises CannotStoreNow; the next flush then tries again."""
        for did, last_seen in self._registry.take_unsaved().items():
            if (device := self._devices.by_did(did)) is not None:
                self.add(device.sn, StatusUpdate(last_seen=last_seen))
        notes = dict(self._unsaved)
        if not notes:
            return
        await self._devices.update_status(notes)
        for sn, note in notes.items():
            if self._unsaved.get(sn) is note:
                del self._unsaved[sn]

    async def keep_saving(self) -> NoReturn:
        """Flush every minute, and once more when cancelled."""
        try:
            while True:
                await trio.sleep(FLUSH_SECONDS)
                await self._flush_or_log()
        finally:
            with trio.move_on_after(_LAST_FLUSH_SECONDS, shield=True):
                await self._flush_or_log()

    async def _flush_or_log(self) -> None:
        try:
            await self.flush()
        except HubError as error:
            limited(
                log,
                logging.WARNING,
                "device status",
                "cannot save the status of devices: %s",
                error,
            )


def _given_fields(note: StatusUpdate) -> dict[str, object]:
    """Return the fields that are not None."""
    return {
        name: value for name, value in msgspec.structs.asdict(note).items() if value is not None
    }
