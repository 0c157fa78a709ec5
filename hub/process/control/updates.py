"""Requests about updates of the hub itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub.process.control.request import ControlRequest
from hub.services.audit import COMMAND_LINE
from hub.services.updates.check import Offer

if TYPE_CHECKING:
    from hub.services import Services


class InstallUpdate(ControlRequest[None], frozen=True, tag="update.install"):
    """Install an update that the command has received and checked. A running hub restarts."""

    offer: Offer

    async def perform(self, services: Services) -> None:
        await services.upkeep.updates.load()
        faults = [fault.code for fault in services.upkeep.health.faults()]
        await services.upkeep.updates.install(self.offer, COMMAND_LINE, faults)


class GoBack(ControlRequest[str], frozen=True, tag="update.back"):
    """Return to the version before the last update. A running hub restarts. Returns the version."""

    async def perform(self, services: Services) -> str:
        await services.upkeep.updates.load()
        faults = [fault.code for fault in services.upkeep.health.faults()]
        return await services.upkeep.updates.go_back(COMMAND_LINE, faults)
