"""Files that are replaced as a whole, and survive a power cut from the moment the call returns."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, TypeVar

T = TypeVar("T")

SECRET = 0o600
PUBLIC = 0o644
#: The end of a draft's name. A draft stays if the power fails; backups leave it out.
DRAFT = ".new"

_BINARY = getattr(os, "O_BINARY", 0)
_ATTEMPT_SECONDS = 0.05


def as_secret(path: str, flags: int) -> int:
    """The `opener` of files that only their owner may read; on Windows their folder decides."""
    return os.open(path, flags, SECRET)


def write_file(path: Path, data: bytes, mode: int = PUBLIC) -> None:
    """Replace the file in one go, or create it; it is on the disk on return. Blocks.

    Raises OSError, and the file is then as it was; see replacing() for the one exception.
    """
    with replacing(path, mode) as file:
        file.write(data)


@contextmanager
def replacing(path: Path, mode: int = PUBLIC) -> Iterator[BinaryIO]:
    """Open a draft, which replaces the file at the end of the block, in one go. Blocks.

    `mode`: its permissions, less the umask. Missing folders are created. The content, the name and
    the new folders are on the disk afterwards. Raises OSError; the file is then unchanged, unless
    only the flush of its directory failed. Calls that overlap have drafts of their own.
    """
    _make_folder(path.parent)
    draft = path.with_name(f"{path.name}.{os.urandom(4).hex()}{DRAFT}")
    try:
        with open(draft, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        replace_file(draft, path)
    except BaseException:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise
    flush_directory(path.parent)


def _make_folder(path: Path) -> None:
    if not path.is_dir():
        _make_folder(path.parent)
        path.mkdir(exist_ok=True)
        flush_directory(path.parent)


def flush_file(path: Path) -> None:
    """Return once everything written to the file is on the disk."""
    handle = os.open(path, os.O_RDWR | _BINARY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_file(path: Path) -> bytes:
    """Return the content of a file that another process may be replacing. Raises OSError."""
    return _with_patience(path.read_bytes)


def replace_file(path: Path, target: Path) -> None:
    """Rename `path` to `target`, which another process may be reading. Raises OSError.

    It is durable once the directory is flushed.
    """
    _with_patience(lambda: path.replace(target))


def _with_patience(act: Callable[[], T]) -> T:
    """Repeat on Windows, where a file that is open for a moment cannot be replaced."""
    for _ in range(_ATTEMPTS - 1):
        try:
            return act()
        except PermissionError:
            time.sleep(_ATTEMPT_SECONDS)
    return act()


if sys.platform == "win32":
    _ATTEMPTS = 40

    def flush_directory(path: Path) -> None:
        """Do nothing: Windows makes the entries of a directory durable by itself."""
else:
    _ATTEMPTS = 1

    def flush_directory(path: Path) -> None:
        """Make the entries of a directory durable. Raises OSError."""
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
