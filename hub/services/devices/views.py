"""Devices as pages and integrators see them: stored, reported and live facts in one struct."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from hub.live.pending_devices import PendingDevice, PendingDevices
from hub.live.registry import Registry
from hub.services.devices.keys import DeviceKeys
from hub.services.devices.latest_pictures import LatestPictures
from hub.services.devices.status import DeviceStatus
from hub.store.tables.devices import Connects, Device, Suspicion

#: D12: whether an unsigned device has a secret address, was sent one and has not come back by it,
#: or has none.
PathState = Literal["none", "sent", "used"]


class DeviceView(Struct, frozen=True, kw_only=True):
    """A device as pages and integrators see it. Times are UNIX milliseconds.

    `waiting`: the last connect of an offline device, if it failed and is still known.
    `init_outcome`: the outcome of sending the initial parameters (D3). `clock_offset`: seconds,
    positive if its clock is ahead. `previous_key_until`: until when an earlier key is valid too.
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
    waiting: PendingDevice | None
    has_own_key: bool
    previous_key_until: int | None
    sign_form: str | None
    init_outcome: str | None
    last_picture: str | None
    created_at: int
    connects: Connects = "signed"
    #: D12: of an unsigned one, what it is held to, and what did not fit since somebody looked.
    pinned_address: str | None = None
    pinned_mac: str | None = None
    pinned_devid: str | None = None
    path_state: PathState = "none"
    suspect: Suspicion | None = None
    suspect_address: str | None = None
    suspect_mac: str | None = None
    suspect_at: int | None = None
    #: A part of it, or of its secrets, cannot be read.

    @property
    def waiting_reason(self) -> str | None:
        return self.waiting.reason if self.waiting else None


class DevicePage(Struct, frozen=True):
    """`next`: the did after which the list continues; None at its end."""

    items: list[DeviceView]
    next: str | None


class DeviceViews:
    """Combines the store's row of a device with its status, connection and refusals."""

    def __init__(
        self,
        registry: Registry,
        pending: PendingDevices,
        keys: DeviceKeys,
        status: DeviceStatus,
        pictures: LatestPictures,
    ) -> None:
        self._registry = registry
        self._pending = pending
        self._keys = keys
        self._status = status
        self._pictures = pictures

    def view(self, device: Device) -> DeviceView:
        device = self._status.latest(device)
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
            waiting=None if link else self._pending.failure(device.did),
            has_own_key=device.key is not None,
            previous_key_until=self._keys.previous_until(device),
            sign_form=device.sign_form,
            init_outcome=device.init_outcome,
            last_picture=self._pictures.path(device.did),
            created_at=device.created_at,
            connects=device.connects,
            pinned_address=device.pinned_address,
            pinned_mac=device.pinned_mac,
            pinned_devid=device.pinned_devid,
            path_state=_path_state(device),
            suspect=device.suspect,
            suspect_address=device.suspect_address,
            suspect_mac=device.suspect_mac,
            suspect_at=device.suspect_at,
        )


def _path_state(device: Device) -> PathState:
    if device.next_path_hash is not None:
        return "sent"
    return "none" if device.path_hash is None else "used"
