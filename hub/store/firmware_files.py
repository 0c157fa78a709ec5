"""The firmware files on disk: received as a whole or not at all, read in pieces.

    firmware/SHA256            a file; it gets this name once it is complete and flushed
    firmware/N.part            a file that is being received
    firmware/staged/NAME       a file that the command line put there for the hub to take

At the start, files without a row are removed: they were left by a crash.
"""

from __future__ import annotations

import hashlib
import logging
import re
import secrets
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import trio

from hub.errors import BadParameter, CannotStoreNow, NoSuchResource, TooLarge, TooManyRequests
from hub.store.disk import DIRECTORY_MODE, Disk, read_at
from hub.store.health import describe
from hub.store.tables.firmware import StoredFile

log = logging.getLogger(__name__)

T = TypeVar("T")

STAGED = "staged"
MAX_FILE_BYTES = 512 * 1024 * 1024

_PART = ".part"
_STAGED_NAME = re.compile(r"[0-9a-f]{32}", re.ASCII)
#: Bytes written and hashed per call in a thread.
_STEP_BYTES = 1024 * 1024
_MAX_RECEIVING = 4
_DISCARD_SECONDS = 5.0
#: A staged file older than this was left by a command that was killed.
_STAGED_SECONDS = 3600.0


class Receiving:
    """An async context that receives a file. On exit it removes the file unless `keep` took it."""

    def __init__(self, files: FirmwareFiles, path: Path) -> None:
        self._files = files
        self.path = path
        self._file: int | None = None
        self._buffer = bytearray()
        self._size = 0
        self._digest = _Digest()

    async def __aenter__(self) -> Receiving:
        self._files._enter()
        try:
            self._file = await self._files._run(self._files.disk.open, self.path)
        except BaseException:
            self._files._leave()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._files._leave()
        with trio.move_on_after(_DISCARD_SECONDS, shield=True):
            await trio.to_thread.run_sync(self._discard, limiter=self._files.writing)

    async def write(self, chunk: bytes) -> None:
        """Append bytes. Raises TooLarge, or CannotStoreNow if they cannot be written."""
        self._files.check_size(self._size + len(self._buffer) + len(chunk))
        self._buffer += chunk
        if len(self._buffer) >= _STEP_BYTES:
            await self._empty_buffer()
        else:
            await trio.lowlevel.checkpoint()

    async def finish(self, added_at: int) -> StoredFile:
        """Flush the file and return its row, to pass to `keep`, which gives the file its name.

        `added_at`: UNIX milliseconds, part of the row. Raises CannotStoreNow, or BadParameter if
        the file is empty.
        """
        await self._empty_buffer()
        await self._files._run(self._close, flush=True)
        return self._digest.found(self._size, added_at)

    async def _empty_buffer(self) -> None:
        data, self._buffer = bytes(self._buffer), bytearray()
        if data:
            await self._files._run(self._write, data)

    def _write(self, data: bytes) -> None:
        assert self._file is not None
        self._files.disk.write(self._file, [data], self._size)
        self._digest.update(data)
        self._size += len(data)

    def _close(self, *, flush: bool) -> None:
        file, self._file = self._file, None
        if file is None:
            return
        try:
            if flush:
                self._files.disk.flush(file)
        finally:
            self._files.disk.close(file)

    def _discard(self) -> None:
        self._close(flush=False)
        remove_file(self.path)


