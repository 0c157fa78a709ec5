"""The door or relay of a camera: set up by administrators, switched by guards (2.8, D12)."""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import trio
from msgspec import Struct
from msgspec.structs import replace

from hub.errors import (
    BadParameter,
    DeviceBusy,
    DeviceOffline,
    TooManyRequests,
    existing,
)
from hub.net.http_client import HttpPlace, OpenConnection, open_connection
from hub.net.own_address import leads_to_us
from hub.services.audit import Actor
from hub.services.camera_functions.relays.camera_calls import RelayCall, RelayCredentials
from hub.services.camera_functions.relays.faults import RelayFault, fault
from hub.services.camera_functions.relays.validation import (
    check_reachable,
    checked_name,
    checked_password,
    checked_port,
    checked_seconds,
    checked_username,
    normal_address,
)
from hub.services.changes import acts_outside
from hub.services.devices.directory import Devices
from hub.store.tables.device_relays import DeviceRelay, RelayKind
from hub.store.tables.devices import Device

if TYPE_CHECKING:
    from hub.services.core import Core

log = logging.getLogger(__name__)

#: The relay of a camera is switched on at most once in so many seconds.
PAUSE_SECONDS = 2.0


class RelaySettings(Struct, frozen=True, kw_only=True):
    """What an administrator sets. `address` "": the one that the camera is connected from.

    `password` "": the present one stays; it must be entered again when the address, the port, TLS
    or the user name changes.
    """

    name: str
    kind: RelayKind = "door"
    seconds: int = 5
    address: str = ""
    port: int = 80
    tls: bool = False
    username: str
    password: str = ""

    def __repr__(self) -> str:
        return f"RelaySettings({self.name!r})"


