"""Finds out which edition of the protocol a camera that signs has, by asking `get_info` (D12).

The question only reads. A camera is asked once per connection, if it shows signs of edition 2 or 3
and has not answered before. Cameras that do not sign are asked elsewhere, when they connect.
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
from hub.wire.commands.capabilities import needs_inquiry
from hub.wire.commands.edition_3_commands import GET_INFO

if TYPE_CHECKING:
    from hub.services.core import Core

log = logging.getLogger(__name__)

#: Cameras that are asked at the same time.
_AT_ONCE = 8


class CameraInquiries:
    """Asks cameras which edition they have, while `run` runs in a nursery."""

    def __init__(
        self, core: Core, devices: Devices, commands: Commands, abilities: Abilities
    ) -> None:
        self._devices = devices
        self._commands = commands
        self._change_feed = core.changes
        self._abilities = abilities
        self._limit = trio.CapacityLimiter(_AT_ONCE)
        #: did -> the connection on which it was asked.
        self._asked: dict[str, Link] = {}

    async def run(
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> NoReturn:
        """Ask each new connection what it can do (get_info), if that is not known, until cancelled.

        A camera that shows signs of another edition is asked again. At most _AT_ONCE at a time.
        """
        with self._change_feed.subscribe(4096, wants=of_kinds("device")) as changes:
            async with trio.open_nursery() as nursery:
                task_status.started()
                while True:
                    dids = keys_of("device", await changes.next())
                    if dids is None:
                        dids = {device.did for device in self._devices.list()}
                    for did in dids:
                        self._look_at(nursery, did)
        raise AssertionError("it runs until it is cancelled")

    def _look_at(self, nursery: trio.Nursery, did: str) -> None:
        link = self._devices.link(did)
        if link is None:
            self._asked.pop(did, None)
        elif self._asked.get(did) is not link and needs_inquiry(self._abilities.of(did)):
            self._asked[did] = link
            nursery.start_soon(self._ask, did)

    async def _ask(self, did: str) -> None:
        async with self._limit:
            try:
                # What follows from the answer is learnt where it arrives.
                await self._commands.call(did, GET_INFO, GET_INFO.example)
            except HubError as error:
                log.info("device %s was asked what it is: %s", did, error.message)
