"""The format of a pack: a log of groups, each with its pictures and records.

A pack is read from its beginning. All numbers are little-endian; checksums are xxh3-64.

    group   = group header, pictures, records
    group header, 88 bytes:
        magic "SHG1", log id (16 bytes), number (8), previous (8), start (8), size (8),
        first seq (8), last seq (8), how many records (4), time (8),
        checksum of the 80 bytes before it (8)
    picture = header of 45 bytes, the picture as it was sent
        magic "SHP1", length (4), checksum of the picture (8), digest of the upload (16),
        which record of that upload (2), name (14 bytes, filled with zeros)
    record  = header of 24 bytes, the record as JSON: see `LoggedRecord`
        magic "SHR1", length (4), checksum of the JSON (8), seq (8)

*Number* counts the attempts of the hub to store a group, also those that failed. *Previous* is the
number of the last group that was known to be committed when this one was written: a group is
committed if a later one names it, and is not if a later one names an earlier one. *Start* is where
the header lies in the pack, *size* is the size of the group with its header, *time* is when the
hub received the records, in UNIX milliseconds.

Hubs before schema 6 wrote pictures only, without groups: a pack may begin with those.

An entry that was erased keeps its length, so that the rest can be read: its magic is "SHP0" or
"SHR0", and all other bytes of the entry are zero, except the seq of a record.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec
import xxhash
from msgspec import Raw, Struct

from hub.decoders import json_decoder
from hub.store.disk import Buffer
from hub.wire.pictures import Picture
from hub.wire.uploads.records import RecordKind

GROUP_MAGIC = b"SHG1"
PICTURE_MAGIC = b"SHP1"
RECORD_MAGIC = b"SHR1"
ERASED_PICTURE_MAGIC = b"SHP0"
ERASED_RECORD_MAGIC = b"SHR0"

_GROUP = struct.Struct("<4s16sQQQQQQIQ")
_CHECKSUM = struct.Struct("<Q")
_PICTURE = struct.Struct("<4sIQ16sH14s")
_RECORD = struct.Struct("<4sIQQ")
GROUP_SIZE = _GROUP.size + _CHECKSUM.size
PICTURE_SIZE = _PICTURE.size
RECORD_SIZE = _RECORD.size
_MAX_HEADER = max(GROUP_SIZE, PICTURE_SIZE, RECORD_SIZE)
_SEARCH_BYTES = 1024 * 1024


class StoredImage(Struct, frozen=True, array_like=True):
    """The position of a picture in its day's pack, in bytes. `checksum`: xxh3-64 in hex."""

    name: str
    mime: str
    offset: int
    size: int
    checksum: str


class LoggedRecord(Struct, frozen=True, omit_defaults=True):
    """A record in a pack: all that its rows in the database hold.

    `detail` and `extra` are the JSON of the columns of the same name. `upload`: digest of the
    upload that it came with, in hex; with `did` it recognises repeats. `follows_access`: the
    upload was a lone picture (D8).
    """

    seq: int
    kind: RecordKind
    did: str
    sn: str
    device_name: str
    occurred_at: int
    received_at: int
    detail: Raw
    extra: Raw
    images: tuple[StoredImage, ...]
    upload: str
    follows_access: bool = False


class Group(Struct, frozen=True):
    """The header of a group. `log_id` is 32 hexadecimal digits."""

    log_id: str
    number: int
    previous: int
    start: int
    size: int
    first_seq: int
    last_seq: int
    records: int
    at: int

    @property
    def end(self) -> int:
        return self.start + self.size


class PictureEntry(Struct, frozen=True):
    """A picture of a pack. `offset`, `size`: of the picture itself.

    `is_sound`: its checksum matches, or it was erased, or it was not read.
    """

    digest: bytes
    ordinal: int
    name: str
    offset: int
    size: int
    is_sound: bool
    is_erased: bool = False


class RecordEntry(Struct, frozen=True):
    """A record of a pack. `offset`, `size`: of `payload`, its JSON, empty if it was erased."""

    seq: int
    offset: int
    size: int
    payload: bytes
    is_sound: bool
    is_erased: bool = False

    def decode(self) -> LoggedRecord | None:
        """Return the record, None if it was erased or is damaged."""
        if self.is_erased or not self.is_sound:
            return None
        return _record_decoder.decode(self.payload)


