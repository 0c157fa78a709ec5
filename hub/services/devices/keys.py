"""Which public keys a device's signature is checked with, and how a key is replaced without a gap.

A device, or the site, is given its new key before the camera signs with it. So the key that a
device was seen to sign with stays good beside the new one, until it signs with that, or for a week.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import UNSET
from msgspec.structs import replace

from hub.services.devices.verification import is_same_key
from hub.store.db import Store
from hub.store.tables.devices import Device, DeviceChange

SITE_KEY = "site.key"

GRACE_MS = 7 * 86_400_000


class DeviceKeys:
    def __init__(self, store: Store, now: Callable[[], float]) -> None:
        self._store = store
        self._now = now

    def site_key(self) -> str | None:
        """The public key, as PEM, of devices that have none of their own."""
        return self._store.settings.get(SITE_KEY)

    def of(self, device: Device) -> tuple[str, ...]:
        """What the device's signature is checked with; the key that it should use comes first."""
        key = device.key or self.site_key()
        previous = self._previous(device)
        return tuple(pem for pem in (key, previous) if pem is not None)

    def previous_until(self, device: Device) -> int | None:
        """Until when an earlier key is good, in milliseconds; None where none is."""
        return None if self._previous(device) is None else device.previous_key_until

    def with_grace(self, device: Device, change: DeviceChange) -> DeviceChange:
        """A change of the key alone, with what becomes of the one that the device signs with."""
        used = self._previous(device) or device.key or self.site_key()
        new = self.site_key() if change.key is UNSET or change.key is None else change.key
        if used is None or (new is not None and is_same_key(used, new)):
            return replace(change, previous_key=None, previous_key_until=None)
        return replace(change, previous_key=used, previous_key_until=self._grace_until())

    async def settle(self, device: Device, key: str) -> None:
        """The device signed with `key`: with its new one, the earlier is good no more."""
        if device.previous_key is None or key == device.previous_key:
            return
        # Not where somebody gave it another key meanwhile: it does not sign with that one yet.
        if device == self._store.devices.by_did(device.did):
            forget = DeviceChange(previous_key=None, previous_key_until=None)
            await self._store.devices.change(device.did, forget)

    async def replace_site_key(self, pem: str | None) -> None:
        """None: there is none any more, and no earlier one stays good."""
        earlier = self.site_key()
        if pem is None:
            await self._store.devices.forget_previous_keys()
        elif earlier is not None and not is_same_key(earlier, pem):
            await self._store.devices.keep_previous_key(earlier, self._grace_until())
        await self._store.settings.set(SITE_KEY, pem)

    def _previous(self, device: Device) -> str | None:
        until = device.previous_key_until
        return device.previous_key if until is not None and until > self._now_ms() else None

    def _grace_until(self) -> int:
        return self._now_ms() + GRACE_MS

    def _now_ms(self) -> int:
        return int(self._now() * 1000)
