"""Firmware as an operator has it: files that are received, and releases made of them (2.3)."""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import NoReturn

import trio

from hub.errors import BadParameter, HubError, NoSuchResource, TooLarge
from hub.live.feed import Change, Feed
from hub.log import limited
from hub.services.devices.validation import check_text
from hub.services.shielding import shielded
from hub.services.site.disk_space import GB, DiskSpace
from hub.services.site.site import Site
from hub.store.db import Store
from hub.store.firmware_files import MAX_FILE_BYTES as MAX_FILE_BYTES
from hub.store.firmware_files import STAGED, Receiving
from hub.store.startup import FIRMWARE
from hub.store.tables.firmware import Component as Component
from hub.store.tables.firmware import NewComponent as NewComponent
from hub.store.tables.firmware import NewRelease as NewRelease
from hub.store.tables.firmware import Release as Release
from hub.store.tables.firmware import StoredFile as StoredFile
from hub.wire.uploads.firmware import COMPONENT_TYPES, Versions, check_ver_code, check_version

log = logging.getLogger(__name__)

MOST_COMPONENTS = 5
MOST_RELEASES = 100
LONGEST_NAME = 64
LONGEST_DESCRIPTION = 2000
#: Of all files together: the records need the disk more.
MOST_BYTES_OF_ALL = 8 * 1024 * 1024 * 1024

_DATE = re.compile(r"\d{4}-\d\d-\d\d(?: \d\d:\d\d:\d\d)?", re.ASCII)
_DATE_FORMAT = "%Y-%m-%d %H:%M:%S"
#: A file that no release was made of goes after a day.
_UNUSED_MS = 86_400_000
_LOOK_SECONDS = 3600.0


class Upload:
    """A file that is being received: a context, which leaves nothing behind unless finished."""

    def __init__(self, releases: Releases, receiving: Receiving, size: int) -> None:
        self._releases = releases
        self._receiving = receiving
        self._size = size

    async def __aenter__(self) -> Upload:
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
        """Take the next bytes. Raises TooLarge, CannotStoreNow."""
        self._releases.check_disk(len(chunk))
        await self._receiving.write(chunk)

    async def finish(self) -> StoredFile:
        """The file, durable; one that was here already is the same one. CannotStoreNow."""
        found = await self._receiving.finish(self._releases.now_ms())
        with shielded():
            return await self._releases.keep(self._receiving.path, found)


