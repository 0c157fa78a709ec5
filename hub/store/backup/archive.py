"""A backup in one file: a tar that says at its begin what it holds, and at its end what it held.

    sitehub-backup.json    `Head`: what this is, and how much room it takes
    sitehub.toml, hub.key, tls/..., and other small files of the data directory
    hub.sqlite.gz          the database
    firmware/SHA256
    media/DAY.pack         the pictures; a generation of a folder has them beside it
    unread.json            packs that could not be read completely, only if there are any
    SHA256SUMS             of every member before it, as sha256sum reads it

So it can be verified while it is read once, from a pipe as well.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from hub.decoders import decode_json
from hub.errors import BackupFault, DamagedBackup
from hub.reasons import Reason
from hub.store.backup.files import FlushedFile, read_steps
from hub.store.backup.pace import STEP_BYTES, Pace
from hub.store.backup.sealed_file import Sink, Source
from hub.store.backup.snapshot import PackPart, Snapshot
from hub.store.backup.tar import MAX_NAME_LENGTH, Member, TarReader, TarWriter, is_safe_name
from hub.store.backup.unread import (
    Part,
    UnreadPack,
    UnreadParts,
    is_pack_name,
    is_possible,
    unread_pack,
)
from hub.store.names import DATABASE, FIRMWARE, KEY_FILE, MEDIA

FORMAT = 1
HEAD = "sitehub-backup.json"
UNREAD = "unread.json"
SUMS = "SHA256SUMS"
COMPRESSED = f"{DATABASE}.gz"
TLS = "tls"
#: The first member is not larger than this, and neither is the last.
_MAX_TEXT_BYTES = 16 * 1024 * 1024
#: The head of a generation is not larger than this: it names about 12,000 packs, the days of 15
#: years with held evidence of each.
MAX_HEAD_BYTES = 4 * 1024 * 1024
#: Problems of a generation whose head was not read.
HEAD_TOO_LARGE = Reason("it is not a backup of sitehub: its header is too large")
HEAD_NOT_READ = Reason("the folder contains too many backups to read this one: move some elsewhere")
#: Larger files in the data directory are not the hub's.
_MAX_SMALL_BYTES = 1024 * 1024
_MAX_SMALL_FILES = 1000
#: Files of the data directory that belong to the running process or to this computer.
_TRANSIENT = ("hub.lock", "control.json", "control.new", "last-start.txt", HEAD, UNREAD, SUMS)
#: The header of a tar member, and its padding.
_MEMBER_BYTES = 1024
_GZIP = 16 + zlib.MAX_WBITS
_LEVEL = 3


class StoredPack(Struct, frozen=True):
    """A pack beside a generation: the first `bytes` bytes of packs/`file` have this SHA-256.

    `name`: its path in the data directory. `version` changes whenever the pack there is written.
    `verified_at`: when these bytes were last read back, RFC 3339. `unread`: what the disk of the
    hub could not read, and how many records have pictures there.
    """

    name: str
    file: str
    bytes: int
    sha256: str
    version: str
    verified_at: str
    unread: tuple[Part, ...] = ()
    unread_records: int = 0


class Head(Struct, frozen=True, kw_only=True):
    """The first member. Times are RFC 3339 in UTC, sizes in bytes."""

    format: int
    kind: Literal["file", "generation"]
    created_at: str
    hub: str
    schema: int
    log_id: str
    site: str
    #: Where cameras reached the hub.
    addresses: tuple[str, ...] = ()
    records: int
    last_seq: int
    has_pictures: bool
    #: How much room a restore takes, and the database alone.
    total_bytes: int
    database_bytes: int
    #: How many rows of the database were known to be damaged; the backup has them as they are.
    damaged_rows: int = 0
    #: Of a generation: the packs beside it.
    packs: tuple[StoredPack, ...] = ()

    @property
    def unread(self) -> tuple[UnreadPack, ...]:
        """The packs beside a generation that could not be read completely."""
        return tuple(
            UnreadPack(pack.name, pack.unread, pack.unread_records)
            for pack in self.packs
            if pack.unread
        )


class Archive(Struct, frozen=True):
    """What was read from an archive.

    `sums`: the checksums of its members. `unread`: packs that could not be read completely.
    """

    head: Head
    sums: dict[str, str]
    unread: tuple[UnreadPack, ...] = ()


class Omissions(Struct, frozen=True):
    """What an archive lacks: packs that were dropped since the snapshot, and what was unread."""

    lost: tuple[PackPart, ...] = ()
    unread: tuple[UnreadPack, ...] = ()


# -- writing


def small_files(data_dir: Path) -> list[Path]:
    """Return the files of a data directory that a backup holds as they are, keys among them."""
    found = [
        path
        for folder in (data_dir, data_dir / TLS)
        if folder.is_dir()
        for path in sorted(folder.iterdir())
        if _is_small_file(path, data_dir)
    ]
    return found[:_MAX_SMALL_FILES]


def _is_small_file(path: Path, data_dir: Path) -> bool:
    name = path.relative_to(data_dir).as_posix()
    return (
        not name.startswith((DATABASE, "."))
        and name not in _TRANSIENT
        and not name.endswith((".part", ".new", ".partial"))
        and is_safe_name(name)
        and not path.is_symlink()
        and path.is_file()
        and path.stat().st_size <= _MAX_SMALL_BYTES
    )


def compress(source: Path, target: Path, pace: Pace) -> None:
    """Write the gzip file of `source` to `target`, which must not exist. Blocks."""
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    with FlushedFile(target) as file:
        for data in read_steps(source, 0, source.stat().st_size, pace):
            file.write(packer.compress(data))
        file.write(packer.flush())


class ArchiveWriter:
    """Writes the members of one archive to `sink`, and their checksums at the end."""

    def __init__(self, sink: Sink, mtime: int) -> None:
        self._tar = TarWriter(sink, mtime)
        self._sums: dict[str, str] = {}

    def add_bytes(self, name: str, data: bytes) -> None:
        self._tar.begin(name, len(data))
        self._tar.write(data)
        self._sums[name] = hashlib.sha256(data).hexdigest()

    def add_file(
        self, name: str, path: Path, size: int, pace: Pace, unread: UnreadParts | None = None
    ) -> None:
        """Add the first `size` bytes of a file.

        With `unread`, zeros take the place of what cannot be read. Otherwise raises BackupFault.
        """
        self._tar.begin(name, size)
        digest, left = hashlib.sha256(), size
        for data in _readable(name, read_steps(path, 0, size, pace, unread)):
            self._tar.write(data)
            digest.update(data)
            left -= len(data)
        if left:
            raise BackupFault(f"{name} is damaged: it has {size - left} of {size} bytes")
        self._sums[name] = digest.hexdigest()

    def finish(self) -> None:
        lines = [f"{digest}  {name}\n" for name, digest in self._sums.items()]
        self.add_bytes(SUMS, "".join(lines).encode())
        self._tar.finish()


def _readable(name: str, data: Iterator[bytes]) -> Iterator[bytes]:
    """Yield what is read of a member. Raises BackupFault that names it if that fails."""
    try:
        yield from data
    except OSError as error:
        raise BackupFault(f"{name} cannot be read: {error.strerror or error}") from error


def write_archive(
    sink: Sink,
    head: Head,
    snapshot: Snapshot,
    compressed: Path,
    data_dir: Path,
    *,
    mtime: int,
    pace: Pace,
) -> Omissions:
    """Write a whole archive. Return what it lacks.

    Without pictures, or with those beside it, `head` says so, and no pack is written.
    """
    archive = ArchiveWriter(sink, mtime)
    archive.add_bytes(HEAD, _encode_head(head))
    for path in small_files(data_dir):
        name = path.relative_to(data_dir).as_posix()
        archive.add_bytes(name, b"".join(_readable(name, _whole(path))))
    archive.add_file(COMPRESSED, compressed, compressed.stat().st_size, pace)
    for name, size in snapshot.firmware.items():
        if (data_dir / name).exists():  # else removed since the snapshot
            archive.add_file(name, data_dir / name, size, pace)
    omitted = Omissions()
    if head.has_pictures and head.kind == "file":
        omitted = _add_packs(archive, snapshot, data_dir, pace)
    archive.finish()
    return omitted


def _encode_head(head: Head) -> bytes:
    """Encode a head. Raises BackupFault if the folder could not be read with it."""
    data = msgspec.json.format(msgspec.json.encode(head)) + b"\n"
    if head.kind == "generation" and len(data) > MAX_HEAD_BYTES:
        raise BackupFault(f"the backup would name too many packs: {len(head.packs)}")
    return data


def _whole(path: Path) -> Iterator[bytes]:
    yield path.read_bytes()


def _add_packs(archive: ArchiveWriter, snapshot: Snapshot, data_dir: Path, pace: Pace) -> Omissions:
    """Add all packs, and a list of what could not be read of them."""
    lost, incomplete = [], []
    for pack in snapshot.packs:
        if not (data_dir / pack.name).exists():
            lost.append(pack)
            continue
        unread = UnreadParts()
        archive.add_file(pack.name, data_dir / pack.name, pack.bytes, pace, unread)
        if unread.parts:
            incomplete.append(unread_pack(snapshot.database, pack.name, unread.parts))
    if incomplete:
        archive.add_bytes(UNREAD, msgspec.json.encode(incomplete) + b"\n")
    return Omissions(tuple(lost), tuple(incomplete))


# -- reading


class ArchiveSink:
    """Takes the members of an archive. This one only reads them, to verify their checksums."""

    def accept(self, head: Head) -> None:
        """Look at the head before anything else is read. Raises BackupFault to refuse it."""

    def open(self, name: str) -> FlushedFile | None:
        """Return the file for a member, which the reader closes; None to read it only."""
        return None


def read_archive(source: Source, sink: ArchiveSink, pace: Pace) -> Archive:
    """Read an archive once from its begin to its end, and verify all of it.

    The database is unpacked for the sink. Raises BackupFault with one line.
    """
    tar = TarReader(source)
    head_bytes = _text_member(tar, tar.next(), HEAD)
    head = _decode_head(head_bytes)
    sink.accept(head)
    sums = {HEAD: hashlib.sha256(head_bytes).hexdigest()}
    budget = head.total_bytes + 2 * _MAX_TEXT_BYTES
    unread, packs = head.unread, dict[str, int]()
    while (member := tar.next()) is not None and member.name != SUMS:
        budget -= member.size + _MEMBER_BYTES
        if member.name == UNREAD and member.name not in sums:
            text = _text_member(tar, member, UNREAD)
            unread, sums[UNREAD] = _decode_unread(text, packs), hashlib.sha256(text).hexdigest()
            continue
        _check_member(member, sums, budget)
        sums[member.name] = _read_member(tar, member, head, sink, pace)
        if is_pack_name(member.name):
            packs[member.name] = member.size
    text = _text_member(tar, member, SUMS)
    if tar.next() is not None:
        raise DamagedBackup(f"the backup is damaged: something follows its {SUMS}")
    _compare(_parse_sums(text), sums)
    return Archive(head, sums, unread)


def read_head(source: Source, most: int = MAX_HEAD_BYTES) -> tuple[Head, int]:
    """Read what a generation says that it is, and nothing else; return how many bytes it took too.

    Raises BackupFault: HEAD_TOO_LARGE, or HEAD_NOT_READ if these would be more than `most`.
    """
    tar = TarReader(source)
    member = tar.next()
    if member is not None and member.name == HEAD:
        if member.size > MAX_HEAD_BYTES:
            raise BackupFault(HEAD_TOO_LARGE)
        if member.size > most:
            raise BackupFault(HEAD_NOT_READ)
    data = _text_member(tar, member, HEAD)
    return _decode_head(data), len(data)


def _text_member(tar: TarReader, member: Member | None, name: str) -> bytes:
    if member is None or member.name != name or member.size > _MAX_TEXT_BYTES:
        raise DamagedBackup(f"the file is not a backup of sitehub, or damaged: it has no {name}")
    parts = []
    while data := tar.read(STEP_BYTES):
        parts.append(data)
    return b"".join(parts)


def _decode_head(data: bytes) -> Head:
    try:
        version = decode_json(data, _Format).format
    except msgspec.MsgspecError:
        raise DamagedBackup(f"the backup is damaged: its {HEAD} cannot be read") from None
    if version > FORMAT:
        raise BackupFault(
            f"the backup was written by a newer sitehub (format {version}, this one knows "
            f"{FORMAT}): install that version first"
        )
    try:
        head = decode_json(data, Head)
    except msgspec.MsgspecError:
        raise DamagedBackup(f"the backup is damaged: its {HEAD} cannot be read") from None
    for pack in head.packs:
        if not _is_sound(pack):
            raise DamagedBackup(f"the backup is damaged: {pack.name!r} does not belong there")
    return head


def _decode_unread(data: bytes, packs: Mapping[str, int]) -> tuple[UnreadPack, ...]:
    """Decode what could not be read of `packs`, the sizes of the packs by name."""
    fault = DamagedBackup(f"the backup is damaged: its {UNREAD} cannot be read")
    try:
        found = decode_json(data, tuple[UnreadPack, ...])
    except msgspec.MsgspecError:
        raise fault from None
    if len({pack.name for pack in found}) < len(found):
        raise fault
    if not all(pack.name in packs and is_possible(pack, packs[pack.name]) for pack in found):
        raise fault
    return found


def _is_sound(pack: StoredPack) -> bool:
    """Whether a pack is one: others may have written to the folder of a backup.

    The hub writes to both paths, below the data directory and below `packs`.
    """
    try:
        datetime.fromisoformat(pack.verified_at)
    except ValueError:
        return False
    has_file = is_safe_name(pack.file) and "/" not in pack.file and pack.bytes >= 0
    unread = UnreadPack(pack.name, pack.unread, pack.unread_records)
    return has_file and is_possible(unread, pack.bytes)


class _Format(Struct, frozen=True):
    format: int


def _check_member(member: Member, sums: dict[str, str], budget: int) -> None:
    if budget < 0:
        raise DamagedBackup("the backup is damaged: it is larger than it says")
    if member.name in sums:
        raise DamagedBackup(f"the backup is damaged: {member.name} is in it twice")
    folder, _, rest = member.name.partition("/")
    if rest and folder not in (TLS, FIRMWARE, MEDIA):
        raise DamagedBackup(f"the backup is damaged: {member.name!r} does not belong there")
    if not rest and member.name in (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm", *_TRANSIENT):
        raise DamagedBackup(f"the backup is damaged: {member.name!r} does not belong there")


def _read_member(tar: TarReader, member: Member, head: Head, sink: ArchiveSink, pace: Pace) -> str:
    """Read one member into the sink; return its SHA-256."""
    digest = hashlib.sha256()

    def data() -> Iterator[bytes]:
        while step := tar.read(STEP_BYTES):
            digest.update(step)
            pace.spend(len(step))
            yield step

    if member.name == COMPRESSED:
        _keep(sink.open(DATABASE), _decompressed(data(), head.database_bytes))
    else:
        _keep(sink.open(member.name), data())
    return digest.hexdigest()


def _keep(file: FlushedFile | None, data: Iterator[bytes]) -> None:
    if file is None:
        for _ in data:
            pass
        return
    with file:
        for step in data:
            file.write(step)


def _decompressed(data: Iterator[bytes], size: int) -> Iterator[bytes]:
    """Yield the database, which has exactly `size` bytes. Raises BackupFault."""
    unpacker = zlib.decompressobj(_GZIP)
    left = size
    try:
        for step in data:
            rest = step
            # Until nothing comes: output may be left when the input is used up.
            while plain := unpacker.decompress(rest, STEP_BYTES):
                rest = unpacker.unconsumed_tail
                left -= len(plain)
                if left < 0:
                    raise DamagedBackup(
                        "the backup is damaged: its database is larger than it says"
                    )
                yield plain
    except zlib.error:
        raise DamagedBackup("the backup is damaged: its database cannot be unpacked") from None
    if left or not unpacker.eof:
        raise DamagedBackup("the backup is damaged: its database is not complete")


def _parse_sums(text: bytes) -> dict[str, str]:
    try:
        lines = [line.split("  ", 1) for line in text.decode("ascii").splitlines()]
        return {name: digest for digest, name in lines}
    except ValueError:
        raise DamagedBackup(f"the backup is damaged: its {SUMS} cannot be read") from None


def _compare(expected: dict[str, str], found: dict[str, str]) -> None:
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            shown = name[:MAX_NAME_LENGTH]
            raise DamagedBackup(f"the backup is damaged: the checksum of {shown!r} does not fit")
    for name in (COMPRESSED, KEY_FILE):
        if name not in found:
            raise DamagedBackup(f"the backup is damaged: {name} is missing")
