"""Generations of a backup folder that nobody made, and a real backup of a small site."""

from __future__ import annotations

import io
from pathlib import Path

import trio

from hub.services.audit import COMMAND_LINE
from hub.services.site import SiteSettings
from hub.store.backup.archive import FORMAT, Head, StoredPack
from hub.store.backup.generations import Generation
from hub.store.backup.pace import Pace
from hub.store.backup.restore import restore
from hub.store.backup.unread import Part
from hub.wire.times import format_rfc3339
from tests.support.clock import FrozenClock
from tests.support.hub_services import HubServices, open_hub_services


def generation(made_at: float, *unread: Part) -> Generation:
    """Return a generation whose pack of 2026-11-25 lacks `unread`, with pictures of 3 records."""
    moment = format_rfc3339(int(made_at * 1000))
    pack = StoredPack(
        name="media/2026-11-25.pack",
        file="2026-11-25.pack",
        bytes=10_000,
        sha256="",
        version="",
        verified_at=moment,
        unread=unread,
        unread_records=3 if unread else 0,
    )
    head = Head(
        format=FORMAT,
        kind="generation",
        created_at=moment,
        hub="0.1.0",
        schema=1,
        log_id="",
        site="Harbour",
        records=10,
        last_seq=10,
        has_pictures=True,
        total_bytes=20_000,
        database_bytes=1,
        packs=(pack,),
    )
    return Generation(Path(f"sitehub-{made_at:.0f}.tar"), made_at, 1, head)


async def make_backup(
    data_dir: Path, file: Path, clock: FrozenClock, *, passphrase: str | None = None
) -> None:
    """Write a backup of a new site: Harbour, with the administrator ada and two captures."""
    async with open_hub_services(data_dir, clock) as hub:
        await hub.services.core.site.set(SiteSettings("Harbour", "UTC", "en"))
        await hub.add_user("ada")
        await hub.add_faces("Ann", "Bo", pictures=True)
        await trio.Path(file.parent).mkdir(parents=True, exist_ok=True)
        await trio.Path(file).write_bytes(await backup_of(hub, passphrase=passphrase))


async def backup_of(hub: HubServices, *, passphrase: str | None = None) -> bytes:
    """Return a backup of a hub in one file."""
    backups = hub.services.upkeep.backups
    token = await backups.permit_file(COMMAND_LINE, pictures=True, passphrase=passphrase)
    async with backups.open_file(COMMAND_LINE, token) as data:
        return b"".join([part async for part in data])


async def restore_backup(data_dir: Path, backup: bytes, *, hold_targets: bool = False) -> None:
    """Restore a backup in place of the data of a hub that does not run."""
    await trio.to_thread.run_sync(
        lambda: restore(
            io.BytesIO(backup),
            data_dir.with_suffix(".backup"),
            data_dir,
            passphrase=None,
            force=True,
            pace=Pace(),
            hold_targets=hold_targets,
        )
    )
