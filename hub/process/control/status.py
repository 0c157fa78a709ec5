"""Requests about the state of the hub itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from hub.process.control.request import ControlRequest
from hub.services.audit import COMMAND_LINE
from hub.services.doctor.findings import Finding

if TYPE_CHECKING:
    from hub.services import Services


class RunQuickChecks(ControlRequest[list[Finding]], frozen=True, tag="doctor.quick"):
    """Run the quick checks of the doctor inside the hub, which knows its settings."""

    needs_running_hub: ClassVar[bool] = True

    async def perform(self, services: Services) -> list[Finding]:
        return await services.upkeep.health_checks.quick(fresh=True)


class AcceptLostPictures(ControlRequest[list[str]], frozen=True, tag="pictures.accept-lost"):
    """Note that a person knows what is lost; return what was new to them, in English."""

    async def perform(self, services: Services) -> list[str]:
        return await services.upkeep.lost_pictures.accept(COMMAND_LINE)
