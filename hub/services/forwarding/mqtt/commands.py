"""What a broker may ask of the hub, if that is switched on: two things, and nothing else."""

from __future__ import annotations

import logging

import trio

from hub.errors import HubError
from hub.folding import visible
from hub.services.audit import Actor
from hub.services.forwarding.mqtt.site_view import SiteView

log = logging.getLogger(__name__)

REBOOT, ACKNOWLEDGE = b"reboot", b"acknowledge"
#: A camera is not restarted more often.
_REBOOT_SECONDS = 60.0


class BrokerCommands:
    """Carries out commands in the name of a target."""

    def __init__(self, site: SiteView, target: str) -> None:
        self._site = site
        self._by = Actor(f"target {target}")
        self._rebooted: dict[str, float] = {}

    async def perform(self, did: str, command: bytes) -> None:
        """Carry out a command for a camera, or for the hub itself (""). Raises nothing."""
        try:
            if command == ACKNOWLEDGE:
                await self._site.acknowledge(did, self._by)
            elif command == REBOOT and did and self._may_reboot(did):
                await self._site.reboot(did, self._by)
            else:
                log.warning("a command by MQTT is not carried out: %s", visible(str(command[:40])))
        except HubError as error:
            log.warning("a command by MQTT for %s has failed: %s", visible(did), error)

    def _may_reboot(self, did: str) -> bool:
        now = trio.current_time()
        if now - self._rebooted.get(did, -_REBOOT_SECONDS) < _REBOOT_SECONDS:
            return False
        if self._site.camera(did) is None:
            return False
        self._rebooted[did] = now
        return True
