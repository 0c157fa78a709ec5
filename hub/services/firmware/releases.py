"""Firmware: the files that operators upload, and the releases made of them (2.3)."""

from __future__ import annotations

import logging
import secrets
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import trio

from hub.errors import BadParameter, HubError, TooLarge, existing
from hub.live.feed import Change
from hub.services.disk_space import GB, DiskSpace
from hub.services.firmware.release_validation import check_release, read_date
from hub.store.firmware_files import STAGED, Receiving
from hub.store.names import FIRMWARE
from hub.store.tables.firmware import NewRelease, Release, StoredFile

if TYPE_CHECKING:
    from hub.services.core import Core

log = logging.getLogger(__name__)

MAX_RELEASES = 100
#: For all files together, so that enough of the disk is left for records.
MAX_TOTAL_BYTES = 8 * 1024 * 1024 * 1024

_DATE_FORMAT = "%Y-%m-%d %H:%M:%S"
#: A file without a release is removed after a day.
_UNUSED_MS = 86_400_000


class FirmwareUpload:
    """A file that is being received: a context manager that keeps only a finished file."""

    def __init__(self, releases: Releases, receiving: Receiving, size: int) -> None:
        self._releases = releases
        self._receiving = receiving
        self._size = size

    async def __aenter__(self) -> FirmwareUpload:
        self._releases.check_disk(self._size)
        await self._receiving.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._receiving.__aexit__(kind, error, trace)

    async def write(self, chunk: bytes) -> None:
        """Append the next bytes. Raises TooLarge, CannotStoreNow."""
        self._releases.check_disk(len(chunk))
        await self._receiving.write(chunk)

    async def finish(self) -> StoredFile:
        """Store the file durably, and return it. A file that is stored already is not duplicated.

        Raises TooLarge, CannotStoreNow.
        """
        found = await self._receiving.finish(self._releases.now_ms())
        return await self._releases.keep(self._receiving.path, found)


class Releases:
    """All releases. When a call returns, its changes are durable and visible to all."""

    def __init__(self, core: Core, disk: DiskSpace) -> None:
        self._rows = core.store.firmware
        self._files = core.store.firmware_files
        self._site = core.site
        self._disk = disk
        self._changes = core.changes
        self._now = core.clock.likely_time
        #: Held while a file and its row are added or removed together.
        self._files_lock = trio.Lock()

    def receive(self, size: int = 0) -> FirmwareUpload:
        """Receive a file: `async with releases.receive() as upload`.

        `size` is the expected size in bytes, if known. Entering the context raises
        TooManyRequests, TooLarge, CannotStoreNow.
        """
        return FirmwareUpload(self, self._files.receive(), size)

    async def take_staged(self, name: str) -> StoredFile:
        """Take over a file that was written to `staging_path`. Raises NoSuchResource, TooLarge."""
        # The file already takes its space, and the command that wrote it removes it.
        self.check_disk(0)
        found = await self._files.digest_staged(name, self.now_ms())
        return await self.keep(self._files.staged(name), found)

    def files(self) -> tuple[StoredFile, ...]:
        """Return all files, newest first, including those without a release."""
        return self._rows.files()

    def all(self) -> tuple[Release, ...]:
        """Return all releases, newest first."""
        return self._rows.releases()

    def get(self, id: int) -> Release:
        """Return one release. Raises NoSuchResource."""
        return existing(self._rows.release(id), "release", id=id)

    async def add(self, new: NewRelease) -> Release:
        """Add a release of stored files. Raises BadParameter that names the field."""
        check_release(new)
        if len(self._rows.releases()) >= MAX_RELEASES:
            raise BadParameter(
                f"there are already {MAX_RELEASES}: remove one first", field="releases"
            )
        date = self._release_date(new.release_date)
        async with self._files_lock:
            self._check_files(new)
            release = await self._rows.add_release(new, date, self.now_ms())
        log.info("release %d (%s) was added", release.id, release.ver_name)
        self._publish(release.id)
        return release

    async def remove(self, id: int) -> None:
        """Remove a release, its ended campaigns, and the files that no other release uses.

        Raises NoSuchResource, and BadParameter while a campaign uses it.
        """
        self.get(id)
        async with self._files_lock:
            release = await self._rows.remove_release(id)
            for sha256 in {component.sha256 for component in release.components}:
                if not self._rows.is_used(sha256):
                    await self._remove_file(sha256)
        log.info("release %d (%s) was removed", id, release.ver_name)
        self._publish(id)

    async def remove_file(self, sha256: str) -> None:
        """Remove a file. Raises NoSuchResource, and BadParameter if a release uses it."""
        async with self._files_lock:
            await self._remove_file(sha256)

    async def remove_unused(self) -> None:
        """Remove files that are more than a day old and that no release uses."""
        oldest = self.now_ms() - _UNUSED_MS
        for file in self._rows.files():
            if file.added_at < oldest and not self._rows.is_used(file.sha256):
                log.info("removing firmware file %s: no release uses it", file.sha256[:12])
                await self.remove_file(file.sha256)

    async def keep(self, path: Path, found: StoredFile) -> StoredFile:
        """Store a complete file under its name and add its row, both or neither."""
        async with self._files_lock:
            known = self._rows.file(found.sha256)
            if known is None:
                self._check_total(found.size)
            await self._files.keep(path, found)
            if known is not None:
                return known
            try:
                await self._rows.add_file(found)
            except HubError:
                await self._files.remove(found.sha256)
                raise
        log.info("firmware file %s was received, %d bytes", found.sha256[:12], found.size)
        return found

    def check_disk(self, size: int) -> None:
        """Check for `size` free bytes. Raises TooLarge if records need the space."""
        if shortage := self._disk.shortage(size):
            raise TooLarge(
                f"{shortage.wanted_bytes / GB:g} GB of the disk are kept for records: "
                "remove a release, or free some space",
                field="disk",
            )

    def now_ms(self) -> int:
        return int(self._now() * 1000)

    async def _remove_file(self, sha256: str) -> None:
        await self._rows.remove_file(sha256)
        await self._files.remove(sha256)

    def _check_total(self, size: int) -> None:
        held = sum(file.size for file in self._rows.files())
        if held + size > MAX_TOTAL_BYTES:
            raise TooLarge(
                f"all firmware together may have at most {MAX_TOTAL_BYTES // 1024**3} GB: "
                "remove a release first",
                field="files",
            )

    def _check_files(self, new: NewRelease) -> None:
        for number, component in enumerate(new.components):
            if self._rows.file(component.sha256) is None:
                raise BadParameter(
                    "the SHA-256 of a file that was uploaded is expected",
                    field=f"components.{number}.sha256",
                )

    def _release_date(self, text: str | None) -> str:
        """Return the date in the form that is sent to devices, in the site's time zone."""
        if text is not None:
            return read_date(text).strftime(_DATE_FORMAT)
        return datetime.fromtimestamp(self._now(), self._site.zone()).strftime(_DATE_FORMAT)

    def _publish(self, id: int) -> None:
        self._changes.publish([Change("firmware", str(id))])


def staging_path(data_dir: Path) -> Path:
    """Return a new path to which the command line writes a file for `take_staged`."""
    return data_dir / FIRMWARE / STAGED / secrets.token_hex(16)
