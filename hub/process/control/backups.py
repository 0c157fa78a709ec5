"""Requests about backups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from msgspec import Struct

from hub.process.control.request import ControlRequest
from hub.services.access.audit import COMMAND_LINE

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
    result: ClassVar[Any] = BackupBegun

    async def perform(self, services: Services) -> BackupBegun:
        begun = BackupBegun(
            site=services.site.name(),
            addresses=tuple(services.site.addresses()),
            min_free=int(services.config.store.min_free_gb * 1e9),
        )
        await services.audit.add(COMMAND_LINE, "backup.file", self.file)
        return begun


#: Distinguished by their tags.
AnyBackupRequest = BeginBackup
