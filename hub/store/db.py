"""The store as the services use it: every table, the record log and the files, wired together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio

from hub.store.access_changes import AccessChanges
from hub.store.alarms.alarms import AlarmTable
from hub.store.alarms.plate_lists import PlateListTable
from hub.store.alarms.raising import AlarmRaiser
from hub.store.alarms.rules import AlarmRuleTable
from hub.store.commit.group_commit import GroupCommit
from hub.store.disk import Disk
from hub.store.firmware_files import FirmwareFiles
from hub.store.health import HealthMonitor, StoreHealth
from hub.store.jobs.jobs import JobTable
from hub.store.jobs.wishes import WishTable
from hub.store.media.day_index import DayIndex
from hub.store.media.held_index import HeldIndex
from hub.store.media.lost_parts import LOST, LostParts, encode_lost
from hub.store.media.packs import Packs
from hub.store.media.pictures import PictureReader
from hub.store.people.device_marks import DeviceMarks
from hub.store.people.device_people import DevicePeopleTable
from hub.store.people.groups import CameraGroupTable
from hub.store.people.holdings import HoldingTable
from hub.store.people.people import PersonTable
from hub.store.records.erasing import Eraser
from hub.store.records.held_evidence import HeldEvidence
from hub.store.records.record_counter import RecordCounter
from hub.store.records.record_log import RecordLog
from hub.store.records.retention import Retention
from hub.store.recovery.lost_changes import CHANGES_LOST, lost_since
from hub.store.sealing import Random
from hub.store.sqlite.connection import Job
from hub.store.sqlite.readers import Readers
from hub.store.startup import StartState
from hub.store.tables.api_keys import ApiKeyTable
from hub.store.tables.audit import AuditTable
from hub.store.tables.campaigns import CampaignTable
from hub.store.tables.clock_steps import ClockStepTable
from hub.store.tables.device_capabilities import CapabilityTable
from hub.store.tables.device_pictures import DevicePictureTable
from hub.store.tables.device_relays import RelayTable
from hub.store.tables.device_settings import DeviceSettingTable
from hub.store.tables.device_table import DeviceTable
from hub.store.tables.downloads import DownloadTable
from hub.store.tables.erasures import ErasureTable
from hub.store.tables.firmware import FirmwareTable
from hub.store.tables.holds import HoldTable
from hub.store.tables.outages import OutageTable
from hub.store.tables.reviews import ReviewTable
from hub.store.tables.saved_searches import SavedSearchTable
from hub.store.tables.sessions import SessionTable
from hub.store.tables.settings import SettingTable
from hub.store.tables.tokens import TokenTable
from hub.store.tables.used_signatures import UsedSignatureTable
from hub.store.tables.user_links import UserLinkTable
from hub.store.tables.users import UserTable
from hub.store.targets.erased import ErasedRecords
from hub.store.targets.targets import TargetTable

T = TypeVar("T")


class Store:
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
        writer: GroupCommit,
        queries: Readers,
        picture_readers: Readers,
        searchers: Readers,
        *,
        packs: Packs,
        raiser: AlarmRaiser,
        days: DayIndex,
        firmware_files: FirmwareFiles,
        disk: Disk,
        monitor: HealthMonitor,
        check: Callable[[], Awaitable[str]],
        empty_wal: Callable[[], Awaitable[bool]],
        now: Callable[[], float],
        random: Random,
    ) -> None:
        #: Whether the last process to use the store closed it, rather than crashed.
        self.clean_start = start.is_clean
        self._writer = writer
        self._queries = queries
        self._searchers = searchers
        self._monitor = monitor
        self._check = check
        #: The id of the record log. It changes only when a `seq` could be given again.
        self.log_id = start.log_state.log_id
        held, changing = HeldIndex(packs.directory, start.held), trio.Lock()
        #: The rows that could not be read, as far as somebody tried.
        self.damaged_rows = damaged = start.damaged_rows
        self.records = RecordLog(writer, queries, searchers, days, held, damaged)
        self.counter = RecordCounter(queries, searchers)
        #: What packs have lost, as far as it was found.
        self.lost = LostParts(start.lost)
        self.pictures = PictureReader(picture_readers, packs, days, held, monitor, self.lost)
        self.holds = HoldTable(writer, queries, days, held, changing, damaged)
        self.evidence = HeldEvidence(
            writer,
            picture_readers,
            packs,
            days,
            held,
            disk,
            monitor,
            changing,
            self.log_id,
        )
        self.erasures = ErasureTable(writer, queries, damaged)
        self.eraser = Eraser(
            writer, picture_readers, packs, days, held, disk, changing, now, empty_wal
        )
        self.retention = Retention(
            writer, picture_readers, packs, days, self.evidence, now, damaged
        )
        self.tokens = TokenTable(writer, start.tokens, start.accepted, now)
        self.device_settings = DeviceSettingTable(writer, start.device_settings, damaged)
        self.capabilities = CapabilityTable(writer, start.capabilities)
        self.relays = RelayTable(writer, start.box, start.relays)
        self.device_pictures = DevicePictureTable(writer, picture_readers)
        self.devices = DeviceTable(
            writer,
            start.box,
            random,
            start.devices,
            now,
            on_removed=self._forget_device,
            on_replaced=self._forget_camera,
            damaged=damaged,
        )
        #: Which devices' people have changed.
        self.device_marks = DeviceMarks()
        self.holdings = HoldingTable(writer, queries, damaged, self.device_marks)
        self.device_people = DevicePeopleTable(
            writer, queries, start.device_people, damaged, self.device_marks
        )
        self.access_changes = AccessChanges()
        self.sessions = SessionTable(writer, start.sessions, self.access_changes)
        self.reviews = ReviewTable(writer, start.reviews)
        self.users = UserTable(writer, start.users, self._forget_user, damaged, self.access_changes)
        self.user_links = UserLinkTable(writer, start.user_links)
        self.used_signatures = UsedSignatureTable(writer, start.used_signatures)
        self.api_keys = ApiKeyTable(
            writer,
            start.box,
            start.api_keys,
            self.used_signatures.forget_key,
            self.access_changes,
        )
        self.campaigns = CampaignTable(writer, start.campaigns)
        self.firmware = FirmwareTable(writer, start.firmware, self.campaigns.forget_release)
        self.firmware_files = firmware_files
        self.downloads = DownloadTable(writer, start.downloads)
        #: The key that signs links to firmware files. It stays the same across restarts.
        self.link_key = start.box.derived("firmware links")
        #: The key that signs links to pictures.
        self.picture_link_key = start.box.derived("picture links")
        #: The key of the hashes of unsigned devices' `auth_code` (D12).
        self.auth_code_key = start.box.derived("auth codes")
        #: The key that signs the marks of browsers in which a user has signed in.
        self.browser_key = start.box.derived("known browsers")
        self.people = PersonTable(writer, queries, damaged)
        self.camera_groups = CameraGroupTable(writer, start.camera_groups, damaged)
        self.settings = SettingTable(writer, start.settings)
        self.clock_steps = ClockStepTable(writer, start.clock_steps, damaged)
        self.outages = OutageTable(writer, queries, searchers, start.outages, damaged)
        self.saved_searches = SavedSearchTable(writer, start.saved_searches)
        self.audit = AuditTable(writer, queries, damaged)
        self.alarms = AlarmTable(writer, queries, raiser, start.alarms, damaged)
        self.alarm_rules = AlarmRuleTable(writer, start.alarm_rules)
        self.plate_lists = PlateListTable(writer, start.plate_lists)
        self.targets = TargetTable(
            writer,
            queries,
            start.box,
            start.targets,
            start.target_gaps,
            start.parked_counts,
            damaged,
        )
        self.erased = ErasedRecords(queries, damaged)
        self.jobs = JobTable(writer, queries, damaged)
        self.wishes = WishTable(writer, queries, start.wish_dids, damaged)

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

    def _forget_user(self, name: str) -> None:
        self.sessions.forget_user(name)
        self.reviews.forget_user(name)

    def _forget_device(self, did: str) -> None:
        """Update the other tables in memory after the database removed all rows of a device."""
        self._forget_camera(did)
        self.device_people.forget_device(did)
        self.campaigns.forget_device(did)
        self.camera_groups.forget_device(did)
        self.wishes.forget_device(did)

    def _forget_camera(self, did: str) -> None:
        """Update the other tables in memory after a camera was replaced (see `reset_camera`)."""
        self.tokens.forget_device(did)
        self.device_settings.forget_device(did)
        self.capabilities.forget_device(did)
        self.relays.forget_device(did)
        self.device_people.reset_camera(did)
        self.device_pictures.forget_device(did)
        self.downloads.forget_device(did)
        self.campaigns.reset_device(did)
