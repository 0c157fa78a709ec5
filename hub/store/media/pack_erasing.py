"""Erases records and pictures from a pack in place: see `pack_format` for what is left of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from msgspec import Struct

from hub.store.disk import Disk
from hub.store.media.pack_format import (
    PICTURE_SIZE,
    RECORD_SIZE,
    LoggedRecord,
    RecordEntry,
    StoredImage,
    erased_picture,
    erased_record,
    walk,
)

#: How many records are erased between two flushes.
_ERASE_RECORDS = 64


class Erased(Struct, frozen=True):
    """What `erase_entries` erased: seqs of records, and how many pictures."""

    seqs: tuple[int, ...]
    pictures: int


def erase_entries(
    path: Path, disk: Disk, end: int, is_wanted: Callable[[LoggedRecord], bool]
) -> Erased:
    """Erase records and their pictures from a pack in place; the others stay where they are.

    `is_wanted` is asked for each record of the pack before `end`, also for those of groups that
    were refused and never committed. Durable on return; if it is interrupted, call it again.
    Pictures of packs from before schema 6 have no records beside them: see `erase_pictures`.
    Raises OSError.
    """
    wanted = _find_wanted(path, end, is_wanted)
    seqs: list[int] = []
    pictures = 0
    file = disk.open(path)
    try:
        while some := list(islice(wanted, _ERASE_RECORDS)):
            # Pictures first: without its record, nothing would find them after a crash.
            for _, record in some:
                _erase_pictures(file, disk, record.images)
                pictures += len(record.images)
            disk.flush(file)
            for entry, _ in some:
                _erase_record(file, disk, entry)
                seqs.append(entry.seq)
        disk.flush(file)
    finally:
        disk.close(file)
    return Erased(tuple(seqs), pictures)


def _find_wanted(
    path: Path, end: int, is_wanted: Callable[[LoggedRecord], bool]
) -> Iterator[tuple[RecordEntry, LoggedRecord]]:
    for entry in walk(path, 0, end, read_pictures=False):
        if isinstance(entry, RecordEntry) and (record := entry.decode()) and is_wanted(record):
            yield entry, record


def erase_pictures(path: Path, disk: Disk, images: tuple[StoredImage, ...]) -> None:
    """Erase pictures from a pack in place, by their positions. Durable on return."""
    file = disk.open(path)
    try:
        _erase_pictures(file, disk, images)
        disk.flush(file)
    finally:
        disk.close(file)


def _erase_pictures(file: int, disk: Disk, images: tuple[StoredImage, ...]) -> None:
    for image in images:
        disk.write(file, erased_picture(image.size), image.offset - PICTURE_SIZE)


def _erase_record(file: int, disk: Disk, entry: RecordEntry) -> None:
    disk.write(file, erased_record(entry.seq, entry.size), entry.offset - RECORD_SIZE)
