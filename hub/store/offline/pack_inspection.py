"""Compares the packs with the database: every picture that the index names, every record logged.

See hub.store.offline.inspection: read-only, beside a running hub or not.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from hub.store.disk import read_at
from hub.store.media.held_index import HELD, HeldIndex, load_held
from hub.store.media.lost_parts import LostParts
from hub.store.media.pack_format import (
    RecordEntry,
    StoredImage,
    Unreadable,
    checksum,
    walk,
)
from hub.store.media.packs import SUFFIX, day_of, known_images
from hub.store.names import MEDIA
from hub.store.offline.inspection import (
    Damage,
    Pacer,
    Progress,
    Tally,
    all_lost_parts,
    opened,
    rows_of,
)
from hub.store.rows import DamagedRows, is_moment

_DAYS = "SELECT day, first_seq, bytes FROM day ORDER BY day"
_DAY = "SELECT first_seq FROM day WHERE day = ?"
_RECORD = "SELECT received_at, images FROM record WHERE seq = ? AND erased IS NULL"
_HELD = """
SELECT held_pack.id, held_pack.day, held_record.images
FROM held_record JOIN held_pack ON held_pack.id = held_record.pack WHERE held_record.seq = ?
"""
_WALK_ENTRIES = 64


class _Place(Struct, frozen=True):
    """Where a picture lies."""

    path: Path
    image: StoredImage


def check_packs(data_dir: Path, progress: Progress) -> Damage:
    """Check the packs. Pictures count as `checked`. Raises sqlite3.Error."""
    tally = Tally()
    _check_pictures(data_dir, progress, tally)
    _check_entries(data_dir, progress, tally)
    return tally.result()


def _check_pictures(data_dir: Path, progress: Progress, tally: Tally) -> None:
    known = _known_lost(data_dir)
    with opened(data_dir) as connection:
        for seq, *_, received_at, _, _, images in rows_of(data_dir, progress):
            for place in _places(connection, data_dir, seq, received_at, images):
                if _is_sound(place):
                    tally.good()
                elif known.cover_picture(place.path.stem, place.image):
                    continue  # a person knows that it is lost
                elif place in _places_now(data_dir, seq):
                    tally.bad(f"{place.path.name} (record {seq}, {place.image.name})")
                # else it was dropped, moved or erased while it was read


def _places(
    connection: sqlite3.Connection, data_dir: Path, seq: int, received_at: int, images: bytes
) -> list[_Place]:
    """Return where a record's pictures lie: in the pack of its day, or in one of held evidence."""
    if not is_moment(received_at):
        return []  # told by check_records()
    day = day_of(received_at)
    path = data_dir / MEDIA / f"{day}{SUFFIX}"
    first = connection.execute(_DAY, (day,)).fetchone()
    if first is None or seq < first[0]:  # its day was dropped
        held = connection.execute(_HELD, (seq,)).fetchone()
        if held is None:
            return []
        pack, held_day, images = held
        path = data_dir / MEDIA / HELD / f"{held_day}-{pack}{SUFFIX}"
    return [_Place(path, image) for image in known_images(images)]


def _places_now(data_dir: Path, seq: int) -> list[_Place]:
    with opened(data_dir) as connection:
        row = connection.execute(_RECORD, (seq,)).fetchone()
        return [] if row is None else _places(connection, data_dir, seq, *row)


def _is_sound(place: _Place) -> bool:
    try:
        data = read_at(place.path, place.image.offset, place.image.size)
    except OSError:
        return False
    return len(data) == place.image.size and f"{checksum(data):016x}" == place.image.checksum


def _check_entries(data_dir: Path, progress: Progress, tally: Tally) -> None:
    """Walk through the entries of every pack, without reading the pictures again."""
    pacer, known = Pacer(), _known_lost(data_dir)
    for number, (path, end) in enumerate(packs := list(_packs(data_dir))):
        for count, name in enumerate(_bad_entries(path, end, known)):
            if name:
                tally.bad(name)
            if count % _WALK_ENTRIES == 0:
                progress(number / len(packs))
                pacer.pause()


def _bad_entries(path: Path, end: int, known: LostParts) -> Iterator[str]:
    """Yield "" for each good entry of a pack before `end`, and a name for each bad one.

    What is `known` to be lost counts as good.
    """
    with suppress(OSError):  # a pack that is missing is told by its pictures, or was dropped
        for entry in walk(path, 0, end, read_pictures=False):
            if isinstance(entry, Unreadable):
                start, end, name = entry.start, entry.end, f"bytes {entry.start} to {entry.end}"
            elif isinstance(entry, RecordEntry) and not entry.is_sound:
                start, end = entry.offset, entry.offset + entry.size
                name = f"logged record {entry.seq}"
            else:
                start, end, name = 0, 0, ""
            yield f"{path.name} ({name})" if name and not known.cover(path.stem, start, end) else ""


def _known_lost(data_dir: Path) -> LostParts:
    """Return what a person knows to be lost."""
    return LostParts([part for part in all_lost_parts(data_dir) if part.is_accepted])


def _packs(data_dir: Path) -> Iterator[tuple[Path, int]]:
    """Yield each pack that the database knows, with its committed end."""
    media = data_dir / MEDIA
    with opened(data_dir) as connection:
        days = connection.execute(_DAYS).fetchall()
        held = HeldIndex(media, load_held(connection, DamagedRows()))
    for day, _, end in days:
        if end:
            yield media / f"{day}{SUFFIX}", end
    for pack in held.packs():
        yield held.path(pack), pack.bytes
