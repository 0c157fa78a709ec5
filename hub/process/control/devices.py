"""Requests about devices: import, and the site key."""

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


class SetSiteKey(ControlRequest[None], frozen=True, tag="site-key"):
    """Set the site key, given as PEM text. None: devices without a key of their own are refused."""

    pem: str | None

    async def perform(self, services: Services) -> None:
        if self.pem is None:
            await services.cameras.devices.remove_site_key()
        else:
            await services.cameras.devices.set_site_key(self.pem)
        action = "site-key.remove" if self.pem is None else "site-key.set"
        await services.core.audit.add(COMMAND_LINE, action, "")
