"""What packs hold beyond what a database knows: the tails of its days, and packs of other days."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct

from hub.store.media.pack_format import (
    ERASED_PICTURE_MAGIC,
    PICTURE_MAGIC,
    Group,
    PictureEntry,
    RecordEntry,
    first_magic,
    read_group,
    walk_file,
)
from hub.store.media.packs import packs_in


class Tail(Struct, frozen=True):
    """A part of a pack from `start`, its end in the database, to `end`, its end on the disk.

    `is_bare`: it begins with pictures without
    a group, as versions before schema 6 wrote them. `is_known`: the database knows the day.
    """

    path: Path
    start: int
    end: int
    is_bare: bool
    is_known: bool

    @property
    def day(self) -> str:
        return self.path.stem

    def groups(self) -> Iterator[Group]:
        """Read all groups in it, in the order of the pack. There may be millions."""
        with self.path.open("rb") as file:
            yield from groups_in(file, self.start, self.end)


def tails_in(media: Path, ends: Mapping[str, int]) -> Iterator[Tail]:
    """Yield the tails of all packs in a folder. Changes nothing.

    `ends`: the committed end of each day's pack.

    Raises OSError.
    """
    for path in packs_in(media):
        start, end = ends.get(path.stem, 0), path.stat().st_size
        if end > start or path.stem not in ends:
            yield _tail(path, start, end, is_known=path.stem in ends)


def _tail(path: Path, start: int, end: int, is_known: bool) -> Tail:
    magic = first_magic(path, start)
    return Tail(
        path,
        start,
        end,
        is_bare=magic in (PICTURE_MAGIC, ERASED_PICTURE_MAGIC),
        is_known=is_known,
    )


def groups_in(file: BinaryIO, start: int, end: int) -> Iterator[Group]:
    """Yield all groups of an open pack; behind a damaged part go on at the next one."""
    while start < end:
        if group := read_group(file, start):
            yield group
            start = group.end
            continue
        entry = next(walk_file(file, start, end, read_pictures=False))
        if isinstance(entry, PictureEntry | RecordEntry):
            start = entry.offset + entry.size
        else:
            start = entry.end
