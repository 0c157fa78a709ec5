"""Copying files into the data directory, where the hub takes them over."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hub.errors import StartFault

_CHUNK_BYTES = 1024 * 1024


@contextmanager
def staged(data_dir: Path, source: Path, path: Path, most: int) -> Iterator[str]:
    """Copy a file of at most `most` bytes to `path`, in the data directory.

    Yields its name there, and removes it afterwards unless the hub has taken it. The hub's user may
    not be able to read `source`. The hub moves the copy, which is on the same file system, without
    copying it again.
    """
    from hub.process import data_directory
    from hub.store.disk import DIRECTORY_MODE

    data_directory.prepare(data_dir)
    try:
        if source.stat().st_size > most:
            raise StartFault(f"{source} is too large: at most {most >> 20} MB")
        path.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        _copy(source, path, data_dir)
        yield path.name
    except OSError as error:
        raise StartFault(f"cannot copy {source} for the hub: {error.strerror}") from None
    finally:
        path.unlink(missing_ok=True)


def _copy(source: Path, target: Path, data_dir: Path) -> None:
    handle = os.open(
        target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600
    )
    with source.open("rb") as reading, os.fdopen(handle, "wb") as writing:
        _give_to_owner(writing.fileno(), target, data_dir)
        while chunk := reading.read(_CHUNK_BYTES):
            writing.write(chunk)
        writing.flush()
        os.fsync(writing.fileno())


if sys.platform == "win32":

    def _give_to_owner(file: int, path: Path, data_dir: Path) -> None:
        """Do nothing: on Windows the file inherits the permissions of the directory."""
else:

    def _give_to_owner(file: int, path: Path, data_dir: Path) -> None:
        """As root, give the file to the hub's user, without following links that they made."""
        if os.geteuid() == 0:
            owner = data_dir.stat()
            for directory in (path.parent.parent, path.parent):
                os.lchown(directory, owner.st_uid, owner.st_gid)
            os.fchown(file, owner.st_uid, owner.st_gid)
