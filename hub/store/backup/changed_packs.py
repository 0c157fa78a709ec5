"""Packs that have changed since a generation named them: records were erased in them meanwhile.

If the folder is on the disk of the data directory, its packs are hard links, so that an erasure
reaches the pictures of older generations too. Such a pack is good if each picture that the
database of the generation knows is there as it was, or erased.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

from hub.errors import BackupFault
from hub.store.backup.pace import Pace
from hub.store.media.held_index import HELD
from hub.store.media.pack_format import ERASED_PICTURE_MAGIC, PICTURE_SIZE, StoredImage, checksum
from hub.store.media.packs import day_bounds, known_images
from hub.store.startup import MEDIA

_IN_DAY = "SELECT seq, images FROM record WHERE received_at >= ? AND received_at < ? ORDER BY seq"
_IN_HELD = "SELECT seq, images FROM held_record WHERE pack = ? ORDER BY seq"
_MARK = "UPDATE record SET erased = 1 WHERE seq = ? AND erased IS NULL"


def erase_again(database: Path, folder: Path, names: Iterable[str], pace: Pace) -> int:
    """Mark the records as erased whose pictures are erased in these packs; return how many.

    `names` are paths below `folder`. Readers see such a record as an erased one. Blocks. Raises
    BackupFault if a picture is neither there nor erased.
    """
    marked = 0
    try:
        with closing(sqlite3.connect(database, isolation_level=None)) as connection:
            for name in names:
                erased = list(_erased_in(connection, folder, name, pace))
                connection.execute("BEGIN IMMEDIATE")
                connection.executemany(_MARK, [(seq,) for seq in erased])
                connection.execute("COMMIT")
                marked += len(erased)
    except sqlite3.Error as error:
        raise BackupFault(f"the database of the backup is damaged: {error}") from error
    return marked


def _erased_in(
    connection: sqlite3.Connection, folder: Path, name: str, pace: Pace
) -> Iterator[int]:
    with (folder / name).open("rb") as file:
        for seq, images in _rows(connection, name):
            states = [_is_erased(file, image, name) for image in known_images(images)]
            pace.spend(sum(image.size for image in known_images(images)))
            if any(states):
                yield seq


def _rows(connection: sqlite3.Connection, name: str) -> Iterator[tuple[int, bytes]]:
    stem = Path(name).stem
    if name.startswith(f"{MEDIA}/{HELD}/"):
        yield from connection.execute(_IN_HELD, (int(stem.rpartition("-")[2]),))
    else:
        yield from connection.execute(_IN_DAY, day_bounds(stem))


def _is_erased(file: BinaryIO, image: StoredImage, name: str) -> bool:
    file.seek(image.offset - PICTURE_SIZE)
    data = file.read(PICTURE_SIZE + image.size)
    if data[: len(ERASED_PICTURE_MAGIC)] == ERASED_PICTURE_MAGIC:
        return True
    if f"{checksum(data[PICTURE_SIZE:]):016x}" == image.checksum:
        return False
    raise BackupFault(f"the backup is damaged: the checksum of {name} does not fit")
