"""Restores a backup into a data directory: read and verified beside it first, then moved in.

    restoring/new/...   what was read from the backup
    restoring/ready     all of it is verified and on the disk: from now on it counts
    restoring/moving    the old files are moved aside; the new ones are being moved in
    before-restore-TIME/...   the old files

Everything stays in the data directory, which may be a disk of its own, and whose lock is held.
Before `ready` nothing was changed: the next start removes `restoring`. After it, whoever opens the
directory next completes the restore (`complete_restore`), however it was interrupted. A running
hub, whose files are open, reads and marks only (`stage`, `accept_staged`), and is started again.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import msgspec
from msgspec import Struct

from hub.errors import BackupFault, DamagedBackup, NeedsPassphrase
from hub.reasons import Reason, because
from hub.store.backup.archive import Archive, ArchiveSink, Head, StoredPack, read_archive
from hub.store.backup.changed_packs import erase_again
from hub.store.backup.files import FlushedFile, flush_directory_if_possible, read_steps
from hub.store.backup.pace import Pace
from hub.store.backup.sealed_file import BEGIN_BYTES, SealedReader, Source, is_sealed
from hub.store.backup.snapshot import Restored, adapt_restored, check_copy, read_snapshot
from hub.store.backup.unread import Part, UnreadPack, UnreadParts, unread_pack
from hub.store.disk import DIRECTORY_MODE
from hub.store.names import DATABASE, MEDIA, RESTORING
from hub.store.sqlite.migrate import migrations

PACKS = "packs"
_NEW, _READY, _MOVING = "new", "ready", "moving"
_BEFORE = "before-"
#: These stay where they are when the old data is moved aside.
_STAY = (RESTORING, "hub.lock", "logs", "unpacked", "backups", "snapshots", "last-start.txt")
#: Free disk space that a restore leaves.
_RESERVE_BYTES = 50_000_000


class RestoreReport(Struct, frozen=True):
    """What was restored.

    `erased`: how many of its records were erased after it was made, and are again. `set_aside`:
    the folder with the old data, if there was some. `unread`: packs of which parts are zero,
    because they could not be read when the backup was made, or now.
    """

    head: Head
    restored: Restored
    erased: int = 0
    set_aside: str = ""
    unread: tuple[UnreadPack, ...] = ()


def holds_data(data_dir: Path) -> bool:
    """Whether a data directory holds a hub's data, or what is left of it."""
    return (data_dir / DATABASE).exists() or any((data_dir / MEDIA).glob("*.pack"))


def restore(
    file: BinaryIO,
    source: Path,
    data_dir: Path,
    *,
    passphrase: str | None,
    force: bool,
    pace: Pace,
    new_settings: Callable[[Head], dict[str, str]] = lambda head: {},
    hold_targets: bool = False,
    now: Callable[[], float] = time.time,
) -> RestoreReport:
    """Restore the open backup `file`, whose path is `source`, into a data directory. Blocks.

    The caller holds the lock of the directory. A generation's packs are beside it.
    `hold_targets`: whether somebody chooses first what targets get. Raises BackupFault with one
    line; the directory is unchanged then.
    """
    complete_restore(data_dir, now)
    if holds_data(data_dir) and not force:
        raise BackupFault(
            f"{data_dir} holds a hub's data: --force moves it aside, and restores the backup"
        )
    report = stage(
        file,
        source,
        data_dir,
        passphrase=passphrase,
        pace=pace,
        new_settings=new_settings,
        hold_targets=hold_targets,
    )
    with _told_as_fault():
        try:
            accept_staged(data_dir)
            set_aside = _move_in(data_dir, now)
        finally:
            discard_staged(data_dir)
    return msgspec.structs.replace(report, set_aside=set_aside)


