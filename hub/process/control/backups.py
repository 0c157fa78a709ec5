"""Requests about backups."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from hub.process.control.request import ControlRequest
from hub.services.audit import COMMAND_LINE
from hub.services.urls import dashboard_urls, device_urls

if TYPE_CHECKING:
    from hub.services import Services


class BackupBegun(Struct, frozen=True):
    """What `sitehub backup` has to know of the hub. `min_free`: bytes that stay free."""

    site: str
    addresses: tuple[str, ...]
    min_free: int


class BeginBackup(ControlRequest[BackupBegun], frozen=True, tag="backup.begin"):
    """Note in the audit log that a backup is written to a file, and say what goes into it.

    The command itself copies the data: the hub is not slowed down, and the file belongs to the
    person who asked for it.
    """

    file: str

    async def perform(self, services: Services) -> BackupBegun:
        begun = BackupBegun(
            site=services.core.site.name(),
            addresses=tuple(services.core.site.addresses()),
            min_free=services.upkeep.backups.min_free,
        )
        await services.core.audit.require(COMMAND_LINE, "backup.file", self.file)
        return begun


class NewAddresses(Struct, frozen=True):
    """A restored hub's addresses: those of its backup, and what to enter in cameras now."""

    before: tuple[str, ...]
    now: tuple[str, ...]
    #: For the WebSocket of the cameras, and for their uploads.
    urls: tuple[str, ...]


class CheckAddresses(ControlRequest[NewAddresses | None], frozen=True, tag="backup.addresses"):
    """Return the addresses if a restored hub has others than before. Opens its store, too."""

    async def perform(self, services: Services) -> NewAddresses | None:
        found = services.upkeep.backups.restored_from()
        if found is None:
            return None
        urls = (*device_urls(services), *dashboard_urls(services))
        return NewAddresses(found.addresses, found.addresses_now, urls)