class Unreadable(Struct, frozen=True):
    """A part of a pack, from `start` to before `end`, that is no entry."""

    start: int
    end: int


Entry = Group | PictureEntry | RecordEntry | Unreadable

_record_encoder = msgspec.json.Encoder()
_record_decoder = json_decoder(LoggedRecord)


def checksum(data: Buffer) -> int:
    """Return the xxh3-64 of a picture or a record."""
    return xxhash.xxh3_64_intdigest(data)


def new_checksum() -> xxhash.xxh3_64:
    """Return a checksum that is made part by part."""
    return xxhash.xxh3_64()


class GroupTail:
    """A group that is to be appended to a pack in one write.

    Pictures come first, so that a record can name their positions before its own size is known.
    """

    def __init__(self, start: int) -> None:
        self.start = start
        #: Where the group ends so far.
        self.end = start + GROUP_SIZE
        self._pictures: list[Buffer] = []
        self._records: list[Buffer] = []

    def add_picture(self, digest: bytes, ordinal: int, picture: Picture) -> StoredImage:
        """Add a picture of an upload's record; return its position. Copies no bytes."""
        assert not self._records, "pictures come before records"
        data = picture.data
        sum_ = checksum(data)
        name = picture.name.encode()[:14]
        self._pictures.append(_PICTURE.pack(PICTURE_MAGIC, len(data), sum_, digest, ordinal, name))
        self._pictures.append(data)
        offset = self.end + PICTURE_SIZE
        self.end = offset + len(data)
        return StoredImage(picture.name, picture.mime, offset, len(data), f"{sum_:016x}")

    def add_entries(self, data: bytes) -> None:
        """Add the entries of pictures of another group as they are."""
        self._pictures.append(data)
        self.end += len(data)

    def mark(self) -> tuple[int, int]:
        """Return a mark for `back_to`."""
        return self.end, len(self._pictures)

    def back_to(self, mark: tuple[int, int]) -> None:
        """Remove the pictures that were added since the mark."""
        self.end = mark[0]
        del self._pictures[mark[1] :]

    def add_record(self, record: LoggedRecord) -> None:
        payload = _record_encoder.encode(record)
        self._records.append(
            _RECORD.pack(RECORD_MAGIC, len(payload), checksum(payload), record.seq)
        )
        self._records.append(payload)
        self.end += RECORD_SIZE + len(payload)

    def buffers(
        self, log_id: str, number: int, previous: int, seqs: tuple[int, int], at: int
    ) -> list[Buffer]:
        """Return the group as it is written. `seqs`: its first and last seq. `at`: see `Group`."""
        header = _GROUP.pack(
            GROUP_MAGIC,
            bytes.fromhex(log_id),
            number,
            previous,
            self.start,
            self.end - self.start,
            *seqs,
            len(self._records) // 2,
            at,
        )
        return [header + _CHECKSUM.pack(checksum(header)), *self._pictures, *self._records]


def erased_picture(size: int) -> list[Buffer]:
    """Return what the entry of a picture becomes, header included, when it is erased."""
    return [_PICTURE.pack(ERASED_PICTURE_MAGIC, size, 0, bytes(16), 0, b""), bytes(size)]


def erased_record(seq: int, size: int) -> list[Buffer]:
    """Return what the entry of a record becomes, header included, when it is erased."""
    return [_RECORD.pack(ERASED_RECORD_MAGIC, size, 0, seq), bytes(size)]


# -- reading


def walk(path: Path, start: int, end: int, *, read_pictures: bool = True) -> Iterator[Entry]:
    """Yield all entries of a pack from `start`, which is where one begins, to before `end`.

    Goes on behind a damaged part at the next group. Without `read_pictures`, pictures are not
    read and count as sound. Raises OSError if the file cannot be read.
    """
    with path.open("rb") as file:
        yield from walk_file(file, start, end, read_pictures=read_pictures)


def walk_file(
    file: BinaryIO, start: int, end: int, *, read_pictures: bool = True
) -> Iterator[Entry]:
    """Yield all entries of an open pack: see `walk`."""
    limit = end  # of the group
    while start < end:
        entry, next_start = _read_entry(file, start, limit, read_pictures)
        if isinstance(entry, Unreadable) and limit < end:
            entry = Unreadable(start, limit)
            next_start = limit
        elif isinstance(entry, Unreadable):
            next_start = _next_group(file, start + 1, end)
            entry = Unreadable(start, next_start)
        if isinstance(entry, Group):
            limit = min(entry.end, end)
        elif next_start >= limit:
            limit = end
        yield entry
        start = next_start


