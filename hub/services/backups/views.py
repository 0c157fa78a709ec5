"""Backups as the pages, the API and the health tell of them."""

from __future__ import annotations

from pathlib import PurePosixPath

import msgspec
from msgspec import Struct

from hub.reasons import Reason, Value
from hub.store.backup.generations import Generation
from hub.store.backup.unread import UnreadPack

#: The setting that holds a RestoredFrom.
RESTORED = "restore.from"
_MAX_DAYS = 3


class KnownBackup(Struct, frozen=True):
    """A backup in the folder. Times are UNIX seconds. `problem`: why it cannot be restored.

    `has_damage`: rows of its database were damaged already when it was made.
    `unread`: what the disk of the hub could not read; a backup without it can be restored.
    """

    name: str
    made_at: float
    bytes: int
    is_restorable: bool
    problem: Reason | None
    has_pictures: bool
    records: int
    has_damage: bool = False
    unread: tuple[UnreadPack, ...] = ()

    @property
    def is_complete(self) -> bool:
        return self.is_restorable and not self.unread

    @property
    def unread_bytes(self) -> int:
        return sum(pack.bytes for pack in self.unread)

    @property
    def unread_records(self) -> int:
        """How many records lack pictures."""
        return sum(pack.records for pack in self.unread)

    @property
    def unread_days(self) -> str:
        """The days of these records, at most three."""
        # media/DAY.pack, or media/held/DAY-ID.pack
        days = sorted({PurePosixPath(pack.name).name[:10] for pack in self.unread})
        return ", ".join(days[:_MAX_DAYS]) + (", …" if len(days) > _MAX_DAYS else "")


class Progress(Struct, frozen=True):
    """A backup that is made or restored. `total_bytes` is 0 as long as it is not known."""

    done_bytes: int
    total_bytes: int
    is_stalled: bool = False


class BackupFailure(Struct, frozen=True):
    """The last backup that failed, if none succeeded since.

    `is_of_database`: the database of the hub cannot be read, so that the folder is not to blame.
    """

    at: float
    reason: Value
    is_of_database: bool = False


class RestoredFrom(Struct, frozen=True):
    """The backup from which this hub was restored, until somebody has read about it.

    `addresses`: at which cameras reached the hub then; `addresses_now`: those of this computer.
    """

    created_at: str
    addresses: tuple[str, ...]
    addresses_now: tuple[str, ...] = ()


def backup_of(one: Generation) -> KnownBackup:
    """Return a generation of the folder as a backup."""
    return KnownBackup(
        name=one.path.name,
        made_at=one.made_at,
        bytes=one.bytes + sum(pack.bytes for pack in (one.head.packs if one.head else ())),
        is_restorable=one.is_restorable,
        problem=one.problem,
        has_pictures=one.head is not None and one.head.has_pictures,
        records=one.head.records if one.head is not None else 0,
        has_damage=one.head is not None and one.head.damaged_rows > 0,
        unread=one.unread,
    )


def restored_setting(created_at: str, addresses: tuple[str, ...]) -> dict[str, str]:
    """Return the setting by which a restored hub knows where its backup came from."""
    stored = msgspec.json.encode(RestoredFrom(created_at, addresses)).decode()
    return {RESTORED: stored}