class Relays:
    """The relays of all cameras. What is done is in the audit log, without secrets."""

    def __init__(
        self,
        core: Core,
        devices: Devices,
        *,
        connect: OpenConnection = open_connection,
        is_ours: Callable[[str, int], Awaitable[bool]] | None = None,
        allow_loopback: bool = False,
    ) -> None:
        """`connect` replaces the network.

        `allow_loopback`: for simulated cameras; an address may then be of this computer.
        """
        self._store = core.store
        self._devices = devices
        self._audit = core.audit
        self._settings = core.settings
        self._connect = connect
        self._allow_loopback = allow_loopback
        self._is_ours = is_ours or _is_ours
        #: The cameras that are being asked, and when each was switched on last, by trio's clock.
        self._busy: set[str] = set()
        self._switched: dict[str, float] = {}
        #: Cameras that refused the password; after a few more a camera may lock the account.
        self._refused: set[str] = set()

    def get(self, did: str) -> DeviceRelay | None:
        """Return the relay of a device; None if it has none. Raises NoSuchResource."""
        return self._store.relays.get(self._devices.device(did).did)

    def within_reach(self, did: str) -> DeviceRelay | None:
        """Return the relay of a device; None if it has none, or its camera is away now.

        None also if there is no such device.
        """
        relay = self._store.relays.get(did)
        return None if relay is None or self._is_away(relay) else relay

    def own_address(self, did: str) -> str:
        """Return where a camera is connected from, or was last; "" if that is not known."""
        device = self._devices.device(did)
        if device.connects == "unsigned":
            return normal_address(device.pinned_address or "")
        link = self._devices.link(did)
        return normal_address((device.address if link is None else link.address) or "")

    async def set(self, did: str, settings: RelaySettings, *, by: Actor) -> DeviceRelay:
        """Set up the relay of a device, or change it. Raises BadParameter, NoSuchResource."""
        device = self._devices.device(did)
        before = self._store.relays.get(did)
        relay = await self._checked(device, settings)
        password = self._password_for(relay, before, settings.password)
        if before is not None and not settings.password:
            relay = replace(relay, certificate=before.certificate)
        await self._store.relays.put(relay, password, device.sn)
        self._refused.discard(did)
        await self._audit.add(by, "device.relay_set", f"{did} {relay.name}")
        self._devices.publish_change(did)
        return relay

    async def remove(self, did: str, *, by: Actor) -> DeviceRelay:
        """Remove the relay of a device, with its password; return it. Raises NoSuchResource."""
        relay = self._existing(did)
        await self._store.relays.remove(did)
        self._refused.discard(did)
        await self._audit.add(by, "device.relay_remove", f"{did} {relay.name}")
        self._devices.publish_change(did)
        return relay

    async def switch(self, did: str, *, on: bool, by: Actor) -> DeviceRelay:
        """Switch a relay on, for as long as it is set to, or off at once; return it.

        Raises RelayFault, whose reason is in the audit log as well, and NoSuchResource,
        DeviceOffline, DeviceBusy and TooManyRequests, for which nothing was tried.
        """
        relay = self._existing(did)
        acts_outside()
        self._begin(did, on)
        try:
            await self._switch(relay, on)
        except RelayFault as failure:
            if failure.reason == "password":
                self._refused.add(did)
            target = f"{did} {relay.name} ({failure.reason})"
            await self._audit.add(by, "device.relay_failed", target)
            raise
        finally:
            self._busy.discard(did)
        log.info("the relay of device %s was switched %s", did, "on" if on else "off")
        action = "device.relay_on" if on else "device.relay_off"
        await self._audit.add(by, action, f"{did} {relay.name}")
        return relay

    async def _switch(self, relay: DeviceRelay, on: bool) -> None:
        did = relay.did
        password = self._store.relays.password(did)
        await self._check_place(relay)
        if did in self._refused:
            raise fault("password-before")
        call = RelayCall(
            self._connect,
            HttpPlace(relay.address, relay.port, relay.tls),
            relay.certificate,
            lambda certificate: self._store.relays.pin(relay, certificate),
        )
        credentials = RelayCredentials(relay.username, password)
        await call.switch(credentials, on=on, seconds=relay.seconds)

    async def _check_place(self, relay: DeviceRelay) -> None:
        """Check that the camera is still where its password may be sent.

        Somebody else may have its former address now. Raises DeviceOffline, RelayFault.
        """
        if self._is_away(relay):
            raise DeviceOffline(f"device {relay.did} is not connected")
        if relay.is_own and self.own_address(relay.did) != relay.address:
            raise fault("moved")
        if await self._is_this_hub(relay.address, relay.port):
            raise fault("this-hub")

    def _is_away(self, relay: DeviceRelay) -> bool:
        """Whether nothing is sent: the camera is disabled, or has to be connected and is not."""
        is_connected = self._devices.link(relay.did) is not None
        is_enabled = self._devices.device(relay.did).enabled
        return not is_enabled or (relay.is_own and not is_connected)

    def _begin(self, did: str, on: bool) -> None:
        """Note that a camera is asked. Raises DeviceBusy, TooManyRequests."""
        if did in self._busy:
            raise DeviceBusy("the relay is being switched already")
        now = trio.current_time()
        if on:
            if now - self._switched.get(did, -math.inf) < PAUSE_SECONDS:
                raise TooManyRequests("the relay was just switched on", retry_after=2)
            self._switched[did] = now
        self._busy.add(did)

    def _existing(self, did: str) -> DeviceRelay:
        return existing(self.get(did), "relay", did=did)

    async def _checked(self, device: Device, settings: RelaySettings) -> DeviceRelay:
        """Return the relay that settings describe, without a certificate. Raises BadParameter."""
        own = self.own_address(device.did)
        address = normal_address(settings.address) if settings.address.strip() else own
        if not address:
            text = "an IP address is expected: the hub does not know that of the camera"
            raise BadParameter(text, field="address")
        relay = DeviceRelay(
            did=device.did,
            name=checked_name(settings.name),
            kind=settings.kind,
            seconds=checked_seconds(settings.seconds),
            address=address,
            is_own=address == own,
            port=checked_port(settings.port),
            tls=settings.tls,
            certificate="",
            username=checked_username(settings.username),
        )
        check_reachable(
            address,
            self._settings.current.devices.unsigned_networks,
            is_own=relay.is_own,
            allow_loopback=self._allow_loopback,
        )
        if await self._is_this_hub(address, relay.port):
            raise BadParameter("an address of another computer than this hub", field="address")
        return relay

    async def _is_this_hub(self, address: str, port: int) -> bool:
        return not self._allow_loopback and await self._is_ours(address, port)

    def _password_for(self, relay: DeviceRelay, before: DeviceRelay | None, password: str) -> str:
        """Return the password to store. Raises BadParameter if it has to be entered."""
        if password:
            return checked_password(password, relay.username)
        if before is None:
            raise BadParameter("the password of the camera is expected", field="password")
        if _place_of(relay) != _place_of(before):
            text = "enter it again: the address, the port, TLS or the user name has changed"
            raise BadParameter(text, field="password", fault="again")
        return self._store.relays.password(relay.did)


def _place_of(relay: DeviceRelay) -> tuple[object, ...]:
    return relay.address, relay.port, relay.tls, relay.username


async def _is_ours(address: str, port: int) -> bool:
    """Whether an address is of this computer, on whichever port."""
    return await leads_to_us(address, port, frozenset({port}))
