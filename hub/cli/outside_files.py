"""Files that a command reads and writes for the person who runs it, outside the data directory.

Root runs commands on a data directory that the account of a service owns. A taken-over process of
that account may have put links into it, so everything in it is done with the rights of its owner,
and only the files that the person named are opened with the person's own.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO

from hub.errors import StartFault
from hub.process import data_directory
from hub.store.backup.files import FlushedFile, new_file
from hub.store.disk import DIRECTORY_MODE

_CHUNK_BYTES = 1024 * 1024
#: Of a file that is read as a whole, unless it says another bound.
_MAX_READ_MB = 16
#: Links on a way, as of Linux.
_MAX_LINKS = 40


def open_source(data_dir: Path, path: Path) -> BinaryIO:
    """Open a file that the person named for reading. Raises StartFault."""
    try:
        with _rights_for(data_dir, path):
            return path.open("rb")
    except OSError as error:
        raise StartFault(f"cannot read {path}: {error.strerror}") from None


def read_source(data_dir: Path, path: Path, most_mb: int = _MAX_READ_MB) -> bytes:
    """Return the content of a file that the person named. Raises StartFault."""
    try:
        with open_source(data_dir, path) as file:
            data = file.read((most_mb << 20) + 1)
    except OSError as error:
        raise StartFault(f"cannot read {path}: {error.strerror}") from None
    if len(data) > most_mb << 20:
        raise StartFault(f"{path} is too large: at most {most_mb} MB")
    return data


@contextmanager
def new_file_outside(data_dir: Path, path: Path) -> Iterator[FlushedFile]:
    """Write a file that the person named, with the contract of new_file().

    The block has the rights of the owner of the data directory. Raises OSError.
    """
    with (
        _rights_for(data_dir, path),
        new_file(path) as file,
        data_directory.acting_for_owner(data_dir),
    ):
        yield file


@contextmanager
def staged(data_dir: Path, source: BinaryIO, path: Path, most: int) -> Iterator[str]:
    """Copy an opened file of at most `most` bytes to `path`, in the data directory.

    Yields its name there, and removes it afterwards unless the hub has taken it. The hub moves the
    copy, which is on the same file system, without copying it again.
    """
    with data_directory.acting_for_owner(data_dir):
        data_directory.prepare(data_dir)
        try:
            path.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
            _copy(source, path, most)
            yield path.name
        except OSError as error:
            raise StartFault(f"cannot copy {source.name} for the hub: {error.strerror}") from None
        finally:
            path.unlink(missing_ok=True)


def _copy(source: BinaryIO, target: Path, most: int) -> None:
    left = most
    with FlushedFile(target) as file:
        while chunk := source.read(_CHUNK_BYTES):
            left -= len(chunk)
            if left < 0:
                raise StartFault(f"{source.name} is too large: at most {most >> 20} MB")
            file.write(chunk)


def _rights_for(data_dir: Path, path: Path) -> AbstractContextManager[None]:
    """Take the rights of the data directory's owner if that account can change where a path leads.

    `sitehub backup /var/lib/sitehub/backups/site.backup` is such a path.
    """
    if data_directory.is_root_for(data_dir):
        owner = data_dir.stat().st_uid
        if any(found.st_uid == owner for found in _passed(path)):
            return data_directory.acting_for_owner(data_dir)
    return nullcontext()


def _passed(path: Path) -> Iterator[os.stat_result]:
    """Yield each folder and link that opening a path passes, and the file, as far as they exist."""
    at, links = Path(path.absolute().anchor), 0
    ahead = list(reversed(path.absolute().parts[1:]))
    while ahead:
        following = at / ahead.pop()
        try:
            found = following.lstat()
        except OSError:
            return
        yield found
        if not stat.S_ISLNK(found.st_mode):
            at = following
            continue
        links += 1
        if links > _MAX_LINKS:
            return
        target = following.readlink()
        if target.is_absolute():
            at = Path(target.anchor)
        ahead.extend(reversed(target.parts[1:] if target.is_absolute() else target.parts))
