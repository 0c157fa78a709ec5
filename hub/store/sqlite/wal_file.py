"""Whether a write-ahead log lost transactions that were committed: read from its file.

SQLite applies a log up to the first frame that is not whole, and ignores the rest. That is right
after a crash, which leaves parts of one transaction there, and of such as were taken back: their
checksums do not follow from each other. A transaction is begun only once the one before it is on
the disk. So if a whole one follows the end of another behind a frame that is not whole, that frame
was damaged later.

The last transaction may have been damaged as well, if its last frame is there: a process writes
that last. Only a power failure before its flush can leave the same, so in doubt it counts as lost.
What was taken back and overwritten looks like a last transaction whose first frame is broken. It is
told by what it says: it is none that comes next.

SQLite ignores a log whose header is not sound. It flushes the header before it writes a first frame
behind it, so one that is not sound in front of frames was damaged later, and all of them are lost.
"""

from __future__ import annotations

import logging
import os
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct

log = logging.getLogger(__name__)

_HEADER = struct.Struct(">8I")
_FRAME = struct.Struct(">6I")
#: SQLite ignores a file that is shorter.
HEADER_BYTES = _HEADER.size
_MAGIC = 0x377F0682
_PAGE_SIZES: tuple[int, ...] = tuple(2**power for power in range(9, 17))
_SEED_BYTES = 8
#: It takes seconds to read so much of a log.
_LOGGED_BYTES = 256 * 1024 * 1024
#: A checksum is brought back to 32 bits before it is slow to count with.
_LARGE = 2**59

Sum = tuple[int, int]


class _Frame(Struct, frozen=True):
    """`is_commit`: it ends a transaction. `head`, `page`: what its `checksum` is about."""

    salts: tuple[int, int]
    is_commit: bool
    checksum: Sum
    head: bytes
    page: bytes

    def sum_after(self, before: Sum, order: str) -> Sum:
        return _sum(self.page, _sum(self.head, before, order), order)


def lost_committed(path: Path, marks: Sequence[bytes] = ()) -> bool:
    """Whether transactions that were committed, or may have been, are lost. Raises OSError.

    `marks`: bytes that the transaction after the last one that can be read writes, and no other.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        data = file.read(HEADER_BYTES)
        if len(data) < HEADER_BYTES:
            return False
        magic, _, page_size, _, *salts, sum_0, sum_1 = _HEADER.unpack(data)
        order = ">" if magic & 1 else "<"
        header = _sum(data[:-_SEED_BYTES], (0, 0), order)
        if magic & ~1 != _MAGIC or page_size not in _PAGE_SIZES or header != (sum_0, sum_1):
            return size >= HEADER_BYTES + _FRAME.size + min(_PAGE_SIZES)
        frames = _frames(file, page_size, size)
        return _lost(frames, (salts[0], salts[1]), header, order, marks)


def _lost(
    frames: Iterator[_Frame], salts: Sum, header: Sum, order: str, marks: Sequence[bytes]
) -> bool:
    """`salts`: of all frames of the log."""
    is_sound = True
    #: Whether the frames since the end of a transaction follow from it and each other.
    since_commit = False
    #: Whether what is broken is of the transaction that comes next.
    is_next = False
    #: Of the frame before. One that is damaged may say so, or what it says may be damaged.
    before = [header]
    for frame in frames:
        sums = [frame.sum_after(one, order) for one in before]
        follows = frame.salts == salts and frame.checksum in sums
        before = [frame.checksum] if follows else [frame.checksum, sums[0]]
        is_sound = is_sound and follows
        if is_sound:
            is_next = not frame.is_commit
            continue
        is_ours = frame.salts == salts
        # A frame that follows from what the one before it should say: only that is damaged.
        is_next = is_next or (follows and frame.checksum != sums[0])
        is_next = is_next or (is_ours and any(mark in frame.page for mark in marks))
        if frame.is_commit and ((is_ours and is_next) or (follows and since_commit)):
            return True
        since_commit = is_ours and (frame.is_commit or (since_commit and follows))
    return False


def _frames(file: BinaryIO, page_size: int, bytes: int) -> Iterator[_Frame]:
    """`bytes`: how many the file has."""
    size = _FRAME.size + page_size
    logged = _LOGGED_BYTES
    while len(data := file.read(size)) == size:
        _, pages, salt_0, salt_1, *checksum = _FRAME.unpack_from(data)
        head, page = data[:_SEED_BYTES], data[_FRAME.size :]
        yield _Frame((salt_0, salt_1), pages != 0, (checksum[0], checksum[1]), head, page)
        if file.tell() >= logged:
            log.info("checked %d of %d bytes of %s", file.tell(), bytes, file.name)
            logged += _LOGGED_BYTES


def _sum(data: bytes, before: Sum, order: str) -> Sum:
    """Return SQLite's checksum of data that follows what has the checksum `before`."""
    a, b = before
    words = iter(struct.unpack(f"{order}{len(data) // 4}I", data))
    for x, y in zip(words, words, strict=True):
        a += x + b
        b += y + a
        if b > _LARGE:
            a, b = a & 0xFFFFFFFF, b & 0xFFFFFFFF
    return a & 0xFFFFFFFF, b & 0xFFFFFFFF
