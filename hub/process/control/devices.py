"""Requests about devices: import, the site key, and the frame trace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub.process.control.request import ControlRequest
from hub.services.audit import COMMAND_LINE
from hub.services.devices.csv_import import DeviceCsv

if TYPE_CHECKING:
    from hub.services import Services


class ImportDevices(ControlRequest[list[str]], frozen=True, tag="device.import"):
    """Enrol all devices of a CSV file, or none. Returns their dids in the order of the rows."""

    sheet: DeviceCsv

    async def perform(self, services: Services) -> list[str]:
        dids = [added.did for added in await services.cameras.devices.import_csv(self.sheet)]
        await services.core.audit.add_each(COMMAND_LINE, "device.add", dids)
        return dids


class RemoveSiteKey(ControlRequest[None], frozen=True, tag="site-key.remove"):
    """Remove the site key: devices without a key of their own are refused."""

    async def perform(self, services: Services) -> None:
        await services.cameras.devices.remove_site_key()
        await services.core.audit.add(COMMAND_LINE, "site-key.remove", "")


class SetSiteKey(ControlRequest[None], frozen=True, tag="site-key"):
    """Set the site key, given as PEM text."""

    pem: str

    async def perform(self, services: Services) -> None:
        await services.cameras.devices.set_site_key(self.pem)
        await services.core.audit.add(COMMAND_LINE, "site-key.set", "")
