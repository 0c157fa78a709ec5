"""Restoring a backup in place of the set-up: into a hub that runs, and that nobody has set up yet.

The backup is read and verified beside the data, by what `sitehub restore` uses. Then the hub stops
in order to be started again, and that start moves the restored data into its place. Whatever ends
the hub before, the next start has it as it was; afterwards, it has what was restored.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import trio
from msgspec import Struct

from hub.config import Config, ports_of
from hub.config_sources import FILE_NAME
from hub.errors import BackupFault, StartFault, TooManyRequests, os_error_text
from hub.net.binding import open_listeners
from hub.reasons import Reason, because
from hub.services.access.users import Users
from hub.services.backups.copying import run_copying
from hub.services.backups.views import Progress, restored_setting
from hub.services.people.register import PeopleRegister
from hub.store.backup.files import open_regular
from hub.store.backup.finding import Finding, FoundBackup, find_backups
from hub.store.backup.pace import Pace
from hub.store.backup.restore import (
    RestoreReport,
    accept_staged,
    discard_staged,
    stage,
    staged,
)
from hub.store.records.record_filter import RecordFilter
from hub.wire.uploads.records import RECORD_KINDS

if TYPE_CHECKING:
    from hub.services.core import Core

log = logging.getLogger(__name__)

#: A disk that does not answer for so long has no backups.
_LOOK_SECONDS = 10.0
_MAX_OFFERED = 30
_MAX_FORBIDDEN = 3
#: The browser that waits for the restore learns of its end before the ports close.
_RESTART_DELAY_SECONDS = 3.0
_SET_UP = Reason("someone else has just set up this hub")
_CUT_OFF = Reason("the file did not arrive completely: send it again")


class OfferedBackup(Struct, frozen=True):
    """A backup on a disk of this computer. `made_at`: UNIX seconds. `records`: None if sealed."""

    path: str
    bytes: int
    made_at: float
    site: str = ""
    records: int | None = None
    has_pictures: bool = True


class Offer(Struct, frozen=True):
    """`backups`: the newest first. `forbidden`: what the hub's account may not read."""

    backups: list[OfferedBackup]
    forbidden: list[str]


class RestoredHub(Struct, frozen=True):
    """What the next start begins with. `web_port`: where its pages are then."""

    site: str
    records: int
    web_port: int


class _File(Protocol):
    def read(self, size: int, /) -> bytes: ...

    def close(self) -> None: ...


class _Wanted(Struct, frozen=True):
    """A backup to restore. `path`: None if it arrives from a browser."""

    open: Callable[[], _File]
    path: Path | None
    passphrase: str | None


