"""The store as the services use it: every table, the record log and the files, wired together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from hub.store.all_tables import Tables
from hub.store.firmware_files import FirmwareFiles
from hub.store.health import StoreHealth
from hub.store.media.lost_parts import LOST, LostParts, encode_lost
from hub.store.media.pictures import PictureReader
from hub.store.records.erasing import Eraser
from hub.store.records.held_evidence import HeldEvidence
from hub.store.records.record_counter import RecordCounter
from hub.store.records.record_log import RecordLog
from hub.store.records.retention import Retention
from hub.store.recovery.lost_changes import CHANGES_LOST, lost_since
from hub.store.sqlite.connection import Job
from hub.store.startup import StartState
from hub.store.tables.table import Engine

T = TypeVar("T")


class Store(Tables):
    """All durable data. Opened by `open_store`, which also closes it.

    Every method that changes something returns once the change is durable, and raises
    CannotStoreNow if it cannot be made durable now. Changes made by several tasks are committed
    together. A cancelled change is either made as a whole or not at all; its caller does not learn
    which. Most tables are held in memory: their methods that only read are synchronous and see
    committed changes only.
    """

    def __init__(
        self,
        start: StartState,
        engine: Engine,
        *,
        firmware_files: FirmwareFiles,
        check: Callable[[], Awaitable[str]],
        empty_wal: Callable[[], Awaitable[bool]],
    ) -> None:
        super().__init__(engine, start.tables)
        #: Whether the last process to use the store closed it, rather than crashed.
        self.clean_start = start.is_clean
        self._writer = writer = engine.writer
        self._queries = queries = engine.queries
        self._searchers = engine.searchers
        self._monitor = engine.monitor
        self._check = check
        #: The id of the record log. It changes only when a `seq` could be given again.
        self.log_id = start.log_state.log_id
        days, held = engine.days, engine.held
        #: The rows that could not be read, as far as somebody tried.
        self.damaged_rows = damaged = engine.damaged
        self.records = RecordLog(writer, queries, engine.searchers, days, held, damaged)
        self.counter = RecordCounter(queries, engine.searchers)
        #: What packs have lost, as far as it was found.
        self.lost = LostParts(start.lost)
        self.pictures = PictureReader(
            engine.picture_readers, engine.packs, days, held, engine.monitor, self.lost
        )
        self.evidence = HeldEvidence(engine, self.log_id)
        self.eraser = Eraser(engine, empty_wal)
        self.retention = Retention(engine, self.evidence)
        #: Which devices' people have changed.
        self.device_marks = engine.device_marks
        self.access_changes = engine.access_changes
        self.firmware_files = firmware_files
        #: The key that signs links to firmware files. It stays the same across restarts.
        self.link_key = engine.box.derived("firmware links")
        #: The key that signs links to pictures.
        self.picture_link_key = engine.box.derived("picture links")
        #: The secret of which this hub makes its keys for the centres that it has a code of.
        self.enrolment_secret = engine.box.derived("enrolment")
        #: The key of the hashes of unsigned devices' `auth_code` (D12).
        self.auth_code_key = engine.box.derived("auth codes")
        #: The key that signs the marks of browsers in which a user has signed in.
        self.browser_key = engine.box.derived("known browsers")

    @property
    def health(self) -> StoreHealth:
        return self._monitor.health

    @property
    def changes_lost_since(self) -> int | None:
        """Since when changes may be missing, in UNIX milliseconds; None if none are."""
        return lost_since(self.settings.get(CHANGES_LOST))

    async def accept_lost(self) -> None:
        """Note that a person knows what is lost of packs and changes. Durable on return."""
        if self.changes_lost_since is not None:
            await self.settings.set(CHANGES_LOST, None)
        accepted, parts = self.lost.accepted(), self.lost.unaccepted
        await self.settings.set(LOST, encode_lost(accepted))
        self.lost.parts = accepted
        for part in parts:
            self._monitor.settled(part.text)

    async def write(self, job: Job[T]) -> T:
        """Run `job` in the next group: see `GroupCommit.write`."""
        return await self._writer.write(job)

    @property
    def queue_fill(self) -> tuple[int, int]:
        """The writes that wait or are being written, and their bytes."""
        return self._writer.queue_fill

    async def read(self, job: Job[T]) -> T:
        """Run `job` on a read-only connection: see `Readers.read`."""
        return await self._queries.read(job)

    async def read_part(self, job: Job[T]) -> T:
        """Run a part of something long, where only searches and other parts wait, as `read` does.

        A part should take 50 ms or so.
        """
        return await self._searchers.read(job)

    async def check(self) -> str:
        """Run SQLite's `quick_check`, and mend counts of records: takes minutes on gigabytes.

        Returns the damage it found, "" if the database is sound. The health reports it too.
        """
        return await self._check()
