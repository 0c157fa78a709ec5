"""The public keys that verify a device's signature, and how a key is replaced without a gap.

The hub gets the new key of a device, or of the site, before the camera signs with it. The key that
the device last signed with therefore stays valid until the device signs with the new one, or for a
week.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import UNSET
from msgspec.structs import replace

from hub.services.devices.verification import is_same_key
from hub.services.expiry import is_current
from hub.store.db import Store
from hub.store.tables.devices import Device, DeviceChange

SITE_KEY = "site.key"

GRACE_MS = 7 * 86_400_000


class DeviceKeys:
    """The keys of devices and of the site, all as PEM texts."""

    def __init__(self, store: Store, now: Callable[[], float]) -> None:
        self._store = store
        self._now = now

    def site_key(self) -> str | None:
        """Return the key of all devices that have none of their own."""
        return self._store.settings.get(SITE_KEY)

    def of(self, device: Device) -> tuple[str, ...]:
        """Return the keys that verify the device, the one that it should use first."""
        previous = self._previous(device)
        return self.or_site_key(device.key) + (() if previous is None else (previous,))

    def or_site_key(self, key: str | None) -> tuple[str, ...]:
        """Return the key or, if it is None, the site key, if any."""
        key = key or self.site_key()
        return () if key is None else (key,)

    def devices_of_site_key(self) -> tuple[Device, ...]:
        """Return the devices without a key of their own."""
        return tuple(device for device in self._store.devices.all() if device.key is None)

    def previous_until(self, device: Device) -> int | None:
        """Return until when an earlier key is valid (UNIX milliseconds); None if there is none."""
        return None if self._previous(device) is None else device.previous_key_until

    def with_grace(self, device: Device, change: DeviceChange) -> DeviceChange:
        """Extend a change of the key, so that the key used until now stays valid for a week."""
        used = self._previous(device) or device.key or self.site_key()
        new = self.site_key() if change.key is UNSET or change.key is None else change.key
        if used is None or (new is not None and is_same_key(used, new)):
            return replace(change, previous_key=None, previous_key_until=None)
        return replace(change, previous_key=used, previous_key_until=self._grace_until())

    async def settle(self, device: Device, key: str) -> None:
        """Drop the previous key if `key`, which the device has signed with, is the new one."""
        if device.previous_key is None or key == device.previous_key:
            return
        # Unless it got another key meanwhile, with which it does not sign yet.
        if device == self._store.devices.by_did(device.did):
            forget = DeviceChange(previous_key=None, previous_key_until=None)
            await self._store.devices.change(device.did, forget)

    async def replace_site_key(self, pem: str | None) -> None:
        """Set the site key; None removes it and every earlier key."""
        earlier = self.site_key()
        if pem is None:
            await self._store.devices.forget_previous_keys()
        elif earlier is not None and not is_same_key(earlier, pem):
            await self._store.devices.keep_previous_key(earlier, self._grace_until())
        await self._store.settings.set(SITE_KEY, pem)

    def _previous(self, device: Device) -> str | None:
        until = device.previous_key_until
        is_valid = until is not None and is_current(until, self._now_ms(), GRACE_MS)
        return device.previous_key if is_valid else None

    def _grace_until(self) -> int:
        return self._now_ms() + GRACE_MS

    def _now_ms(self) -> int:
        return int(self._now() * 1000)
