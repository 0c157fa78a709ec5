"""Finding backups on the disks of this computer, by their names and what they say they are.

Disks may be large, slow, and of somebody else: only so much of them is looked at.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path

from msgspec import Struct

from hub.errors import BackupFault
from hub.store.backup.archive import Head, read_head
from hub.store.backup.files import open_regular
from hub.store.backup.pace import Pace
from hub.store.backup.sealed_file import BEGIN_BYTES, is_sealed

#: What backups are called: those of every night, and those that people made or downloaded.
_SUFFIXES = (".tar", ".backup")
#: How many folders below a place are entered, and how many entries are looked at in all.
_MAX_DEPTH = 3
_MAX_ENTRIES = 20_000
#: How many files of these names are opened, the newest first.
_MAX_OPENED = 100
#: What is read of all of them.
_MAX_BYTES_OF_HEADS = 32 * 1024 * 1024


class FoundBackup(Struct, frozen=True):
    """A file that is a backup, as far as its begin tells. `made_at`: UNIX seconds.

    `head`: None if it is sealed with a passphrase; it was then made before the file was written.
    """

    path: Path
    bytes: int
    made_at: float
    head: Head | None


class Finding(Struct, frozen=True):
    """What was found. `backups`: the newest first. `forbidden`: what this account may not read."""

    backups: list[FoundBackup] = []
    forbidden: list[Path] = []


def find_backups(places: Sequence[Path], pace: Pace) -> Finding:
    """Look for backups in these folders or files. Blocks.

    What cannot be read for another reason than that it is forbidden is left out. Raises
    CopyingStopped.
    """
    forbidden: list[Path] = []
    named = sorted(set(_named(places, forbidden, pace)), reverse=True)
    found, left = [], _MAX_BYTES_OF_HEADS
    for _, path in named[:_MAX_OPENED]:
        pace.check()
        try:
            one, size = _look_at(path, left)
        except PermissionError:
            forbidden.append(path)
            continue
        left -= size
        found += [] if one is None else [one]
    return Finding(sorted(found, key=lambda one: one.made_at, reverse=True), forbidden)


def _named(
    places: Sequence[Path], forbidden: list[Path], pace: Pace
) -> Iterator[tuple[float, Path]]:
    """Yield files that are called like backups, and when they were written.

    Adds those of the places themselves that are forbidden.
    """
    looked = 0
    waiting = deque((place, 0) for place in places)
    while waiting and looked < _MAX_ENTRIES:
        path, depth = waiting.popleft()
        pace.check()
        try:
            if path.is_file():
                yield path.stat().st_mtime, path
                continue
            with os.scandir(path) as entries:
                for entry in islice(entries, _MAX_ENTRIES - looked):
                    looked += 1
                    if entry.is_dir(follow_symlinks=False):
                        if depth < _MAX_DEPTH:
                            waiting.append((path / entry.name, depth + 1))
                    elif entry.name.endswith(_SUFFIXES):
                        yield entry.stat(follow_symlinks=False).st_mtime, path / entry.name
        except PermissionError:
            if depth == 0:
                forbidden.append(path)
        except (OSError, ValueError):
            pass


def _look_at(path: Path, most: int) -> tuple[FoundBackup | None, int]:
    """Return what a file says that it is, None if it is no backup, and how much was read of it.

    Its head must not take more than `most`. Raises PermissionError.
    """
    try:
        with open_regular(path) as file:
            status = os.fstat(file.fileno())
            if is_sealed(file.read(BEGIN_BYTES)):
                return FoundBackup(path, status.st_size, status.st_mtime, None), 0
            file.seek(0)
            head, read = read_head(file, most)
        made_at = datetime.fromisoformat(head.created_at).timestamp()
    except PermissionError:
        raise
    except (BackupFault, OSError, ValueError, OverflowError):
        return None, 0
    size = status.st_size + sum(pack.bytes for pack in head.packs)
    return FoundBackup(path, size, made_at, head), read
