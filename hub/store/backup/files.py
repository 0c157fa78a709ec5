"""Files that a backup writes: flushed as they grow, and gone from the page cache afterwards.

Many unflushed bytes would make the next commit of the hub wait for all of them, and a copy of the
pictures in the cache would push the database out of a small machine's memory.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from types import TracebackType

from hub import durable_files
from hub.errors import BackupFault
from hub.reasons import Reason
from hub.store.backup.pace import STEP_BYTES, Pace
from hub.store.backup.unread import UnreadParts
from hub.store.disk import Disk

_FLUSH_BYTES = 8 * 1024 * 1024
#: What a disk reads at least, and marks as bad.
_SECTOR_BYTES = 4096
_BINARY = getattr(os, "O_BINARY", 0)
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
NOT_REGULAR = Reason("it is not a regular file")
#: Opening a FIFO would wait for a writer.
_NO_WAIT = getattr(os, "O_NONBLOCK", 0)


class FlushedFile:
    """A file, open for writing with mode 0600, whose content is on the disk when it is closed.

    `is_new`: it must not exist yet. Used as a context; after an error its content is undefined.
    """

    def __init__(self, path: Path, *, is_new: bool = True, disk: Disk | None = None) -> None:
        self._disk = disk or Disk()
        how = os.O_EXCL if is_new else 0
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | _BINARY | _NO_FOLLOW | how, 0o600)
        if not stat.S_ISREG(os.fstat(self._file).st_mode):
            os.close(self._file)
            raise BackupFault(f"{path} cannot be written: {NOT_REGULAR}")
        self._flushed = 0
        #: Where the next byte goes.
        self.position = 0

    def __enter__(self) -> FlushedFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self.flush()
        finally:
            os.close(self._file)

    def write(self, data: bytes) -> None:
        self._disk.write(self._file, [data], self.position)
        self.position += len(data)
        if self.position - self._flushed >= _FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        self._disk.flush(self._file)
        _drop_cache(self._file, self._flushed, self.position - self._flushed)
        self._flushed = self.position

    def cut(self, size: int) -> None:
        """Cut the file off, and continue there."""
        self._disk.cut(self._file, size)
        self.position = self._flushed = size


@contextmanager
def new_file(path: Path) -> Iterator[FlushedFile]:
    """Write FILE.part, which becomes the file once it is complete and on the disk.

    An existing file is replaced. Nothing is left of it after an error. Raises OSError.
    """
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    try:
        with FlushedFile(part) as file:
            yield file
        part.replace(path)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise
    flush_directory_if_possible(path.parent)


def open_regular(path: Path) -> FileIO:
    """Open a file of a folder that others write to. Raises BackupFault if it is no regular file.

    Opening a device can have effects, a FIFO may never answer, and a link can lead anywhere.
    """
    if not stat.S_ISREG(path.lstat().st_mode):
        raise BackupFault(NOT_REGULAR)
    file = FileIO(path, opener=_open_unlinked)
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise BackupFault(NOT_REGULAR)
    return file


def _open_unlinked(path: str, how: int) -> int:
    return os.open(path, how | _NO_FOLLOW | _NO_WAIT)


def read_steps(
    path: Path, start: int, size: int, pace: Pace, unread: UnreadParts | None = None
) -> Iterator[bytes]:
    """Yield `size` bytes of a file from `start`, in steps; fewer if it ends before.

    With `unread`, zeros take the place of what cannot be read or is missing at the end, and it is
    noted there; otherwise OSError is raised. What was read leaves the page cache.
    """
    with _opened(path) as file:
        at, kept_from = start, start
        while at < start + size and (
            data := _read_step(file, at, min(start + size - at, STEP_BYTES), pace, unread)
        ):
            at += len(data)
            if at - kept_from >= _FLUSH_BYTES:
                _drop_cache(file.fileno(), kept_from, at - kept_from)
                kept_from = at
            pace.spend(len(data))
            yield data
        _drop_cache(file.fileno(), kept_from, at - kept_from)


def _opened(path: Path) -> FileIO:
    try:
        return open_regular(path)
    except BackupFault as fault:
        raise BackupFault(f"{path} cannot be read: {fault.message}") from None


def _read_step(file: FileIO, at: int, size: int, pace: Pace, unread: UnreadParts | None) -> bytes:
    if unread is None:
        return _read(file, at, size)
    if data := _try_to_read(file, at, size, pace, unread):
        return data
    if data is None and unread.may_split:
        return b"".join(_read_sectors(file, at, at + size, pace, unread))
    unread.add(at, size)
    return bytes(size)


def _read_sectors(
    file: FileIO, at: int, end: int, pace: Pace, unread: UnreadParts
) -> Iterator[bytes]:
    """Yield what can be read of a step, and zeros for the rest."""
    while at < end:
        size = min(_SECTOR_BYTES - at % _SECTOR_BYTES, end - at)
        data = _try_to_read(file, at, size, pace, unread) or b""
        if missing := size - len(data):
            unread.add(at + len(data), missing)
        yield data + bytes(missing)
        at += size


def _try_to_read(file: FileIO, at: int, size: int, pace: Pace, unread: UnreadParts) -> bytes | None:
    """Read, unless the file is given up, which may be because of this read; None if it fails."""
    if unread.is_given_up:
        return None
    try:
        with pace.timing_failure():
            return _read(file, at, size)
    except OSError:
        unread.fail()
        if not pace.has_time_to_fail:
            unread.give_up()
        return None


def _read(file: FileIO, at: int, size: int) -> bytes:
    file.seek(at)
    return file.read(size)


def _drop_cache(file: int, start: int, size: int) -> None:
    if size:
        with suppress(OSError):  # only advice
            Disk().drop_cache(file, start, size)


def flush_directory_if_possible(path: Path) -> None:
    """Make a directory's entries durable, as far as its file system can."""
    with suppress(OSError):
        durable_files.flush_directory(path)
