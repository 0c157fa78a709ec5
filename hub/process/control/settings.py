"""Requests about the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from msgspec import Struct

from hub.config import as_toml
from hub.process.control.request import ControlRequest
from hub.services.audit import COMMAND_LINE

if TYPE_CHECKING:
    from hub.services import Services


class ChangedSetting(Struct, frozen=True):
    """A setting that the file gives another value than before, as in the file.

    `applied`: at once; else it applies after a restart.
    """

    name: str
    old: str
    new: str
    applied: bool


class ReloadSettings(ControlRequest[list[ChangedSetting]], frozen=True, tag="settings.reload"):
    """Read the settings again, and apply what can be applied at once."""

    needs_running_hub: ClassVar[bool] = True

    async def perform(self, services: Services) -> list[ChangedSetting]:
        changes = await services.core.settings.reload(by=COMMAND_LINE)
        return [
            ChangedSetting(one.name, as_toml(one.old), as_toml(one.new), one.applied)
            for one in changes
        ]