def stage(
    file: Source,
    source: Path | None,
    data_dir: Path,
    *,
    passphrase: str | None,
    pace: Pace,
    new_settings: Callable[[Head], dict[str, str]] = lambda head: {},
    hold_targets: bool = False,
) -> RestoreReport:
    """Read and verify a backup beside the data, which stays as it is. Blocks.

    As `restore`, but it does not count before `accept_staged`. `source`: None for a file that
    comes alone, without the packs of a generation. Raises BackupFault or CopyingStopped, and
    leaves nothing then.
    """
    new = staged(data_dir)
    try:
        with _told_as_fault():
            discard_staged(data_dir)
            new.mkdir(mode=DIRECTORY_MODE, parents=True)
            return _read_into(
                new, file, source, passphrase, pace, new_settings, hold_targets=hold_targets
            )
    except BaseException:
        discard_staged(data_dir)
        raise


def staged(data_dir: Path) -> Path:
    """Return the folder of what `stage` has read."""
    return data_dir / RESTORING / _NEW


def accept_staged(data_dir: Path) -> None:
    """Let what was staged count: the next start completes the restore. Raises OSError."""
    folder = data_dir / RESTORING
    try:
        _mark(folder, _READY)
    except OSError:
        (folder / _READY).unlink(missing_ok=True)
        raise


@contextmanager
def _told_as_fault() -> Iterator[None]:
    """Raise BackupFault for an OSError."""
    try:
        yield
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        why = Reason(f"{where}{error.strerror or error}")
        raise BackupFault(because("the backup cannot be restored: %(why)s", why=why)) from error


def complete_restore(data_dir: Path, now: Callable[[], float] = time.time) -> bool:
    """Complete a restore that was interrupted, or remove one that had changed nothing yet.

    The caller holds the lock of the directory. Returns whether a restore was completed.
    """
    folder = data_dir / RESTORING
    if not (folder / _READY).exists() and not (folder / _MOVING).exists():
        discard_staged(data_dir)
        return False
    try:
        _move_in(data_dir, now)
    except OSError as error:
        raise BackupFault(
            f"a restore was interrupted and cannot be completed: {error.strerror or error}"
        ) from error
    discard_staged(data_dir)
    return True


def opened_source(file: Source, passphrase: str | None) -> Source:
    """Return the tar of a backup, whether or not it is sealed. Raises BackupFault."""
    begin = file.read(BEGIN_BYTES)
    source = _Rejoined(begin, file)
    if not is_sealed(begin):
        return source
    if passphrase is None:
        raise NeedsPassphrase(
            "the backup is sealed with a passphrase: give it with --passphrase-stdin"
        )
    return SealedReader(source, passphrase)


class _Rejoined:
    """A file whose first bytes were read already."""

    def __init__(self, begin: bytes, file: Source) -> None:
        self._begin = begin
        self._file = file

    def read(self, size: int) -> bytes:
        first, self._begin = self._begin[:size], self._begin[size:]
        parts = [first]
        left = size - len(first)
        try:
            # A pipe returns fewer bytes than asked for.
            while left > 0 and (data := self._file.read(left)):
                parts.append(data)
                left -= len(data)
        except OSError as error:
            raise BackupFault(f"the backup cannot be read: {error.strerror or error}") from error
        return b"".join(parts)


class _Unpacked(ArchiveSink):
    """Writes the members into a folder, after looking whether there is room for them."""

    def __init__(self, folder: Path, pace: Pace, *, has_packs: bool) -> None:
        self._folder = folder
        self._pace = pace
        self._has_packs = has_packs

    def accept(self, head: Head) -> None:
        refuse_unknown_schema(head)
        if head.packs and not self._has_packs:
            raise BackupFault(
                Reason(
                    "the pictures of this backup are in the folder packs beside it: restore it "
                    "from the disk that has both"
                )
            )
        free = shutil.disk_usage(self._folder).free
        # Both are only what it says; the database is unpacked up to the second.
        needed = max(head.total_bytes, head.database_bytes)
        if free < needed + _RESERVE_BYTES:
            raise BackupFault(
                because(
                    "not enough disk space: the backup takes %(needed)s GB, %(free)s GB is free. "
                    "Free some, or use a larger disk; before-* of earlier restores may be deleted",
                    needed=f"{needed / 1e9:.1f}",
                    free=f"{free / 1e9:.1f}",
                )
            )
        self._pace.total_bytes = self._pace.done_bytes + _to_read(head)

    def open(self, name: str) -> FlushedFile | None:
        # It could not take the place of what stays. Windows knows no case.
        if name.lower() in _STAY or name.lower().startswith(_BEFORE):
            raise DamagedBackup(f"the backup is damaged: {name!r} does not belong there")
        path = self._folder / name
        path.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        return FlushedFile(path)


