"""Packs: one file per UTC day to which pictures are appended, each after a small header.

    header = magic "SHP1", length (4 bytes), checksum of the picture (xxh3-64, 8 bytes), digest of
             the upload (16 bytes), which record of that upload (2 bytes), name (14 bytes)

All numbers are little-endian. The header allows a pack to be verified, and its index to be rebuilt,
without the database. The database knows the committed end of each pack; bytes beyond it were never
acknowledged.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import xxhash
from msgspec import Struct

from hub.store.disk import Buffer, Disk
from hub.wire.pictures import EXTENSIONS, Image, Picture

log = logging.getLogger(__name__)

MAGIC = b"SHP1"
_HEADER = struct.Struct("<4sIQ16sH14s")
HEADER_SIZE = _HEADER.size
_DAY_MS = 86_400_000
SUFFIX = ".pack"
_PROBE_BYTES = 256 * 1024
#: The newest part of the open pack stays in the page cache, for the live page.
_CACHED_BYTES = 64 * 1024 * 1024
#: The rest is dropped from the cache in portions of at least this size.
_DROP_CACHE_BYTES = 8 * 1024 * 1024


class StoredImage(Struct, frozen=True, array_like=True):
    """The position of a picture in its day's pack, in bytes. `checksum`: xxh3-64 in hex."""

    name: str
    mime: str
    offset: int
    size: int
    checksum: str


class PackEntry(Struct, frozen=True):
    """A picture as described by its header in a pack. `is_sound`: its checksum matches."""

    digest: bytes
    ordinal: int
    name: str
    offset: int
    size: int
    is_sound: bool


_images_encoder = msgspec.json.Encoder()
_images_decoder = msgspec.json.Decoder(tuple[StoredImage, ...])
encode_images = _images_encoder.encode
decode_images = _images_decoder.decode


def public_images(seq: int, images: Sequence[StoredImage]) -> tuple[Image, ...]:
    """Return a record's pictures as its readers see them, with their URL paths."""
    return tuple(
        Image(i.name, i.mime, f"/media/{seq}/{i.name}.{EXTENSIONS[i.mime]}", i.size) for i in images
    )


def day_of(ms: int) -> str:
    """Return the UTC day, "2026-11-25", of a time in UNIX milliseconds."""
    return datetime.fromtimestamp(ms // _DAY_MS * 86_400, UTC).strftime("%Y-%m-%d")


def day_bounds(day: str) -> tuple[int, int]:
    """Return the first millisecond of a day and of the next day."""
    start = int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) * 1000
    return start, start + _DAY_MS


def checksum(data: Buffer) -> int:
    """Return the xxh3-64 of a picture."""
    return xxhash.xxh3_64_intdigest(data)


class PackTail:
    """Pictures to be appended to a pack in one write."""

    def __init__(self, offset: int) -> None:
        self.buffers: list[Buffer] = []
        self.start = offset
        self.end = offset

    def add(self, digest: bytes, ordinal: int, picture: Picture) -> StoredImage:
        """Add a picture of an upload's record; return its position. Copies no bytes."""
        data = picture.data
        sum_ = checksum(data)
        name = picture.name.encode()[:14]
        self.buffers.append(_HEADER.pack(MAGIC, len(data), sum_, digest, ordinal, name))
        self.buffers.append(data)
        offset = self.end + HEADER_SIZE
        self.end = offset + len(data)
        return StoredImage(picture.name, picture.mime, offset, len(data), f"{sum_:016x}")