class Releases:
    """Changes are durable, and seen by every reader, once the call returns."""

    def __init__(
        self,
        store: Store,
        site: Site,
        room: DiskSpace,
        changes: Feed[Change],
        now: Callable[[], float],
    ) -> None:
        self._rows = store.firmware
        self._files = store.firmware_files
        self._site = site
        self._room = room
        self._changes = changes
        self._now = now
        #: A file and its row come and go together.
        self._keeping = trio.Lock()

    async def run(
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> NoReturn:
        """Remove, now and then, the files that no release was made of."""
        task_status.started()
        while True:
            await trio.sleep(_LOOK_SECONDS)
            try:
                await self.remove_unused()
            except HubError as error:
                limited(log, logging.WARNING, "firmware", "unused files go later: %s", error)

    def receive(self, size: int = 0) -> Upload:
        """`async with releases.receive() as upload`; `size`: of what comes, as far as known.

        Entering it raises TooManyRequests, TooLarge, CannotStoreNow.
        """
        return Upload(self, self._files.receive(), size)

    async def take_staged(self, name: str) -> StoredFile:
        """Take a file over that was laid into `staging_path`. NoSuchResource, TooLarge."""
        # It takes its room already: whoever laid it there takes it away again.
        self.check_disk(0)
        found = await self._files.digest_staged(name, self.now_ms())
        with shielded():
            return await self.keep(self._files.staged(name), found)

    def files(self) -> tuple[StoredFile, ...]:
        """Newest first, those of no release too."""
        return self._rows.files()

    def all(self) -> tuple[Release, ...]:
        """Newest first."""
        return self._rows.releases()

    def get(self, id: int) -> Release:
        """Raises NoSuchResource."""
        release = self._rows.release(id)
        if release is None:
            raise NoSuchResource(f"no release {id}")
        return release

    async def add(self, new: NewRelease) -> Release:
        """Raises BadParameter that names the field, NoSuchResource for a file that is not here."""
        check_release(new)
        if len(self._rows.releases()) >= MOST_RELEASES:
            raise BadParameter(
                f"there are {MOST_RELEASES} already: remove one first", field="releases"
            )
        date = self._release_date(new.release_date)
        async with self._keeping:
            self._check_files(new)
            release = await self._rows.add_release(new, date, self.now_ms())
        log.info("release %d (%s) was added", release.id, release.ver_name)
        self._publish(release.id)
        return release

    async def remove(self, id: int) -> None:
        """With the files that no other release has, and its ended campaigns.

        Raises NoSuchResource, and BadParameter while a campaign gives it to devices.
        """
        self.get(id)
        with shielded():
            async with self._keeping:
                release = await self._rows.remove_release(id)
                for sha256 in {component.sha256 for component in release.components}:
                    if not self._rows.is_used(sha256):
                        await self._remove_file(sha256)
        log.info("release %d (%s) was removed", id, release.ver_name)
        self._publish(id)

    async def remove_file(self, sha256: str) -> None:
        """Raises NoSuchResource, and BadParameter where a release has it."""
        with shielded():
            async with self._keeping:
                await self._remove_file(sha256)

    async def remove_unused(self) -> None:
        """Remove the files that a day after they came no release was made of."""
        oldest = self.now_ms() - _UNUSED_MS
        for file in self._rows.files():
            if file.added_at < oldest and not self._rows.is_used(file.sha256):
                log.info("firmware file %s goes: no release was made of it", file.sha256[:12])
                await self.remove_file(file.sha256)

    async def keep(self, path: Path, found: StoredFile) -> StoredFile:
        """Give a complete file its name and its row, both or neither."""
        async with self._keeping:
            known = self._rows.file(found.sha256)
            if known is None:
                self._check_room(found.size)
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
        """Raises TooLarge where so many bytes more would cost the oldest day of records."""
        if shortage := self._room.shortage(size):
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

    def _check_room(self, size: int) -> None:
        held = sum(file.size for file in self._rows.files())
        if held + size > MOST_BYTES_OF_ALL:
            raise TooLarge(
                f"all firmware together has at most {MOST_BYTES_OF_ALL // 1024**3} GB: "
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
        """As devices are told it: in the site's own time."""
        if text is not None:
            return _read_date(text).strftime(_DATE_FORMAT)
        return datetime.fromtimestamp(self._now(), self._site.zone()).strftime(_DATE_FORMAT)

    def _publish(self, id: int) -> None:
        self._changes.publish([Change("firmware", str(id))])


def staging_path(data_dir: Path) -> Path:
    """Where the command line lays a file, under a new name, for `take_staged`."""
    return data_dir / FIRMWARE / STAGED / secrets.token_hex(16)


def check_release(new: NewRelease) -> None:
    """Raises BadParameter that names the field."""
    check_ver_code(new.ver_code, "ver_code")
    check_text(new.ver_name, "ver_name", max_length=LONGEST_NAME)
    _check_description(new.description)
    if not 1 <= len(new.components) <= MOST_COMPONENTS:
        raise BadParameter(f"1 to {MOST_COMPONENTS} files are expected", field="components")
    for number, component in enumerate(new.components):
        _check_component(component, f"components.{number}")
    if new.release_date is not None:
        _read_date(new.release_date)
    _check_versions(new.reports, "reports")
    _check_versions(new.least, "least")


def _read_date(text: str) -> datetime:
    try:
        if not _DATE.fullmatch(text):
            raise ValueError
        return datetime.fromisoformat(text)
    except ValueError:
        raise BadParameter(
            "a date as yyyy-MM-dd HH:mm:ss is expected", field="release_date"
        ) from None


def _check_component(component: NewComponent, field: str) -> None:
    check_text(component.name, f"{field}.name", max_length=LONGEST_NAME)
    if component.type not in COMPONENT_TYPES:
        raise BadParameter("a type from 1 to 5 is expected", field=f"{field}.type")


def _check_versions(versions: Versions, field: str) -> None:
    for name, version in versions.told():
        check_version(version, f"{field}.{name}")


def _check_description(text: str) -> None:
    plain = text.replace("\n", "").replace("\r", "").replace("\t", "")
    if len(text) > LONGEST_DESCRIPTION or (plain and not plain.isprintable()):
        raise BadParameter(
            f"at most {LONGEST_DESCRIPTION} printable characters", field="description"
        )
