"""The steps in which files are changed. After a power cut at any of them the hub still starts."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

_BINARY = getattr(os, "O_BINARY", 0)
_ATTEMPT_SECONDS = 0.05


class Steps:
    """Each call is one step: once it returns, it is on the disk. Tests cut the power at each."""

    def write(self, path: Path, content: bytes) -> None:
        """Replace the file by one with this content, private to its owner, in one go."""
        draft = path.with_name(f"{path.name}.new")
        draft.unlink(missing_ok=True)
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        replace_file(draft, path)
        flush_directory(path.parent)

    def rename(self, path: Path, target: Path) -> None:
        """Rename a file or directory that is on the disk; an existing file is replaced."""
        replace_file(path, target)
        flush_directory(target.parent)

    def remove(self, path: Path) -> None:
        """Remove a file, if it is there."""
        path.unlink(missing_ok=True)
        flush_directory(path.parent)

    def remove_tree(self, path: Path) -> None:
        """Remove a directory with everything in it, as far as that is possible."""
        if path.is_symlink():
            path.unlink(missing_ok=True)
        else:
            shutil.rmtree(path, ignore_errors=True)


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
    """Rename `path` to `target`, which another process may be reading. Raises OSError."""
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
        """Make the entries of a directory durable."""
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
