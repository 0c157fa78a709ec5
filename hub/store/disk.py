"""File operations of the store, with the branches that Windows needs."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from hub.durable_files import flush_directory

#: Buffers per gathered write (IOV_MAX is 1024 on Linux and macOS).
_MAX_BUFFERS = 1000
_BINARY = getattr(os, "O_BINARY", 0)
#: For directories inside the data directory. On Windows a directory made with 0o700 does not
#: inherit the data directory's permissions, so the service could not read the files that an
#: administrator's command puts there.
DIRECTORY_MODE = 0o777 if sys.platform == "win32" else 0o700

Buffer = bytes | memoryview


class Disk:
    """Writes, flushes and truncates files. All calls block. Tests inject faults by a subclass."""

    def open(self, path: Path) -> int:
        """Open a file for writing; create it with mode 0600 if it does not exist."""
        return os.open(path, os.O_RDWR | os.O_CREAT | _BINARY, 0o600)

    def write(self, file: int, buffers: Sequence[Buffer], offset: int) -> None:
        """Write all buffers in a row from `offset`. Raises OSError if they do not fit."""
        for start in range(0, len(buffers), _MAX_BUFFERS):
            offset = self._write_all(file, list(buffers[start : start + _MAX_BUFFERS]), offset)

    def _write_all(self, file: int, buffers: list[Buffer], offset: int) -> int:
        # A short write means that the disk is full: the next write raises the error.
        while buffers:
            written = self.write_some(file, buffers, offset)
            offset += written
            while buffers and written >= len(buffers[0]):
                written -= len(buffers.pop(0))
            if written:
                buffers[0] = memoryview(buffers[0])[written:]
        return offset

    def write_some(self, file: int, buffers: Sequence[Buffer], offset: int) -> int:
        """Make one system call; return how many bytes it wrote."""
        return write_gathered(file, buffers, offset)

    def flush(self, file: int) -> None:
        """Return once everything written is on the disk."""
        _flush(file)

    def drop_cache(self, file: int, start: int, size: int) -> None:
        """Advise the system that these flushed bytes need not stay in its page cache."""
        if sys.platform == "linux":
            os.posix_fadvise(file, start, size, os.POSIX_FADV_DONTNEED)

    def cut(self, file: int, size: int) -> None:
        """Truncate a file to `size` bytes."""
        os.ftruncate(file, size)

    def is_at(self, file: int, path: Path) -> bool:
        """Whether `path` still names the open file. On Windows an open file keeps its name."""
        if sys.platform == "win32":
            return True
        else:
            try:
                named = os.stat(path)
            except FileNotFoundError:
                return False
            return os.path.samestat(named, os.fstat(file))

    def close(self, file: int) -> None:
        os.close(file)

    def flush_directory(self, path: Path) -> None:
        """Make a directory's entries durable. Windows does this by itself."""
        flush_directory(path)


def write_first(file: int, buffers: Sequence[Buffer], offset: int) -> int:
    """Write the first buffer only, which works on every system."""
    os.lseek(file, offset, os.SEEK_SET)
    return os.write(file, buffers[0])


def read_at(path: Path, offset: int, size: int) -> bytes:
    """Read `size` bytes at `offset`; fewer if the file ends before.

    Opens and closes the file, because Windows does not delete an open one.
    """
    with path.open("rb", buffering=0) as file:
        # What says where it lies may be damaged: read() allocates all that it is asked for.
        size = min(size, os.fstat(file.fileno()).st_size - offset)
        if size <= 0:
            return b""
        file.seek(offset)
        return file.read(size)


if sys.platform == "win32":
    # Windows has no gathered write.
    write_gathered = write_first
else:

    def write_gathered(file: int, buffers: Sequence[Buffer], offset: int) -> int:
        return os.pwritev(file, buffers, offset)


#: macOS and Windows have no fdatasync.
_flush = getattr(os, "fdatasync", os.fsync)