def records_in(path: Path, end: int) -> Iterator[LoggedRecord]:
    """Yield the records of a pack before `end`, those of refused groups included."""
    for entry in walk(path, 0, end, read_pictures=False):
        if isinstance(entry, RecordEntry) and (record := entry.decode()):
            yield record


def groups(path: Path, start: int) -> Iterator[Group]:
    """Yield the group that begins at `start` and those that follow it without a gap."""
    with path.open("rb") as file:
        while group := read_group(file, start):
            yield group
            start = group.end


def first_magic(path: Path, start: int = 0) -> bytes:
    """Return the four bytes with which an entry at `start` begins; fewer at the end of the file."""
    with path.open("rb") as file:
        file.seek(start)
        return file.read(4)


def read_group(file: BinaryIO, start: int) -> Group | None:
    """Return the group that begins at `start`, None if there is none."""
    file.seek(start)
    return _parse_group(file.read(GROUP_SIZE), start)


def _parse_group(data: bytes, start: int) -> Group | None:
    if len(data) < GROUP_SIZE or data[:4] != GROUP_MAGIC:
        return None
    header = data[: _GROUP.size]
    if _CHECKSUM.unpack_from(data, _GROUP.size) != (checksum(header),):
        return None
    _, log_id, *numbers = _GROUP.unpack(header)
    group = Group(log_id.hex(), *numbers)
    return group if group.start == start and group.size >= GROUP_SIZE else None


def _read_entry(file: BinaryIO, start: int, end: int, read_pictures: bool) -> tuple[Entry, int]:
    """Return the entry at `start` and where the next one begins."""
    file.seek(start)
    head = file.read(_MAX_HEADER)
    magic = head[:4]
    entry: PictureEntry | RecordEntry | None = None
    if magic == GROUP_MAGIC:
        if group := _parse_group(head, start):
            return group, start + GROUP_SIZE
    elif magic in (PICTURE_MAGIC, ERASED_PICTURE_MAGIC) and len(head) >= PICTURE_SIZE:
        entry = _read_picture(file, start, end, head, read_pictures)
    elif magic in (RECORD_MAGIC, ERASED_RECORD_MAGIC) and len(head) >= RECORD_SIZE:
        entry = _read_record(file, start, end, head)
    if entry is None:
        return Unreadable(start, end), end
    return entry, entry.offset + entry.size


def _read_picture(
    file: BinaryIO, start: int, end: int, head: bytes, read: bool
) -> PictureEntry | None:
    magic, size, sum_, digest, ordinal, name = _PICTURE.unpack_from(head)
    offset = start + PICTURE_SIZE
    if offset + size > end:
        return None
    is_erased = magic == ERASED_PICTURE_MAGIC
    is_sound = True
    if read and not is_erased:
        file.seek(offset)
        data = file.read(size)
        is_sound = len(data) == size and checksum(data) == sum_
    text = name.rstrip(b"\0").decode("ascii", "replace")
    return PictureEntry(digest, ordinal, text, offset, size, is_sound, is_erased)


def _read_record(file: BinaryIO, start: int, end: int, head: bytes) -> RecordEntry | None:
    magic, size, sum_, seq = _RECORD.unpack_from(head)
    offset = start + RECORD_SIZE
    if offset + size > end:
        return None
    if magic == ERASED_RECORD_MAGIC:
        return RecordEntry(seq, offset, size, b"", is_sound=True, is_erased=True)
    file.seek(offset)
    payload = file.read(size)
    is_sound = len(payload) == size and checksum(payload) == sum_
    return RecordEntry(seq, offset, size, payload, is_sound)


def _next_group(file: BinaryIO, start: int, end: int) -> int:
    """Return where the next group begins, `end` if there is none before it."""
    while start < end:
        file.seek(start)
        data = file.read(_SEARCH_BYTES)
        found = data.find(GROUP_MAGIC)
        if found >= 0:
            if start + found >= end:
                return end
            if read_group(file, start + found):
                return start + found
            start += found + 1
        elif len(data) < _SEARCH_BYTES:
            return end
        else:
            start += len(data) - len(GROUP_MAGIC) + 1
    return end
