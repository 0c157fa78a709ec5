"""What packs hold beyond what a database knows: the tails of its days, and packs of other days."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from hub.store.media.pack_format import (
    ERASED_PICTURE_MAGIC,
    PICTURE_MAGIC,
    Group,
    Unreadable,
    first_magic,
    walk,
)
from hub.store.media.packs import packs_in


class Tail(Struct, frozen=True):
    """A part of a pack from `start`, its end in the database, to `end`, its end on the disk.

    `groups`: all groups in it, in the order of the pack. `is_bare`: it begins with pictures without
    a group, as versions before schema 6 wrote them. `is_known`: the database knows the day.
    """

    path: Path
    start: int
    end: int
    groups: tuple[Group, ...]
    is_bare: bool
    is_known: bool

    @property
    def day(self) -> str:
        return self.path.stem


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
        tuple(_groups(path, start, end)),
        is_bare=magic in (PICTURE_MAGIC, ERASED_PICTURE_MAGIC),
        is_known=is_known,
    )


def _groups(path: Path, start: int, end: int) -> Iterator[Group]:
    """Yield all groups; behind a damaged part go on at the next one."""
    while start < end:
        # The first entry tells where the next group is, without reading all of this one.
        entry = next(walk(path, start, end, read_pictures=False))
        if isinstance(entry, Group):
            yield entry
            start = entry.end
        elif isinstance(entry, Unreadable):
            start = entry.end
        else:
            start = entry.offset + entry.size
