"""The pack: one file a day that pictures are appended to, each behind a small header.

    header = magic "SHP1", length (4 bytes), checksum of the picture (xxh3-64, 8 bytes), digest of
             the upload (16 bytes), which record of that upload (2 bytes), name (14 bytes)

All little-endian. The header lets a pack be verified, and its index be rebuilt, without the
database. What counts is the committed end that the database knows: whatever lies beyond was never
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
_PROBE_SIZE = 256 * 1024
#: What stays in memory of the open pack, for the live wall; the rest is let go in such portions.
_WARM_SIZE = 64 * 1024 * 1024
_LET_GO_SIZE = 8 * 1024 * 1024


class StoredImage(Struct, frozen=True, array_like=True):
    """Where a picture lies in the pack of its record's day. `checksum` is xxh3-64 in hex."""

    name: str
    mime: str
    offset: int
    size: int
    checksum: str


class PackEntry(Struct, frozen=True):
    """A picture as a pack itself tells it."""

    digest: bytes
    ordinal: int
    name: str
    offset: int
    size: int
    sound: bool


_images_encoder = msgspec.json.Encoder()
_images_decoder = msgspec.json.Decoder(tuple[StoredImage, ...])
encode_images = _images_encoder.encode
decode_images = _images_decoder.decode


def public_images(seq: int, images: Sequence[StoredImage]) -> tuple[Image, ...]:
    """A record's pictures as its readers see them."""
    return tuple(
        Image(i.name, i.mime, f"/media/{seq}/{i.name}.{EXTENSIONS[i.mime]}", i.size) for i in images
    )


def day_of(ms: int) -> str:
    """The UTC day that a record received at `ms` belongs to."""
    return datetime.fromtimestamp(ms // _DAY_MS * 86_400, UTC).strftime("%Y-%m-%d")


def day_bounds(day: str) -> tuple[int, int]:
    """First millisecond of a day, and of the next."""
    start = int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) * 1000
    return start, start + _DAY_MS


def checksum(data: Buffer) -> int:
    return xxhash.xxh3_64_intdigest(data)


class Tail:
    """Pictures that wait to be appended to a pack in one write, and where each will lie."""

    def __init__(self, offset: int) -> None:
        self.buffers: list[Buffer] = []
        self.start = offset
        self.end = offset

    def add(self, digest: bytes, ordinal: int, picture: Picture) -> StoredImage:
        data = picture.data
        sum_ = checksum(data)
        name = picture.name.encode()[:14]
        self.buffers.append(_HEADER.pack(MAGIC, len(data), sum_, digest, ordinal, name))
        self.buffers.append(data)
        offset = self.end + HEADER_SIZE
        self.end = offset + len(data)
        return StoredImage(picture.name, picture.mime, offset, len(data), f"{sum_:016x}")


class Packs:
    """The writer's side of the packs: used by the one thread that writes, by nobody else."""

    def __init__(self, directory: Path, disk: Disk) -> None:
        self.directory = directory
        self._disk = disk
        self._day = ""
        self._file: int | None = None
        #: Up to where the system was told that it need not keep the open pack in memory.
        self._let_go = 0

    def path(self, day: str) -> Path:
        return self.directory / f"{day}{SUFFIX}"

    def append(self, day: str, tail: Tail) -> None:
        """Write the tail and flush it. OSError where it cannot be written as a whole."""
        if tail.buffers:
            file = self._open(day, tail.start)
            self._disk.write(file, tail.buffers, tail.start)
            self._disk.flush(file)
            self._keep_memory_free(file, tail.end)

    def _keep_memory_free(self, file: int, end: int) -> None:
        """Let go of all but the newest pictures.

        A day of them would push the database out of a small machine's memory; and memory that is
        used again is several times faster to write to than fresh memory.
        """
        size = end - _WARM_SIZE - self._let_go
        if size >= _LET_GO_SIZE:
            with suppress(OSError):  # it is but advice
                self._disk.let_go(file, self._let_go, size)
            self._let_go += size

    def probe(self, day: str, end: int) -> None:
        """Find out whether a pack can be written: write beyond the committed end, take it back."""
        file = self._open(day, end)
        try:
            self._disk.write(file, [bytes(_PROBE_SIZE)], end)
            self._disk.flush(file)
        finally:
            self.cut_back(day, end)

    def cut_back(self, day: str, end: int) -> None:
        """Drop what a refused group left. Where even that fails, the next group overwrites it."""
        if self._file is None or self._day != day:
            return
        try:
            self._disk.cut(self._file, end)
        except OSError as error:
            log.warning("pack of %s could not be cut back: %s", self._day, error)

    def close(self, day: str | None = None) -> None:
        """Let go of the open pack, or of it only where it is that of `day`."""
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
                # The name must be durable before a commit counts on it: else midnight loses
                # pictures to a power failure.
                self._disk.flush_directory(self.directory)
        except BaseException:
            self._disk.close(file)
            raise
        self._day, self._file, self._let_go = day, file, 0
        return file


def recover(directory: Path, disk: Disk, ends: dict[str, int]) -> list[str]:
    """Cut off what no commit names; what is damaged, in words. `ends`: committed end by day."""
    for path in sorted(directory.glob(f"*{SUFFIX}")):
        end = ends.get(path.stem, 0)
        if end == 0:
            log.info("%s: removed, for no commit names it", path.name)
            remove_pack(path)
        elif path.stat().st_size > end:
            log.info("%s: cut off what was never acknowledged beyond byte %d", path.name, end)
            _cut(path, disk, end)
    return [text for day, end in sorted(ends.items()) if (text := _damage(directory, day, end))]


def remove_pack(path: Path) -> None:
    """Delete a pack. On Windows one that is in use stays, until the next start if need be."""
    try:
        path.unlink(missing_ok=True)
    except PermissionError:
        log.info("%s is in use and is deleted later", path.name)


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
        return f"the pictures of {day} are missing: {path.name} is not there"
    if (size := path.stat().st_size) < end:
        return f"{path.name} is damaged: {size} of {end} bytes are there"
    return ""


def read_at(path: Path, offset: int, size: int) -> bytes:
    """One positioned read on a handle of its own, so that no open file stands in a deletion's way.

    Fewer bytes than asked for where the file ends before.
    """
    with path.open("rb", buffering=0) as file:
        file.seek(offset)
        return file.read(size)


def entries(path: Path, end: int) -> Iterator[PackEntry]:
    """Every picture that the pack itself tells of, up to `end`; stops at what is no header."""
    with path.open("rb") as file:
        while file.tell() + HEADER_SIZE <= end:
            magic, size, sum_, digest, ordinal, name = _HEADER.unpack(file.read(HEADER_SIZE))
            if magic != MAGIC:
                return
            offset = file.tell()
            data = file.read(size)
            sound = len(data) == size and checksum(data) == sum_
            yield PackEntry(digest, ordinal, name.rstrip(b"\0").decode(), offset, size, sound)
