"""Requests about the people on devices: how far they are, and what is decided about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from hub.process.control.request import ControlRequest
from hub.services.audit import COMMAND_LINE
from hub.services.people.sync.numbers import DeviceNumbers

if TYPE_CHECKING:
    from hub.services import Services


class DeviceSync(Struct, frozen=True):
    """A device's name, and how far the people on it are."""

    name: str
    people: DeviceNumbers


class ListSync(ControlRequest[list[DeviceSync]], frozen=True, tag="sync.list"):
    """Read how far the people on all devices are."""

    async def perform(self, services: Services) -> list[DeviceSync]:
        summary = await services.people.sync.summary()
        return [
            DeviceSync(services.cameras.devices.get(one.did).name or "", one) for one in summary
        ]


class RetrySync(ControlRequest[None], frozen=True, tag="sync.retry"):
    """Try again what devices refused: one device, one person, or all without either."""

    did: str | None
    pid: str | None

    async def perform(self, services: Services) -> None:
        await services.people.sync.retry(self.did, self.pid, by=COMMAND_LINE)
