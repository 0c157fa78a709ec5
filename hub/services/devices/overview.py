"""All cameras in few words, by name: what lists of thousands of them need of each."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from hub.live.pending_devices import PendingDevice, PendingDevices
from hub.live.registry import Registry
from hub.services.devices.status import DeviceStatus
from hub.store.tables.device_table import DeviceTable
from hub.store.tables.devices import Device

State = Literal["online", "offline", "disabled"]


class CameraSummary(Struct, frozen=True):
    """A camera. `name`: its SN if it has none. `waiting`: as in `DeviceView`."""

    did: str
    name: str
    sn: str
    state: State
    waiting: PendingDevice | None


class CameraOverview:
    """Reads all cameras. They are sorted when one comes, goes or gets a name, not by each reader.

    So a page of a site with thousands of cameras costs few milliseconds.
    """

    def __init__(
        self,
        devices: DeviceTable,
        registry: Registry,
        pending: PendingDevices,
        status: DeviceStatus,
    ) -> None:
        self._devices = devices
        self._registry = registry
        self._pending = pending
        self._status = status
        self._dids: tuple[str, ...] = ()
        #: The number of the last change of a name that `_dids` knows of.
        self._known = -1

    @property
    def count(self) -> int:
        """How many cameras there are."""
        return self._devices.count

    def all(self) -> list[CameraSummary]:
        """Return all cameras by name, ignoring case."""
        if self._known != self._devices.name_changes:
            self._known = self._devices.name_changes
            self._dids = tuple(one.did for one in sorted(self._devices.all(), key=_sort_key))
        found = map(self._devices.by_did, self._dids)
        return [self._summary(device) for device in found if device is not None]

    def ip(self, did: str) -> str:
        """Return the address that a camera reported last; "" if it is not known."""
        device = self._devices.by_did(did)
        return "" if device is None else self._status.ip(device) or ""

    def _summary(self, device: Device) -> CameraSummary:
        is_online = self._registry.get(device.did) is not None
        return CameraSummary(
            did=device.did,
            name=device.name or device.sn,
            sn=device.sn,
            state=("online" if is_online else "offline") if device.enabled else "disabled",
            waiting=None if is_online else self._pending.failure(device.did),
        )


def sort_key(name: str, did: str) -> tuple[str, int, str]:
    """Return the place of a camera in lists by name."""
    return name.casefold(), len(did), did


def _sort_key(device: Device) -> tuple[str, int, str]:
    return sort_key(device.name or device.sn, device.did)
