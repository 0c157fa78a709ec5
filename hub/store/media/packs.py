"""Packs: one file per UTC day, to which groups of records and pictures are appended.

The database knows the committed end of each pack; bytes beyond it were never acknowledged, or the
database is older than the pack (see `hub.store.media.recovery`). What is in a pack says
`hub.store.media.pack_format`.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from hub.decoders import json_decoder
from hub.store.disk import Buffer, Disk
from hub.store.media.pack_format import PictureEntry, StoredImage, walk
from hub.store.rows import as_text
from hub.wire.pictures import EXTENSIONS, Image

log = logging.getLogger(__name__)

_DAY_MS = 86_400_000
SUFFIX = ".pack"
#: Of the pack of a dropped day, which is about to be deleted.
DROPPED = ".dropped"
_MAX_PACK_BYTES = 2**62
_MAX_PICTURE_BYTES = 2**30
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_PROBE_BYTES = 256 * 1024
#: The newest part of the open pack stays in the page cache, for the live page.
_CACHED_BYTES = 64 * 1024 * 1024
#: The rest is dropped from the cache in portions of at least this size.
_DROP_CACHE_BYTES = 8 * 1024 * 1024

_images_encoder = msgspec.json.Encoder()
_images_decoder = json_decoder(tuple[StoredImage, ...])
encode_images = _images_encoder.encode


def read_images(data: object) -> tuple[StoredImage, ...]:
    """Decode where pictures are. Raises an exception if that is damaged."""
    if not isinstance(data, bytes):
        raise TypeError("images")
    images = _images_decoder.decode(data)
    if not all(_is_possible(image) for image in images):
        raise ValueError("images")
    return images


def _is_possible(image: StoredImage) -> bool:
    return (
        image.mime in EXTENSIONS
        and 0 <= image.offset < _MAX_PACK_BYTES
        and 0 <= image.size < _MAX_PICTURE_BYTES
    )


def known_images(data: object) -> tuple[StoredImage, ...]:
    """Decode where pictures are; of a damaged row nothing is known."""
    try:
        return read_images(data)
    except Exception:  # whatever a decoder makes of nonsense
        return ()


def public_images(seq: int, images: Sequence[StoredImage]) -> tuple[Image, ...]:
    """Return a record's pictures as its readers see them, with their URL paths."""
    return tuple(
        Image(i.name, i.mime, f"/media/{seq}/{i.name}.{EXTENSIONS[i.mime]}", i.size) for i in images
    )


def day_of(ms: int) -> str:
    """Return the UTC day, "2026-11-25", of a time in UNIX milliseconds."""
    return datetime.fromtimestamp(ms // _DAY_MS * 86_400, UTC).strftime("%Y-%m-%d")


def as_day(value: object) -> str:
    """Decode a day, "2026-11-25". Raises an exception if it is none."""
    text = as_text(value)
    if not _DAY.fullmatch(text):
        raise ValueError("a day is expected")
    day_bounds(text)
    return text


def day_bounds(day: str) -> tuple[int, int]:
    """Return the first millisecond of a day and of the next day."""
    start = int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) * 1000
    return start, start + _DAY_MS