def _to_read(head: Head) -> int:
    """Return about how many bytes are read: the database is packed, to a third or so of it."""
    return head.total_bytes - head.database_bytes - head.database_bytes * 2 // 3


def refuse_unknown_schema(head: Head) -> None:
    """Raise BackupFault if this version does not know the schema of a backup's database."""
    oldest, newest = min(migrations()), max(migrations())
    if head.schema < oldest:
        raise BackupFault(
            because(
                "the backup was made by a sitehub from before the first release (version "
                "%(version)s, schema %(schema)s), which can no longer be restored",
                version=head.hub,
                schema=head.schema,
            )
        )
    if head.schema > newest:
        raise BackupFault(
            because(
                "the backup was made by a newer sitehub (version %(version)s, schema %(schema)s; "
                "this one knows %(known)s): install that version first",
                version=head.hub,
                schema=head.schema,
                known=newest,
            )
        )


def _read_into(
    new: Path,
    file: Source,
    source: Path | None,
    passphrase: str | None,
    pace: Pace,
    new_settings: Callable[[Head], dict[str, str]],
    *,
    hold_targets: bool,
) -> RestoreReport:
    sink = _Unpacked(new, pace, has_packs=source is not None)
    archive = read_archive(opened_source(file, passphrase), sink, pace)
    # Without packs beside it, it names none.
    copied = _copy_packs(archive, (source or new).parent / PACKS, new, pace)
    _check_database(new / DATABASE, archive, pace)
    unread = {**{one.name: one.parts for one in archive.unread}, **copied.unread}
    changed = {name: unread.get(name, ()) for name in copied.changed}
    erased = erase_again(new / DATABASE, new, changed, pace)
    missing = [unread_pack(new / DATABASE, *one) for one in sorted(unread.items())]
    restored = adapt_restored(
        new / DATABASE,
        packs=_packs_in(archive) - copied.emptied,
        has_pictures=archive.head.has_pictures,
        settings=new_settings(archive.head),
        hold_targets=hold_targets,
    )
    _flush(new)
    return RestoreReport(archive.head, restored, erased, unread=tuple(missing))


class _CopiedPacks(Struct, frozen=True):
    """The packs of a generation that have changed since, and what of them is zero, by name.

    `emptied`: those of days that made room on a full disk, where they are links (`empty_dropped`).
    """

    changed: tuple[str, ...]
    emptied: frozenset[str]
    unread: dict[str, tuple[Part, ...]]


def _copy_packs(archive: Archive, packs: Path, new: Path, pace: Pace) -> _CopiedPacks:
    """Copy the packs of a generation."""
    changed, emptied, unread = [], set(), {}
    for pack in archive.head.packs:
        if _is_emptied(packs / pack.file, pack):
            emptied.add(pack.name)
            continue
        now = UnreadParts()
        if not _copy_pack(packs / pack.file, new / pack.name, pack, pace, now):
            changed.append(pack.name)
        if parts := (*pack.unread, *(part for part in now.parts if part not in pack.unread)):
            unread[pack.name] = parts
    return _CopiedPacks(tuple(changed), frozenset(emptied), unread)


def _is_emptied(source: Path, pack: StoredPack) -> bool:
    """Whether the hub has emptied the pack of a day. Held evidence is never emptied."""
    is_of_day = Path(pack.name).parent.name == MEDIA
    if not is_of_day or not pack.bytes or source.is_symlink():
        return False
    return source.is_file() and source.stat().st_size == 0


