"""What the store asks of the operating system, with the branch that Windows needs."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

#: The most buffers that one gathered write takes (IOV_MAX is 1024 on Linux and macOS).
_MOST_BUFFERS = 1000
_BINARY = getattr(os, "O_BINARY", 0)
#: Of directories inside the data directory. On Windows 0o700 does not keep the rights that the data
#: directory hands down: what an administrator's command lays there, the service could not read.
DIRECTORY_MODE = 0o777 if sys.platform == "win32" else 0o700

Buffer = bytes | memoryview


class Disk:
    """Gathered writes, flushes and cuts on one file; tests put faults into a subclass."""

    def open(self, path: Path) -> int:
        """Open for writing, and create with mode 0600 where there is none."""
        return os.open(path, os.O_RDWR | os.O_CREAT | _BINARY, 0o600)

    def write(self, file: int, buffers: Sequence[Buffer], offset: int) -> None:
        """Write all buffers, one after the other, from `offset`. OSError where not all fit."""
        for start in range(0, len(buffers), _MOST_BUFFERS):
            offset = self._write_all(file, list(buffers[start : start + _MOST_BUFFERS]), offset)

    def _write_all(self, file: int, buffers: list[Buffer], offset: int) -> int:
        # A short write says that the disk is (nearly) full: the next one tells the reason.
        while buffers:
            written = self.write_some(file, buffers, offset)
            offset += written
            while buffers and written >= len(buffers[0]):
                written -= len(buffers.pop(0))
            if written:
                buffers[0] = memoryview(buffers[0])[written:]
        return offset

    def write_some(self, file: int, buffers: Sequence[Buffer], offset: int) -> int:
        """One call of the system, without the interpreter lock; how many bytes it took."""
        return write_gathered(file, buffers, offset)

    def flush(self, file: int) -> None:
        """Return once all that was written is on the disk."""
        _flush(file)

    def let_go(self, file: int, start: int, size: int) -> None:
        """Tell the system that these bytes, flushed before, need not stay in memory."""
        if sys.platform == "linux":
            os.posix_fadvise(file, start, size, os.POSIX_FADV_DONTNEED)

    def cut(self, file: int, size: int) -> None:
        """Drop what lies beyond `size`."""
        os.ftruncate(file, size)

    def close(self, file: int) -> None:
        os.close(file)

    def flush_directory(self, path: Path) -> None:
        """Make the names in a directory durable. Windows does so by itself."""
        if sys.platform != "win32":
            directory = os.open(path, os.O_RDONLY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)


def write_plainly(file: int, buffers: Sequence[Buffer], offset: int) -> int:
    """Buffer after buffer, which works everywhere."""
    os.lseek(file, offset, os.SEEK_SET)
    return os.write(file, buffers[0])


if sys.platform == "win32":
    # Windows has no gathered write.
    write_gathered = write_plainly
else:

    def write_gathered(file: int, buffers: Sequence[Buffer], offset: int) -> int:
        return os.pwritev(file, buffers, offset)


#: macOS and Windows have no fdatasync.
_flush = getattr(os, "fdatasync", os.fsync)