class FirmwareFiles:
    """The directory `firmware`. `FirmwareTable` keeps the rows of its files."""

    def __init__(self, directory: Path, disk: Disk) -> None:
        self.directory = directory
        self.disk = disk
        self.writing = trio.CapacityLimiter(2)
        self._reading = trio.CapacityLimiter(2)
        self._receiving = 0

    def receive(self) -> Receiving:
        """Return a context that receives a file.

        Entering it raises TooManyRequests if four are being received, CannotStoreNow if the file
        cannot be created.
        """
        return Receiving(self, self.directory / f"{secrets.token_hex(8)}{_PART}")

    async def digest_staged(self, name: str, added_at: int) -> StoredFile:
        """Read and flush a staged file and return its row, to pass to `keep`.

        Raises NoSuchResource, TooLarge, CannotStoreNow, or BadParameter for a bad name or an empty
        file.
        """
        path = self.staged(name)
        if not path.is_file():
            raise NoSuchResource("the staged file is gone: try again")
        self.check_size(path.stat().st_size)
        return await self._run(_digest_of, path, self.disk, added_at)

    async def keep(self, path: Path, found: StoredFile) -> None:
        """Give a complete, flushed file its name, or remove it if the same file is kept already.

        Durable on return. Raises CannotStoreNow.
        """
        await self._run(self._keep, path, found)

    async def read(self, sha256: str, offset: int, size: int) -> bytes:
        """Read `size` bytes at `offset`, fewer if the file ends before. Raises OSError."""
        return await trio.to_thread.run_sync(
            read_at, self.directory / sha256, offset, size, limiter=self._reading
        )

    async def remove(self, sha256: str) -> None:
        """Delete a file. On Windows a file that is being read stays until the next start."""
        await trio.to_thread.run_sync(remove_file, self.directory / sha256, limiter=self.writing)

    def check_size(self, size: int) -> None:
        """Raise TooLarge if a file of `size` bytes is not accepted."""
        if size > MAX_FILE_BYTES:
            raise TooLarge(f"at most {MAX_FILE_BYTES // 1024**2} MB are allowed", field="file")

    def staged(self, name: str) -> Path:
        """Return the path of a staged file. Raises BadParameter if the name is invalid."""
        if not _STAGED_NAME.fullmatch(name):
            raise BadParameter("32 hexadecimal digits are expected", field="staged")
        return self.directory / STAGED / name

    def _keep(self, path: Path, found: StoredFile) -> None:
        kept = self.directory / found.sha256
        with suppress(FileNotFoundError):
            if kept.stat().st_size == found.size:
                remove_file(path)
                return
        path.replace(kept)
        try:
            self.disk.flush_directory(self.directory)
        except OSError:
            remove_file(kept)
            raise

    async def _run(self, step: Callable[..., T], *args: object, **how: object) -> T:
        """Run one step in a thread. Raises CannotStoreNow in place of an OSError."""
        try:
            return await trio.to_thread.run_sync(lambda: step(*args, **how), limiter=self.writing)
        except OSError as error:
            raise CannotStoreNow(describe(error)) from error

    def _enter(self) -> None:
        if self._receiving >= _MAX_RECEIVING:
            raise TooManyRequests("too many files are received: try again in 10 s", retry_after=10)
        self._receiving += 1

    def _leave(self) -> None:
        self._receiving -= 1


class _Digest:
    """Both digests of 2.3. MD5 is computed only because the specification requires it."""

    def __init__(self) -> None:
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._sha256 = hashlib.sha256()

    def update(self, data: bytes) -> None:
        self._md5.update(data)
        self._sha256.update(data)

    def found(self, size: int, added_at: int) -> StoredFile:
        if size == 0:
            raise BadParameter("the file is empty", field="file")
        return StoredFile(self._sha256.hexdigest(), self._md5.hexdigest(), size, added_at)


def _digest_of(path: Path, disk: Disk, added_at: int) -> StoredFile:
    """Read a whole file, and flush it."""
    digest, size = _Digest(), 0
    # Open it for writing, because Windows flushes no other files. Do not create it: the command may
    # have removed it by now.
    with path.open("r+b", buffering=0) as file:
        while chunk := file.read(_STEP_BYTES):
            digest.update(chunk)
            size += len(chunk)
        disk.flush(file.fileno())
    return digest.found(size, added_at)


def prepare_firmware(
    directory: Path, known: Collection[StoredFile], now: float, *, are_all_known: bool = True
) -> list[str]:
    """Create the directory, and remove files without a row. Returns texts about damage.

    `known`: the rows. `now`: UNIX seconds. If not `are_all_known`, because a row is damaged, the
    files stay.
    """
    staged = directory / STAGED
    staged.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
    names = {file.sha256 for file in known}
    for path in list(directory.iterdir()):
        if are_all_known and path.name not in names and path != staged:
            log.info("removed the firmware file %s, which the database does not list", path.name)
            remove_file(path)
    for path in list(staged.iterdir()):
        if abs(now - path.stat().st_mtime) > _STAGED_SECONDS:
            remove_file(path)
    return [text for file in known if (text := _damage(directory / file.sha256, file))]


def _damage(path: Path, file: StoredFile) -> str:
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return f"the firmware file {file.sha256[:12]} is missing"
    if size != file.size:
        return f"the firmware file {file.sha256[:12]} is damaged: {size} of {file.size} bytes"
    return ""


def remove_file(path: Path) -> None:
    """Delete a file. On Windows a file in use stays, at most until the next start."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        log.info("%s stays until the next start: %s", path.name, error.strerror)