class FirstRestore:
    """Restores one backup at a time. run() must run for any to be restored."""

    def __init__(self, core: Core, users: Users, people: PeopleRegister) -> None:
        self._core = core
        self._users = users
        self._people = people
        self._data_dir = core.data_dir
        self._wanted: _Wanted | None = None
        self._begun = trio.Event()
        self._pace: Pace | None = None
        #: Why the last one was not restored, and where it is; None if it came from a browser.
        self.fault: BackupFault | None = None
        self.path: str | None = None
        #: What was restored: the hub stops in order to be started again.
        self.restored: RestoredHub | None = None
        self.restart_is_due = False

    async def is_offered(self) -> bool:
        """Whether this hub has nothing yet that a restore would replace.

        What it has recorded of itself does not count.
        """
        store = self._core.store
        if self._users.all() or store.devices.count or await self._people.count():
            return False
        kinds = [kind for kind in RECORD_KINDS if kind != "hub"]
        pages = [await store.records.page(RecordFilter(kind=kind), limit=1) for kind in kinds]
        return not any(page.items for page in pages)

    @property
    def progress(self) -> Progress | None:
        """How far the restore in progress is, None if there is none."""
        if self._wanted is None:
            return None
        pace = self._pace
        return Progress(*((0, 0) if pace is None else (pace.done_bytes, pace.total_bytes)))

    def free_bytes(self) -> int:
        """Return how much a backup may have: a restored one takes as much at least."""
        try:
            return self._core.outside.free_bytes(self._data_dir)
        except OSError:
            return 0

    async def look(self, place: str = "") -> Offer:
        """Return what there is in a folder, or this file; "": on the disks of this computer.

        What cannot be read within 10 s is left out.
        """
        usual = (*self._core.outside.backup_disks(), self._data_dir / self._folder)
        places = (Path(place),) if place else usual
        found = Finding()
        with trio.move_on_after(_LOOK_SECONDS):
            pace = Pace()
            found = await run_copying(lambda: find_backups(places, pace), pace)
        own = self._core.store.log_id
        others = [one for one in found.backups if one.head is None or one.head.log_id != own]
        # That a usual place is closed to it says nothing.
        forbidden = [str(path) for path in found.forbidden if place or path not in usual]
        return Offer([_offered(one) for one in others[:_MAX_OFFERED]], forbidden[:_MAX_FORBIDDEN])

    @property
    def _folder(self) -> str:
        return self._core.settings.current.backup.folder

    async def begin(self, path: str, passphrase: str) -> None:
        """Begin to restore a backup on a disk of this computer.

        Raises TooManyRequests if another one is in progress, and BackupFault if this hub was set
        up meanwhile.
        """
        chosen = Path(path)
        await self._begin(_Wanted(lambda: open_regular(chosen), chosen, passphrase or None))

    @asynccontextmanager
    async def receiving(self, passphrase: str) -> AsyncIterator[IncomingFile]:
        """Begin to restore a backup that is written to the file in this block, to its end.

        Raises like `begin`.
        """
        file = IncomingFile()
        await self._begin(_Wanted(lambda: file, None, passphrase or None))
        with file:
            yield file

    async def _begin(self, wanted: _Wanted) -> None:
        if not await self.is_offered():
            raise BackupFault(_SET_UP)
        if self._wanted is not None:
            raise TooManyRequests("a backup is being restored already")
        self._wanted, self.fault = wanted, None
        self.path = None if wanted.path is None else str(wanted.path)
        self._begun.set()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Restore what is begun, until cancelled; stop the hub once that was done."""
        task_status.started()
        while True:
            await self._begun.wait()
            self._begun = trio.Event()
            wanted = self._wanted
            assert wanted is not None
            try:
                await self._restore(wanted)
            except BackupFault as fault:
                log.warning("the backup is not restored: %s", fault)
                self.fault = fault
            finally:
                self._wanted = self._pace = None

    async def _restore(self, wanted: _Wanted) -> None:
        """Restore a backup, and stop the hub. Raises BackupFault; then nothing has changed."""
        pace = self._pace = Pace()
        try:
            report = await run_copying(lambda: self._stage(wanted, pace), pace)
            config = await self._check_settings()
            async with self._users.changing:
                if not await self.is_offered():
                    raise BackupFault(_SET_UP)
                await trio.to_thread.run_sync(accept_staged, self._data_dir)
                # What is changed from here on would be lost: nobody is let in any more.
                await self._stop(report, config)
        except Exception as error:
            await trio.to_thread.run_sync(discard_staged, self._data_dir)
            raise _as_fault(error) from error

    def _stage(self, wanted: _Wanted, pace: Pace) -> RestoreReport:
        with closing(wanted.open()) as file:
            return stage(
                file,
                wanted.path,
                self._data_dir,
                passphrase=wanted.passphrase,
                pace=pace,
                new_settings=lambda head: restored_setting(head.created_at, head.addresses),
                hold_targets=True,
            )

    async def _check_settings(self) -> Config:
        """Return the settings of what was staged. Raises BackupFault if it could not start."""
        try:
            file = await trio.to_thread.run_sync(_read_if_there, staged(self._data_dir) / FILE_NAME)
            config = self._core.settings.with_file(file)
            own = {port.port for port in ports_of(self._core.settings.current)}
            for setting, bind, port in ports_of(config):
                if port not in own:
                    for listener in await open_listeners(bind, port, setting=setting):
                        listener.socket.close()
        except StartFault as fault:
            raise BackupFault(
                because("its settings cannot be used on this computer: %(why)s", why=fault.said)
            ) from fault
        return config

    async def _stop(self, report: RestoreReport, config: Config) -> None:
        head = report.head
        log.info("restored %d records of %s, as of %s", head.records, head.site, head.created_at)
        self.restored = RestoredHub(head.site, head.records, config.web.port)
        await trio.sleep(_RESTART_DELAY_SECONDS)
        self.restart_is_due = True
        self._core.closing.set()
        await trio.sleep_forever()


class IncomingFile:
    """A file that arrives while it is read: a task writes it, and another thread reads it.

    The block is left once the file is complete; if by an exception, the reader is told that it is
    cut off.
    """

    def __init__(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        self._arrive, self._arrived = trio.open_memory_channel[bytes](0)
        self._is_complete = False
        self._rest = b""

    def __enter__(self) -> IncomingFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._is_complete = kind is None
        self._arrive.close()

    async def write(self, data: bytes) -> bool:
        """Hand on the next bytes; return False if nobody reads them any longer."""
        with suppress(trio.BrokenResourceError):
            await self._arrive.send(data)
            return True
        return False

    def read(self, size: int) -> bytes:
        """Return at most `size` bytes, b"" at the end. Raises BackupFault."""
        try:
            while not self._rest:
                self._rest = trio.from_thread.run(self._arrived.receive, trio_token=self._token)
        except trio.EndOfChannel:
            if not self._is_complete:
                raise BackupFault(_CUT_OFF) from None
            return b""
        except (trio.RunFinishedError, trio.Cancelled):
            raise BackupFault(_CUT_OFF) from None
        data, self._rest = self._rest[:size], self._rest[size:]
        return data

    def close(self) -> None:
        """Read no more."""
        with suppress(trio.RunFinishedError):
            self._token.run_sync_soon(self._arrived.close)


def _offered(found: FoundBackup) -> OfferedBackup:
    head = found.head
    if head is None:
        return OfferedBackup(str(found.path), found.bytes, found.made_at)
    return OfferedBackup(
        str(found.path), found.bytes, found.made_at, head.site, head.records, head.has_pictures
    )


def _as_fault(error: Exception) -> BackupFault:
    if isinstance(error, BackupFault):
        return error
    if isinstance(error, OSError):
        return BackupFault(because("it cannot be read: %(why)s", why=Reason(os_error_text(error))))
    log.exception("a restore failed")
    return BackupFault(because("an unexpected error: %(why)s", why=str(error)))


def _read_if_there(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""