def _packs_in(archive: Archive) -> frozenset[str]:
    beside = [pack.name for pack in archive.head.packs]
    return frozenset([*archive.sums, *beside])


def _copy_pack(
    source: Path, target: Path, pack: StoredPack, pace: Pace, unread: UnreadParts
) -> bool:
    """Copy a generation's pack; return whether it has its checksum."""
    _refuse_short(source, pack)
    target.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with FlushedFile(target) as file:
        for data in read_steps(source, 0, pack.bytes, pace, unread):
            digest.update(data)
            file.write(data)
    return digest.hexdigest() == pack.sha256


def _refuse_short(source: Path, pack: StoredPack) -> None:
    """Raise BackupFault if a generation's pack has lost its end, which it had when it was made."""
    size, needed = source.stat().st_size, pack.bytes
    if pack.unread and pack.unread[-1].end == needed:
        needed = pack.unread[-1].start
    if size < needed:
        raise DamagedBackup(f"the backup is damaged: {source} has {size} of {pack.bytes} bytes")


def _check_database(database: Path, archive: Archive, pace: Pace) -> None:
    found = read_snapshot(database)
    head = archive.head
    if (found.schema, found.records, found.last_seq) != (head.schema, head.records, head.last_seq):
        raise DamagedBackup("the backup is damaged: its database is not the one that it says")
    if damage := check_copy(database, pace):
        raise DamagedBackup(f"the database of the backup is damaged: {damage}")


def _flush(folder: Path) -> None:
    """Make the names in a folder durable; the files are."""
    database = folder / DATABASE
    with FlushedFile(database, is_new=False):  # adapt_restored wrote to it
        pass
    for path in (folder, *(one for one in folder.rglob("*") if one.is_dir())):
        flush_directory_if_possible(path)


def _mark(folder: Path, name: str) -> None:
    with FlushedFile(folder / name, is_new=False):
        pass
    flush_directory_if_possible(folder)


def _move_in(data_dir: Path, now: Callable[[], float]) -> str:
    """Move the old files aside and the new ones in. May be repeated after an interruption."""
    folder = data_dir / RESTORING
    set_aside = ""
    if not (folder / _MOVING).exists():
        set_aside = move_aside(data_dir, "restore", now)
        _mark(folder, _MOVING)
    for path in sorted((folder / _NEW).iterdir()):
        path.replace(data_dir / path.name)
    flush_directory_if_possible(data_dir)
    (folder / _READY).unlink(missing_ok=True)
    (folder / _MOVING).unlink()
    return set_aside


def move_aside(data_dir: Path, what: str, now: Callable[[], float] = time.time) -> str:
    """Move a hub's data into `before-WHAT-TIME` in its directory; return this name.

    The caller holds the lock of the directory. Returns "" if there is no data. Raises OSError.
    """
    old = [
        path
        for path in sorted(data_dir.iterdir())
        if path.name not in _STAY and not path.name.startswith(_BEFORE)
    ]
    if not old:
        return ""
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(now()))
    aside = _folder_for(old, data_dir / f"{_BEFORE}{what}-{stamp}")
    aside.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
    for path in old:
        path.replace(aside / path.name)
    flush_directory_if_possible(aside)
    flush_directory_if_possible(data_dir)
    return aside.name


def _folder_for(old: Sequence[Path], folder: Path) -> Path:
    """Return a folder that has nothing of these names: another restore may be as old."""
    found, number = folder, 1
    while any((found / path.name).exists() for path in old):
        number += 1
        found = folder.with_name(f"{folder.name}-{number}")
    return found


def discard_staged(data_dir: Path) -> None:
    """Remove `restoring`, unless what is in it counts."""
    folder = data_dir / RESTORING
    if folder.exists() and not any((folder / mark).exists() for mark in (_READY, _MOVING)):
        with suppress(OSError):
            shutil.rmtree(folder)
