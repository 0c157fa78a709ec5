"""One nightly backup, from the snapshot to the removal of old generations. Blocks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import tzinfo
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from hub.errors import BackupFault
from hub.reasons import Reason
from hub.services.backups.place import obstacle
from hub.services.disk_space import GB
from hub.store.backup.generations import (
    Folder,
    is_on_same_disk,
    make_generation,
    oldest_removable,
    read_folder,
    remove_generation,
    to_remove,
)
from hub.store.backup.gone_days import KeptLog, empty_oldest_gone
from hub.store.backup.making import SiteDescription, take_working_copy, working_folder
from hub.store.backup.pace import Pace

#: Bytes that stay free on a disk that is not the hub's.
_OTHER_DISK_RESERVE = 100_000_000
#: On the hub's own disk, backups make room before records have to.
YIELD_BYTES = 1_000_000_000


class BackupPlan(Struct, frozen=True):
    """Where and how to back up. `min_free`: bytes that stay free on the disk of the hub."""

    data_dir: Path
    folder: Path
    pictures: bool
    max_bytes: int
    min_free: int
    zone: tzinfo
    #: The folder was on another disk before: if it is not now, that disk is not connected.
    is_elsewhere: bool
    #: While the clock is not trusted, no generation is removed for its age.
    may_remove_old: Callable[[], bool]


class GivenWay(Struct, frozen=True):
    """What the folder holds after something was removed from it to make room, and what that was."""

    folder: Folder
    removed: str


def back_up(plan: BackupPlan, site: SiteDescription, pace: Pace) -> Folder:
    """Make a generation, then remove old ones. Return what the folder holds.

    Raises BackupFault with one line, or CopyingStopped.
    """
    try:
        if plan.is_elsewhere and is_on_same_disk(plan.folder, plan.data_dir):
            raise BackupFault(f"the disk of {plan.folder} is not connected")
        plan.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with working_folder(plan.data_dir) as work:
            copy = take_working_copy(plan.data_dir, work, pace, plan.min_free)
            made = make_generation(
                plan.data_dir,
                plan.folder,
                copy,
                site,
                pictures=plan.pictures,
                min_free=_min_free(plan),
                pace=pace,
                make_room=lambda: _remove_oldest(plan.folder),
            )
        if plan.may_remove_old():
            _remove_old(plan, site.made_at)
        _remove_beyond(plan)
        found = look(plan.folder, plan.data_dir)
        # It was read back: that its head was not read now is no fault of it.
        if not any(
            one.path == made and (one.is_restorable or one.is_unknown) for one in found.generations
        ):
            raise BackupFault("the backup is not there any more after it was written")
        return found
    except OSError as error:
        where = error.filename or plan.folder
        raise BackupFault(f"{where}: {error.strerror or error}") from error


def find_obstacle(plan: BackupPlan) -> Reason | None:
    """Return why no backup can be made in the folder; None if nothing is known to prevent it."""
    if reason := obstacle(plan.folder):
        return reason
    try:
        is_away = plan.is_elsewhere and is_on_same_disk(plan.folder, plan.data_dir)
    except OSError as error:
        return Reason(error.strerror or str(error))
    return Reason("its disk is not connected") if is_away else None


def look(folder: Path, data_dir: Path) -> Folder:
    """Return what a folder holds, and whether it is on the disk of the data. Raises OSError."""
    return replace(read_folder(folder), is_on_same_disk=is_on_same_disk(folder, data_dir))


def make_room(plan: BackupPlan, free: int, kept: KeptLog) -> GivenWay | None:
    """Make room if the hub's own disk runs low, before records have to go.

    The oldest generation is removed. Once only those are left that always stay, the pictures of the
    oldest day go of which the hub has no record any more. Returns None if there was nothing to
    remove. Raises OSError.
    """
    if free >= plan.min_free + YIELD_BYTES or not is_on_same_disk(plan.folder, plan.data_dir):
        return None
    if _remove_oldest(plan.folder):
        return GivenWay(look(plan.folder, plan.data_dir), "the oldest backup")
    generations = read_folder(plan.folder).generations
    if any(one.is_unknown for one in generations):
        return None
    if day := empty_oldest_gone(plan.folder, generations, plan.data_dir, kept):
        return GivenWay(look(plan.folder, plan.data_dir), f"the pictures of {day} from the backup")
    return None


def _min_free(plan: BackupPlan) -> int:
    if is_on_same_disk(plan.folder, plan.data_dir):
        return plan.min_free
    return _OTHER_DISK_RESERVE


def _remove_old(plan: BackupPlan, now: float) -> None:
    for one in to_remove(read_folder(plan.folder).generations, plan.zone, now):
        remove_generation(plan.folder, one)


def _remove_beyond(plan: BackupPlan) -> None:
    """Remove the oldest generations until the folder is within `backup.max_gb`."""
    while plan.max_bytes and read_folder(plan.folder).bytes > plan.max_bytes:
        if not _remove_oldest(plan.folder):
            return


def _remove_oldest(folder: Path) -> bool:
    oldest = oldest_removable(read_folder(folder).generations)
    if oldest is not None:
        remove_generation(folder, oldest)
    return oldest is not None


def as_bytes(gigabytes: float) -> int:
    return int(gigabytes * GB)