class Packs:
    """Appends to the packs and keeps the current one open. Used by the writer's thread only.

    `on_lost` is called with a text for people if a pack is found to be missing.
    """

    def __init__(self, directory: Path, disk: Disk, on_lost: Callable[[str], None]) -> None:
        self.directory = directory
        self._disk = disk
        self._on_lost = on_lost
        self._day = ""
        self._file: int | None = None
        #: The open pack was dropped from the page cache up to here.
        self._dropped_end = 0

    def path(self, day: str) -> Path:
        return self.directory / f"{day}{SUFFIX}"

    def append(self, day: str, start: int, buffers: Sequence[Buffer], end: int) -> None:
        """Write the buffers from `start` and flush them.

        Raises OSError if they cannot be written as a whole.
        """
        file = self._open(day, start)
        self._disk.write(file, buffers, start)
        self._disk.flush(file)
        self._drop_cache(file, end)

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

    def cut_off(self, day: str, end: int) -> None:
        """Cut off groups that were never committed; delete a pack of which nothing is committed.

        If that fails, the next start does it.
        """
        try:
            if self._day == day and self._file is not None:
                self._disk.cut(self._file, end)
            elif end == 0:
                self.path(day).unlink(missing_ok=True)
            else:
                cut_pack(self.path(day), self._disk, end)
        except OSError as error:
            log.warning("the pack of %s could not be truncated: %s", day, error)

    def retire(self, day: str) -> bool:
        """Rename the pack of a day that the log does not hold any more, so that it can be deleted.

        A new pack of that day, after the clock was set back, is then another file. Returns whether
        there is no pack of this name any more: on Windows, one that is being read stays.
        """
        self.close(day)
        path = self.path(day)
        try:
            path.replace(path.with_suffix(DROPPED))
        except FileNotFoundError:
            pass
        except OSError as error:
            log.info("%s will be deleted later: %s", path.name, error)
            return False
        return True

    def close(self, day: str | None = None) -> None:
        """Close the open pack; with `day`, only if it is the pack of that day."""
        if self._file is not None and day in (None, self._day):
            file, self._file = self._file, None
            self._disk.close(file)

    def _open(self, day: str, end: int) -> int:
        path = self.path(day)
        if self._file is not None and self._day == day and self._disk.is_at(self._file, path):
            return self._file
        # Of another day; or somebody deleted it, and what is appended would go with the process.
        self.close()
        is_new = not self.path(day).exists()
        file = self._disk.open(self.path(day))
        try:
            if end == 0 and not is_new:
                # Of a dropped day that could not be renamed, or of a group that failed.
                self._disk.cut(file, 0)
            if end == 0 or is_new:
                # The name must be durable before a commit relies on it, or a power failure after
                # midnight loses pictures.
                self._disk.flush_directory(self.directory)
            if end > 0 and is_new:
                self._on_lost(f"the pictures of {day} are missing: {self.path(day).name} was gone")
        except BaseException:
            self._disk.close(file)
            raise
        self._day, self._file, self._dropped_end = day, file, 0
        return file


def packs_in(media: Path) -> list[Path]:
    """Return the packs in a folder, oldest first."""
    return sorted(path for path in media.glob(f"*{SUFFIX}") if _DAY.fullmatch(path.stem))


def other_than_packs(media: Path) -> Iterator[Path]:
    """Yield what only has the name of a pack, or of one of held evidence: a FIFO, say."""
    yield from (path for path in media.glob(f"**/*{SUFFIX}") if not path.is_file())


def interrupted_drops(media: Path) -> list[str]:
    """Return the days whose pack was being deleted to make room for the drop in the database."""
    return [
        path.stem
        for path in media.glob(f"*{DROPPED}")
        if _DAY.fullmatch(path.stem) and not path.with_suffix(SUFFIX).exists()
    ]


def empty_dropped(media: Path) -> None:
    """Free the space of dropped packs; their names tell the next start that they were dropped."""
    for path in media.glob(f"*{DROPPED}"):
        try:
            os.truncate(path, 0)
        except OSError as error:
            log.info("%s will be deleted later: %s", path.name, error)


def remove_dropped(media: Path) -> None:
    """Delete the packs of dropped days."""
    for path in media.glob(f"*{DROPPED}"):
        remove_pack(path)


def remove_pack(path: Path) -> None:
    """Delete a pack. One that cannot be deleted stays, on Windows because it is in use."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        log.info("%s will be deleted later: %s", path.name, error)


def cut_pack(path: Path, disk: Disk, end: int) -> None:
    """Truncate a pack that is not open. Durable on return."""
    file = disk.open(path)
    try:
        disk.cut(file, end)
        disk.flush(file)
    finally:
        disk.close(file)


def entries(path: Path, end: int) -> Iterator[PictureEntry]:
    """Yield the pictures of a pack, up to `end`."""
    return (entry for entry in walk(path, 0, end) if isinstance(entry, PictureEntry))
