"""Tells cameras of edition 3 to ask for their release, which they do not by themselves (D12).

One that may update is told once on each connection, so a camera whose download failed is told again
when it comes back. Who may update, campaigns decide: an administrator started them.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NoReturn

import trio

from hub.errors import HubError
from hub.live.feed import keys_of, of_kinds
from hub.live.registry import Link
from hub.services.commands.abilities import Abilities
from hub.services.commands.calls import Commands
from hub.services.devices.directory import Devices
from hub.services.firmware.campaigns import Campaigns
from hub.wire.commands.capabilities import Capabilities, supposed_edition
from hub.wire.commands.edition_3_commands import OTA_START

if TYPE_CHECKING:
    from hub.services.core import Core

log = logging.getLogger(__name__)

#: Cameras that are told at the same time.
_AT_ONCE = 8


class FirmwarePrompts:
    """Start `run` in a nursery."""

    def __init__(
        self,
        core: Core,
        campaigns: Campaigns,
        devices: Devices,
        commands: Commands,
        abilities: Abilities,
    ) -> None:
        self._campaigns = campaigns
        self._devices = devices
        self._commands = commands
        self._change_feed = core.changes
        self._abilities = abilities
        self._limit = trio.CapacityLimiter(_AT_ONCE)
        #: did -> the connection on which it was told.
        self._told: dict[str, Link] = {}

    async def run(
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> NoReturn:
        """Tell cameras when a campaign reaches them, or when they come, until cancelled."""
        with self._change_feed.subscribe(4096, wants=of_kinds("device", "firmware")) as changes:
            async with trio.open_nursery() as nursery:
                task_status.started()
                self._look(nursery, None)
                while True:
                    changed = await changes.next()
                    if any(change.kind == "firmware" for change in changed):
                        self._look(nursery, None)
                    elif (dids := keys_of("device", changed)) != set():
                        self._look(nursery, dids)
        raise AssertionError("it runs until it is cancelled")

    def _look(self, nursery: trio.Nursery, dids: set[str] | None) -> None:
        """Tell these devices, or all, that may update and were not told on their connection."""
        waiting = self._campaigns.waiting_dids()
        self._told = {did: link for did, link in self._told.items() if did in waiting}
        for did in waiting if dids is None else waiting & dids:
            link = self._devices.link(did)
            if link is None or self._told.get(did) is link:
                continue
            if has_to_be_told(self._abilities.of(did)):
                self._told[did] = link
                nursery.start_soon(self._tell, did)

    async def _tell(self, did: str) -> None:
        async with self._limit:
            try:
                await self._commands.call(did, OTA_START, OTA_START.example)
            except HubError as error:
                log.info("device %s was told to ask for its release: %s", did, error.message)


def has_to_be_told(known: Capabilities) -> bool:
    """Whether the camera does not ask for a release by itself."""
    if known.firmware_steps is None:
        return supposed_edition(known) == 3
    return known.firmware_steps == 2
