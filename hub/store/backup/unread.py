"""Parts of files that their disk cannot read.

A backup goes on without them: zeros take their place, and the backup says where, so that it counts
as incomplete.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path

from msgspec import Struct

from hub.errors import DamagedBackup
from hub.store.media.held_index import HELD
from hub.store.media.pack_format import PICTURE_SIZE, StoredImage
from hub.store.media.packs import SUFFIX, as_day, day_bounds, known_images
from hub.store.names import MEDIA

#: After so many failed reads in a file, a step that cannot be read counts as unread as a whole.
MAX_FAILED_READS = 256
#: Parts of one file. Sectors take not much more than half of them.
MAX_PARTS = 2 * MAX_FAILED_READS + 1

_DAY = r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
_NAME = re.compile(rf"{MEDIA}/{_DAY}{re.escape(SUFFIX)}")
_HELD_NAME = re.compile(rf"{MEDIA}/{HELD}/{_DAY}-([0-9]{{1,19}}){re.escape(SUFFIX)}")
_IN_DAY = "SELECT seq, images FROM record WHERE received_at >= ? AND received_at < ? ORDER BY seq"
_IN_HELD = "SELECT seq, images FROM held_record WHERE pack = ? ORDER BY seq"


class Part(Struct, frozen=True):
    """Bytes of a file that are zero because they could not be read."""

    start: int
    bytes: int

    @property
    def end(self) -> int:
        return self.start + self.bytes


class UnreadPack(Struct, frozen=True):
    """A pack of which a backup lacks `parts`, and how many records have pictures in them.

    `name` is its path in the data directory.
    """

    name: str
    parts: tuple[Part, ...]
    records: int

    @property
    def bytes(self) -> int:
        return sum(part.bytes for part in self.parts)


class UnreadParts:
    """Collects the parts of one file that cannot be read, in their order."""

    def __init__(self) -> None:
        self._parts: list[Part] = []
        self._failed = 0
        self._is_given_up = False

    @property
    def parts(self) -> tuple[Part, ...]:
        return tuple(self._parts)

    @property
    def may_split(self) -> bool:
        """Whether a step that cannot be read is tried again by its sectors."""
        return self._failed < MAX_FAILED_READS

    @property
    def is_given_up(self) -> bool:
        """Whether the rest of the file counts as unread."""
        return self._is_given_up or len(self._parts) >= MAX_PARTS - 1

    def fail(self) -> None:
        """Note that a read failed."""
        self._failed += 1

    def give_up(self) -> None:
        """Let the rest of the file count as unread."""
        self._is_given_up = True

    def add(self, start: int, size: int) -> None:
        """Note a part, which lies behind those that are known."""
        if self._parts and self._parts[-1].end == start:
            start, size = self._parts[-1].start, self._parts.pop().bytes + size
        self._parts.append(Part(start, size))

    def replace(self, parts: Iterable[Part]) -> None:
        """Begin again, with these parts."""
        self._parts = list(parts)


def is_possible(pack: UnreadPack, size: int) -> bool:
    """Whether a pack of `size` bytes may have these parts: others may write to a backup."""
    parts = pack.parts
    return (
        is_pack_name(pack.name)
        and pack.records >= 0
        and len(parts) <= MAX_PARTS
        and all(part.bytes > 0 for part in parts)
        and all(part.end <= following.start for part, following in pairwise(parts))
        and (not parts or (parts[0].start >= 0 and parts[-1].end <= size))
    )


def is_pack_name(name: str) -> bool:
    """Whether this is the path of a pack in the data directory."""
    try:
        _source(name)
    except ValueError:
        return False
    return True


def blanked(data: bytes, at: int, parts: Sequence[Part]) -> bytes:
    """Return `data`, which begins at `at` in its file, with zeros in `parts`."""
    changed = bytearray(data)
    for part in parts:
        first, last = max(part.start - at, 0), min(part.end - at, len(data))
        if first < last:
            changed[first:last] = bytes(last - first)
    return bytes(changed)


def is_in(image: StoredImage, parts: Sequence[Part]) -> bool:
    """Whether a picture, or the header before it, lies in one of the parts."""
    first, last = image.offset - PICTURE_SIZE, image.offset + image.size
    return any(part.start < last and first < part.end for part in parts)


def pictures_of_pack(
    connection: sqlite3.Connection, name: str
) -> Iterator[tuple[int, tuple[StoredImage, ...]]]:
    """Yield each record that has pictures in a pack, by its seq."""
    rows = connection.execute(*_source(name))
    for seq, images in rows:
        yield seq, known_images(images)


def _source(name: str) -> tuple[str, tuple[int, ...]]:
    """Return the query for the records of a pack, and its values. Raises ValueError."""
    if found := _HELD_NAME.fullmatch(name):
        as_day(found[1])
        if (id := int(found[2])) >= 2**63:
            raise ValueError(name)
        return _IN_HELD, (id,)
    if found := _NAME.fullmatch(name):
        return _IN_DAY, day_bounds(as_day(found[1]))
    raise ValueError(name)


def unread_pack(database: Path, name: str, parts: Sequence[Part]) -> UnreadPack:
    """Look up in a copy of the database whose pictures lie in unread parts of a pack. Blocks."""
    try:
        with closing(sqlite3.connect(database, isolation_level=None)) as connection:
            records = sum(
                any(is_in(image, parts) for image in images)
                for _, images in pictures_of_pack(connection, name)
            )
    except sqlite3.Error as error:
        raise DamagedBackup(f"the database of the backup is damaged: {error}") from error
    return UnreadPack(name, tuple(parts), records)
