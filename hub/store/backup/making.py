"""Makes a backup of a data directory, whether or not a hub runs on it, in one file."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from msgspec import Struct

from hub import __version__
from hub.errors import BackupFault, UnreadableDatabase
from hub.store.backup.archive import (
    FORMAT,
    Head,
    Omissions,
    StoredPack,
    compress,
    small_files,
    write_archive,
)
from hub.store.backup.pace import Pace
from hub.store.backup.sealed_file import SealedWriter, Sink
from hub.store.backup.snapshot import (
    Snapshot,
    check_copy,
    database_bytes,
    refuse_if_erased,
    take_snapshot,
)
from hub.store.disk import DIRECTORY_MODE
from hub.wire.times import format_rfc3339

#: In the data directory; holds a folder for each backup in progress.
SNAPSHOTS = "snapshots"
#: A folder that is older was left by a command that was killed.
_ABANDONED_SECONDS = 86_400


class SiteDescription(Struct, frozen=True):
    """What a backup says about its site. `made_at`: UNIX seconds.

    `damaged_rows`: how many rows of its database are known to be damaged.
    """

    name: str
    addresses: tuple[str, ...]
    made_at: float
    damaged_rows: int = 0


class FileBackup(Struct, frozen=True):
    """What a backup in one file holds, and what it lacks."""

    head: Head
    omitted: Omissions


class WorkingCopy(Struct, frozen=True):
    """A snapshot that was verified, and its compressed database."""

    snapshot: Snapshot
    compressed: Path


@contextmanager
def working_folder(data_dir: Path) -> Iterator[Path]:
    """Yield a private folder in the data directory, which is removed afterwards."""
    folder = data_dir / SNAPSHOTS / f"{os.getpid()}-{secrets.token_hex(4)}"
    try:
        folder.mkdir(mode=DIRECTORY_MODE, parents=True)
    except OSError as error:
        raise BackupFault(
            f"{folder} cannot be created: {error.strerror}; check that its disk is connected and "
            "may be written to"
        ) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):
            folder.parent.rmdir()


def remove_abandoned(data_dir: Path) -> None:
    """Remove what killed backups left behind, but nothing of a command that still runs."""
    folder = data_dir / SNAPSHOTS
    if not folder.is_dir():
        return
    for path in list(folder.iterdir()):
        with suppress(OSError):
            is_old = abs(time.time() - path.stat().st_mtime) > _ABANDONED_SECONDS
            if is_old or not _is_running(path.name.partition("-")[0]):
                shutil.rmtree(path, ignore_errors=True)
    with suppress(OSError):
        folder.rmdir()


if sys.platform == "win32":

    def _is_running(process: str) -> bool:
        """Assume so: Windows would need another way to ask."""
        return True
else:

    def _is_running(process: str) -> bool:
        """Whether another process has this number."""
        if not process.isdecimal() or int(process) == os.getpid():
            return False
        try:
            os.kill(int(process), 0)
        except ProcessLookupError:
            return False
        except OSError:
            pass  # it belongs to somebody else
        return True


def take_working_copy(data_dir: Path, folder: Path, pace: Pace, min_free: int) -> WorkingCopy:
    """Take and verify a snapshot in `folder`, and compress it. Blocks.

    `min_free`: bytes that stay free on its disk. Raises BackupFault, or CopyingStopped.
    """
    free, needed = shutil.disk_usage(folder).free, 2 * database_bytes(data_dir)
    if free - needed < min_free:
        raise BackupFault(
            f"not enough free disk space: a copy of the database takes {needed / 1e9:.2f} GB, "
            f"{free / 1e9:.2f} GB is free and {min_free / 1e9:.2f} GB stays free"
        )
    snapshot = take_snapshot(data_dir, folder / "hub.sqlite", pace)
    if damage := check_copy(snapshot.database, pace):
        raise UnreadableDatabase(f"the database is damaged: {damage}")
    try:
        compress(snapshot.database, folder / "hub.sqlite.gz", pace)
    except OSError as error:
        raise BackupFault(f"the database cannot be copied: {error.strerror or error}") from error
    return WorkingCopy(snapshot, folder / "hub.sqlite.gz")


def make_head(
    kind: Literal["file", "generation"],
    site: SiteDescription,
    snapshot: Snapshot,
    data_dir: Path,
    *,
    pictures: bool,
    packs: tuple[StoredPack, ...] = (),
) -> Head:
    small = sum(path.stat().st_size for path in small_files(data_dir))
    of_packs = snapshot.pack_bytes if kind == "file" else sum(pack.bytes for pack in packs)
    return Head(
        format=FORMAT,
        kind=kind,
        created_at=format_rfc3339(int(site.made_at * 1000)),
        hub=__version__,
        schema=snapshot.schema,
        log_id=snapshot.log_id,
        site=site.name,
        addresses=site.addresses,
        records=snapshot.records,
        last_seq=snapshot.last_seq,
        has_pictures=pictures,
        total_bytes=(
            2 * snapshot.bytes  # unpacked, and at most as much for the packed one
            + small
            + snapshot.firmware_bytes
            + (of_packs if pictures else 0)
        ),
        database_bytes=snapshot.bytes,
        damaged_rows=site.damaged_rows,
        packs=packs,
    )


def write_backup(
    sink: Sink,
    data_dir: Path,
    copy: WorkingCopy,
    site: SiteDescription,
    *,
    pictures: bool,
    passphrase: str | None,
    pace: Pace,
) -> FileBackup:
    """Write a backup in one file to `sink`. Blocks. Raises BackupFault, OSError of the sink."""
    head = make_head("file", site, copy.snapshot, data_dir, pictures=pictures)
    pace.total_bytes = pace.done_bytes + copy.compressed.stat().st_size
    pace.total_bytes += copy.snapshot.firmware_bytes
    pace.total_bytes += copy.snapshot.pack_bytes if pictures else 0
    sealed = None if passphrase is None else SealedWriter(sink, passphrase)
    omitted = write_archive(
        sealed or sink,
        head,
        copy.snapshot,
        copy.compressed,
        data_dir,
        mtime=int(site.made_at),
        pace=pace,
    )
    refuse_if_erased(data_dir, copy.snapshot)
    if sealed is not None:
        sealed.close()
    return FileBackup(head, omitted)
