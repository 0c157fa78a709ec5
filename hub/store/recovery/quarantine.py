"""Moves files and parts of packs into media/set-aside, where the hub deletes nothing."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from hub.store.disk import DIRECTORY_MODE, Disk
from hub.store.media.packs import cut_pack
from hub.store.media.tails import Tail
from hub.store.names import SET_ASIDE

_COPY_BYTES = 1024 * 1024


def quarantine_tail(tail: Tail, disk: Disk) -> Path:
    """Move a tail into media/set-aside; return its file. Durable on return. Raises OSError.

    A pack that is not known goes as a whole. A part is named after where it began, so that it
    could be appended again.
    """
    if tail.start == 0:
        return quarantine_file(tail.path, tail.path.parent, disk)
    target = _free_name(tail.path.parent, f"{tail.day}.from-{tail.start}.pack", disk)
    _copy(tail.path, tail.start, target, disk)
    cut_pack(tail.path, disk, tail.start)
    return target


def quarantine_copy(path: Path, media: Path, disk: Disk) -> Path:
    """Copy a file into media/set-aside; return the copy. Durable on return. Raises OSError."""
    target = _free_name(media, path.name, disk)
    _copy(path, 0, target, disk)
    return target


def _copy(path: Path, start: int, target: Path, disk: Disk) -> None:
    with path.open("rb") as source, open(target, "xb", opener=_private) as copy:
        source.seek(start)
        shutil.copyfileobj(source, copy, _COPY_BYTES)
        copy.flush()
        os.fsync(copy.fileno())
    disk.flush_directory(target.parent)


def _private(name: str, flags: int) -> int:
    return os.open(name, flags, 0o600)


def quarantine_file(path: Path, media: Path, disk: Disk) -> Path:
    """Move a file into media/set-aside; return where it is. Durable on return. Raises OSError."""
    target = _free_name(media, path.name, disk)
    path.rename(target)
    disk.flush_directory(target.parent)
    disk.flush_directory(path.parent)
    return target


def _free_name(media: Path, name: str, disk: Disk) -> Path:
    """Return a path in media/set-aside that is not used yet."""
    folder = media / SET_ASIDE
    if not folder.exists():
        folder.mkdir(mode=DIRECTORY_MODE)
        disk.flush_directory(media)
    stem, dot, suffix = name.rpartition(".")
    count, target = 1, folder / name
    while target.exists():
        count += 1
        target = folder / f"{stem}-{count}{dot}{suffix}"
    return target
