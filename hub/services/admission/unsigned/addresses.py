"""Secret addresses: each unsigned camera reaches the hub by a path that it alone knows (D12)."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

from hub.errors import AlreadyExists, BadParameter, DeviceOffline, DeviceRefused, HubError, NotSent
from hub.live.registry import Link, Registry
from hub.services.admission.unsigned.paths import PREFIX, hash_secret, new_secret
from hub.services.devices.directory import Devices
from hub.store.tables.devices import Device, DeviceChange
from hub.wire.commands.edition_3_commands import SET_SERVER
from hub.wire.commands.edition_3_params import ServerSet, ServerSocket

if TYPE_CHECKING:
    from hub.services.core import Core

log = logging.getLogger(__name__)

#: A name or an address, and a port; without one it is that of the scheme.
_HOST = re.compile(r"([A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?")


class AnotherIsMoving(AlreadyExists):
    """Another camera was sent its address, and has not come back by it. `name`: which one."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} was sent its address and has not come back by it yet")
        self.name = name


class SecretAddresses:
    """Gives cameras their addresses, one camera at a time."""

    def __init__(self, core: Core, registry: Registry, devices: Devices) -> None:
        self._store = core.store
        self._registry = registry
        self._devices = devices
        self._settings = core.settings
        #: The did of the device whose address is being stored, to be sent then.
        self._giving = ""

    def moving(self) -> list[Device]:
        """Return the devices that were sent an address and have not come back by it."""
        found = self._store.devices.all()
        return [one for one in found if one.next_path_hash is not None or one.did == self._giving]

    async def give(self, did: str) -> None:
        """Send an online device a new address of the hub, and close its connection.

        It is then to come back by that address; until it has, the one before is good as well.
        Raises NoSuchResource, BadParameter, AnotherIsMoving, NotSent, Unanswered (it may have taken
        it), DeviceRefused, DeviceNonsense and CannotStoreNow.
        """
        device = self._devices.device(did)
        if device.connects != "unsigned":
            raise BadParameter("only for devices that connect without a signature")
        if moving := self.moving():
            # Also itself: it may have taken the one that it was sent.
            raise AnotherIsMoving(moving[0].name or moving[0].sn)
        link = self._registry.get(did)
        if link is None:
            raise DeviceOffline("the device is offline")
        secret = new_secret()
        param = self._param(link, secret)
        await self._promise(did, secret)
        try:
            answer = await link.request(SET_SERVER.uri, param, seconds=SET_SERVER.seconds)
        except NotSent:
            await self._forget(did)
            raise
        if answer.code not in SET_SERVER.ok_codes:
            await self._forget(did)
            raise DeviceRefused(answer.code, answer.msg[:200])
        log.info("device %s was sent an address of its own", did)
        link.close("it has an address of its own now: it connects by it")

    async def withdraw(self, did: str) -> None:
        """Let a device connect by any address again: it has lost its own, or never came by it.

        Raises NoSuchResource, CannotStoreNow.
        """
        await self._devices.change(did, DeviceChange(path_hash=None, next_path_hash=None))

    async def _promise(self, did: str, secret: str) -> None:
        """Store the address that the device is about to be sent. Raises CannotStoreNow."""
        self._giving = did
        try:
            await self._devices.change(did, DeviceChange(next_path_hash=hash_secret(secret)))
        finally:
            self._giving = ""

    async def _forget(self, did: str) -> None:
        try:
            await self._devices.change(did, DeviceChange(next_path_hash=None))
        except HubError as error:
            log.warning("cannot forget the address that %s did not take: %s", did, error)

    def _param(self, link: Link, secret: str) -> ServerSet:
        """The addresses, with the host by which the device has reached the hub.

        Raises BadParameter.
        """
        scheme, _, host = link.hub_address.partition("://")
        found = _HOST.fullmatch(host)
        if found is None:
            raise BadParameter("the device does not say by which address it reaches the hub")
        path = f"{PREFIX}{secret}"
        return ServerSet(
            websocket=ServerSocket(enable=True, websocket_addr=f"{scheme}://{host}{path}"),
            http_addr=f"{self._http_base(found[1], is_plain=scheme == 'ws')}{path}",
        )

    def _http_base(self, name: str, *, is_plain: bool) -> str:
        config = self._settings.current
        if is_plain and config.devices.plain_http_port:
            return f"http://{name}:{config.devices.plain_http_port}"
        return f"{'https' if config.web.tls else 'http'}://{name}:{config.web.port}"
