"""Packs that have changed since a generation named them: records were erased in them meanwhile.

If the folder is on the disk of the data directory, its packs are hard links, so that an erasure
reaches the pictures of older generations too. Such a pack is good if each picture that the
database of the generation knows is there as it was, or erased.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

from hub.errors import DamagedBackup
from hub.store.backup.pace import Pace
from hub.store.backup.unread import Part, is_in, pictures_of_pack
from hub.store.media.pack_format import ERASED_PICTURE_MAGIC, PICTURE_SIZE, StoredImage, checksum

_MARK = "UPDATE record SET erased = 1 WHERE seq = ? AND erased IS NULL"


def erase_again(
    database: Path, folder: Path, packs: Mapping[str, Sequence[Part]], pace: Pace
) -> int:
    """Mark the records as erased whose pictures are erased in these packs; return how many.

    `packs`: their paths below `folder`, and what of them could not be read. Readers see such a
    record as an erased one. Blocks. Raises BackupFault if a picture that was read is neither
    there nor erased.
    """
    marked = 0
    try:
        with closing(sqlite3.connect(database, isolation_level=None)) as connection:
            for name, unread in packs.items():
                erased = list(_erased_in(connection, folder, name, unread, pace))
                connection.execute("BEGIN IMMEDIATE")
                connection.executemany(_MARK, [(seq,) for seq in erased])
                connection.execute("COMMIT")
                marked += len(erased)
    except sqlite3.Error as error:
        raise DamagedBackup(f"the database of the backup is damaged: {error}") from error
    return marked


def _erased_in(
    connection: sqlite3.Connection,
    folder: Path,
    name: str,
    unread: Sequence[Part],
    pace: Pace,
) -> Iterator[int]:
    with (folder / name).open("rb") as file:
        for seq, images in pictures_of_pack(connection, name):
            known = [image for image in images if not is_in(image, unread)]
            states = [_is_erased(file, image, name) for image in known]
            pace.spend(sum(image.size for image in known))
            if any(states):
                yield seq


def _is_erased(file: BinaryIO, image: StoredImage, name: str) -> bool:
    file.seek(image.offset - PICTURE_SIZE)
    data = file.read(PICTURE_SIZE + image.size)
    if data[: len(ERASED_PICTURE_MAGIC)] == ERASED_PICTURE_MAGIC:
        return True
    if f"{checksum(data[PICTURE_SIZE:]):016x}" == image.checksum:
        return False
    raise DamagedBackup(f"the backup is damaged: the checksum of {name} does not fit")