class Packs:
    """Appends to the packs and keeps the current one open. Used by the writer's thread only."""

    def __init__(self, directory: Path, disk: Disk) -> None:
        self.directory = directory
        self._disk = disk
        self._day = ""
        self._file: int | None = None
        #: The open pack was dropped from the page cache up to here.
        self._dropped_end = 0

    def path(self, day: str) -> Path:
        return self.directory / f"{day}{SUFFIX}"

    def append(self, day: str, tail: PackTail) -> None:
        """Write the tail and flush it. Raises OSError if it cannot be written as a whole."""
        if tail.buffers:
            file = self._open(day, tail.start)
            self._disk.write(file, tail.buffers, tail.start)
            self._disk.flush(file)
            self._drop_cache(file, tail.end)

    def _drop_cache(self, file: int, end: int) -> None:
        """Drop all but the newest pictures from the page cache.

        A day's pictures would push the database out of a small machine's memory. Also, writing to
        reused pages is several times faster than writing to fresh ones.
        """
        size = end - _CACHED_BYTES - self._dropped_end
        if size >= _DROP_CACHE_BYTES:
            with suppress(OSError):  # only advice
                self._disk.drop_cache(file, self._dropped_end, size)
            self._dropped_end += size

    def probe(self, day: str, end: int) -> None:
        """Test whether a pack can be written: write beyond the committed end and cut it off again.

        Raises OSError if it cannot.
        """
        file = self._open(day, end)
        try:
            self._disk.write(file, [bytes(_PROBE_BYTES)], end)
            self._disk.flush(file)
        finally:
            self.cut_back(day, end)

    def cut_back(self, day: str, end: int) -> None:
        """Cut off the remains of a refused group. If that fails, the next group overwrites them."""
        if self._file is None or self._day != day:
            return
        try:
            self._disk.cut(self._file, end)
        except OSError as error:
            log.warning("the pack of %s could not be truncated: %s", self._day, error)

    def close(self, day: str | None = None) -> None:
        """Close the open pack; with `day`, only if it is the pack of that day."""
        if self._file is not None and day in (None, self._day):
            file, self._file = self._file, None
            self._disk.close(file)

    def _open(self, day: str, end: int) -> int:
        if self._file is not None and self._day == day:
            return self._file
        self.close()
        file = self._disk.open(self.path(day))
        try:
            if end == 0:
                # The name must be durable before a commit relies on it, or a power failure after
                # midnight loses pictures.
                self._disk.flush_directory(self.directory)
        except BaseException:
            self._disk.close(file)
            raise
        self._day, self._file, self._dropped_end = day, file, 0
        return file


def recover(directory: Path, disk: Disk, ends: dict[str, int]) -> list[str]:
    """Remove data that was never committed; return texts about damaged packs.

    `ends`: the committed end of each day's pack.
    """
    for path in sorted(directory.glob(f"*{SUFFIX}")):
        end = ends.get(path.stem, 0)
        if end == 0:
            log.info("removed %s, which holds no committed pictures", path.name)
            remove_pack(path)
        elif path.stat().st_size > end:
            log.info("cut off %s after byte %d: the rest was never acknowledged", path.name, end)
            _cut(path, disk, end)
    return [text for day, end in sorted(ends.items()) if (text := _damage(directory, day, end))]


def remove_pack(path: Path) -> None:
    """Delete a pack. On Windows a pack in use stays, at most until the next start."""
    try:
        path.unlink(missing_ok=True)
    except PermissionError:
        log.info("%s is in use and will be deleted later", path.name)


def _cut(path: Path, disk: Disk, end: int) -> None:
    file = disk.open(path)
    try:
        disk.cut(file, end)
        disk.flush(file)
    finally:
        disk.close(file)


def _damage(directory: Path, day: str, end: int) -> str:
    path = directory / f"{day}{SUFFIX}"
    if end == 0:
        return ""
    if not path.exists():
        return f"the pictures of {day} are missing: there is no {path.name}"
    if (size := path.stat().st_size) < end:
        return f"{path.name} is damaged: it has {size} of {end} bytes"
    return ""


def entries(path: Path, end: int) -> Iterator[PackEntry]:
    """Yield the pictures that a pack's headers describe, up to `end` or an invalid header."""
    with path.open("rb") as file:
        while file.tell() + HEADER_SIZE <= end:
            magic, size, sum_, digest, ordinal, name = _HEADER.unpack(file.read(HEADER_SIZE))
            if magic != MAGIC:
                return
            offset = file.tell()
            data = file.read(size)
            is_sound = len(data) == size and checksum(data) == sum_
            yield PackEntry(digest, ordinal, name.rstrip(b"\0").decode(), offset, size, is_sound)
