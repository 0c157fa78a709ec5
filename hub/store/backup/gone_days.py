"""Days that a backup on the disk of the hub still has, and the hub no longer.

Their packs were hard links. Once the hub has dropped such a day, the backup alone holds its room,
and if the disk is full, dropping days would free nothing until the next backup.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from hub.store.backup.generations import Generation
from hub.store.backup.restore import PACKS
from hub.store.names import MEDIA


class KeptLog(Struct, frozen=True):
    """What the hub itself still has: `oldest_day` is such as "2026-11-25"."""

    log_id: str
    oldest_day: str


def empty_oldest_gone(
    folder: Path, generations: Sequence[Generation], data_dir: Path, kept: KeptLog
) -> str:
    """Empty the pack of the oldest day that the log no longer holds; return the day, "" if none.

    A restore leaves such a day out, as one that made room on a full disk. Blocks. Raises OSError.
    """
    if (folder / PACKS).is_symlink():
        return ""
    day, path = min(_gone(folder, generations, data_dir, kept), default=("", folder))
    if day:
        os.truncate(path, 0)
    return day


def _gone(
    folder: Path, generations: Sequence[Generation], data_dir: Path, kept: KeptLog
) -> Iterator[tuple[str, Path]]:
    """Yield days and their packs.

    Only of days before all that the log holds, and of the same log: where a database was restored
    or began anew, the backup may have what nothing else has.
    """
    for one in generations:
        if one.head is None or one.head.log_id != kept.log_id:
            continue
        for pack in one.head.packs:
            name, path = Path(pack.name), folder / PACKS / pack.file
            is_of_day = name.parent.name == MEDIA
            is_gone = name.stem < kept.oldest_day and not (data_dir / name).exists()
            if is_of_day and is_gone and _holds_room_alone(path):
                yield name.stem, path


def _holds_room_alone(path: Path) -> bool:
    """Whether emptying a file makes room: nothing else has it."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_nlink == 1 and found.st_size > 0
