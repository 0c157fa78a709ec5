"""The store as its users have it: opened as a whole, closed as a whole."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import TypeVar

import trio
import trio_asyncio
from msgspec import Struct

from hub.errors import HubError, StartFault
from hub.log import limited
from hub.store.connection import Bridge, Job, connect_writer, open_bridge
from hub.store.disk import DIRECTORY_MODE, Disk
from hub.store.firmware_files import FirmwareFiles, prepare_firmware
from hub.store.group_commit import Writer
from hub.store.health import Condition, StoreHealth
from hub.store.media.day_index import Day, DayIndex, load_days
from hub.store.media.packs import SUFFIX, Packs, recover
from hub.store.media.pictures import Media
from hub.store.migrate import bring_up_to_date, migrations, unusable
from hub.store.readers import Readers
from hub.store.record_log import Records
from hub.store.record_writer import Appender
from hub.store.sealing import Random, SecretBox, create_key, read_key
from hub.store.sql import one
from hub.store.tables.api_keys import ApiKeyTable, SealedApiKey, load_api_keys
from hub.store.tables.audit import AuditTable
from hub.store.tables.campaigns import CampaignTable, StoredCampaign, load_campaigns
from hub.store.tables.device_pictures import DevicePictureTable
from hub.store.tables.device_settings import DeviceSetting, DeviceSettingTable, load_device_settings
from hub.store.tables.devices import DeviceTable, StoredDevice, load_devices
from hub.store.tables.downloads import Download, DownloadTable, load_downloads
from hub.store.tables.firmware import FirmwareRows, FirmwareTable, load_firmware
from hub.store.tables.sessions import Session, SessionTable, load_sessions
from hub.store.tables.settings import SettingTable, load_settings, save_setting
from hub.store.tables.tokens import Accepted, StoredToken, TokenTable, load_accepted, load_tokens
from hub.store.tables.users import User, UserTable, load_users
from hub.wire.uploads.records import Record

log = logging.getLogger(__name__)

T = TypeVar("T")

DATABASE = "hub.sqlite"
KEY_FILE = "hub.key"
MEDIA = "media"
FIRMWARE = "firmware"

_QUERY_READERS = 2
_PICTURE_READERS = 2
_CLOSE_SECONDS = 8.0

_LAST_SEQ = "SELECT seq FROM sqlite_sequence WHERE name = 'record'"
_DROPS = "SELECT count(*) FROM dropped_day"
_CLEAN = "store.clean"
_KEY_CHECK = "store.key_check"


class _Start(Struct, frozen=True):
    """What a start reads, before any thread of the store runs."""

    box: SecretBox
    clean: bool
    damage: list[str]
    has_drops: bool
    last_seq: int
    days: list[Day]
    devices: list[StoredDevice]
    device_settings: list[DeviceSetting]
    tokens: list[StoredToken]
    accepted: list[Accepted]
    users: list[User]
    sessions: list[Session]
    api_keys: list[SealedApiKey]
    settings: dict[str, str]
    firmware: FirmwareRows
    campaigns: list[StoredCampaign]
    downloads: list[Download]


class _Bridges(Struct, frozen=True):
    """The store's connections, each with its thread."""

    writer: Bridge
    checkpoints: Bridge
    queries: list[Bridge]
    pictures: list[Bridge]

    def all(self) -> tuple[Bridge, ...]:
        # The writer last: the last one that closes moves the write-ahead log away.
        return (*self.pictures, *self.queries, self.checkpoints, self.writer)


class Store:
    """All that is durable. Made by `open_store` alone."""

    def __init__(
        self,
        start: _Start,
        bridges: _Bridges,
        packs: Packs,
        firmware_files: FirmwareFiles,
        *,
        path: Path,
        loop: trio_asyncio.TrioEventLoop,
        now: Callable[[], float],
        on_records: Callable[[Sequence[Record]], None],
        random: Random,
    ) -> None:
        self._path = path
        self._loop = loop
        #: Whether the last one who had the store left it by its end, and not by a fall.
        self.clean_start = start.clean
        self._has_drops = start.has_drops
        self._condition = Condition()
        for text in start.damage:
            self._condition.damaged(text)
        self._bridges = bridges
        self._packs = packs
        days = DayIndex(start.days)
        appender = Appender(packs, days, start.last_seq, now, on_records)
        writer = Writer(bridges.writer, appender, self._condition)
        readers = Readers(bridges.queries, self._condition)
        pictures = Readers(bridges.pictures, self._condition)
        self._writer = writer
        self._readers = readers
        self.records = Records(writer, readers, appender, days)
        self.media = Media(writer, pictures, packs, days, self._condition, now)
        self.tokens = TokenTable(writer, start.tokens, start.accepted, now)
        self.device_settings = DeviceSettingTable(writer, start.device_settings)
        self.device_pictures = DevicePictureTable(writer, pictures)
        self.devices = DeviceTable(
            writer,
            start.box,
            random,
            start.devices,
            now,
            on_removed=self._forget_device,
            on_replaced=self._forget_camera,
        )
        self.sessions = SessionTable(writer, start.sessions)
        self.users = UserTable(writer, start.users, self.sessions.forget_user)
        self.api_keys = ApiKeyTable(writer, start.box, start.api_keys)
        self.campaigns = CampaignTable(writer, start.campaigns)
        self.firmware = FirmwareTable(writer, start.firmware, self.campaigns.forget_release)
        self.firmware_files = firmware_files
        self.downloads = DownloadTable(writer, start.downloads)
        #: What links to firmware are signed with: they outlive a restart.
        self.link_key = start.box.derived("firmware links")
        self.settings = SettingTable(writer, start.settings)
        self.audit = AuditTable(writer, readers)

    def _forget_device(self, did: str) -> None:
        """A device's rows are gone everywhere: memory follows."""
        self._forget_camera(did)
        self.campaigns.forget_device(did)

    def _forget_camera(self, did: str) -> None:
        """The rows of what was the camera's own are gone, or begin anew."""
        self.tokens.forget_device(did)
        self.device_settings.forget_device(did)
        self.device_pictures.forget_device(did)
        self.downloads.forget_device(did)
        self.campaigns.begin_anew(did)

    @property
    def health(self) -> StoreHealth:
        return self._condition.health

    async def write(self, job: Job[T]) -> T:
        """Run `job` in the next group; durable on return. CannotStoreNow where it cannot be."""
        return await self._writer.write(job)

    async def read(self, job: Job[T]) -> T:
        """Run `job` on a connection that only reads."""
        return await self._readers.read(job)

    async def check(self) -> str:
        """SQLite's own check of the whole database; what it found, "" when sound. Takes long."""
        try:
            bridge = await open_bridge(self._path, self._loop, writes=False)
        except sqlite3.Error as error:
            log.warning("the database is not checked this time: %s", error)
            return ""
        try:
            found = await bridge.run(_quick_check)
        except sqlite3.DatabaseError as error:
            found = str(error)
        finally:
            await _close([bridge])
        if found:
            self._condition.damaged(f"{DATABASE}: {found}")
        return found

    async def _run(self, lasting: trio.CancelScope) -> None:
        """The writer, and what goes on beside it.

        Nothing but the end of the store cancels them, by `lasting`: they outlive a cancellation of
        the store's users, who may still have to write.
        """
        with lasting:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._writer.run)
                nursery.start_soon(self._keep_checkpoints)
                if self._has_drops:
                    nursery.start_soon(self._finish_drops)
                if not self.clean_start:
                    nursery.start_soon(self.check)

    async def _keep_checkpoints(self) -> None:
        """Move the write-ahead log into the database beside the writer, not in its way."""
        while True:
            await self._writer.wait_grown()
            try:
                await self._bridges.checkpoints.run(_checkpoint)
            except sqlite3.Error as error:
                limited(log, logging.WARNING, "checkpoint", "a checkpoint failed: %s", error)

    async def _finish_drops(self) -> None:
        try:
            await self.media.finish_drops()
        except HubError as error:
            log.warning("what is left of dropped days is removed later: %s", error)

    async def _end(self) -> None:
        """Commit what waits, leave the mark of a clean stop, let go of the files."""
        self._writer.close()
        await self._writer.ended.wait()
        try:
            await self._bridges.writer.run(self._leave)
        except (sqlite3.Error, OSError) as error:
            log.warning("the store could not be left as it should be: %s", error)

    def _leave(self, connection: sqlite3.Connection) -> None:
        self._packs.close()
        save_setting(connection, _CLEAN, "1")


@asynccontextmanager
async def open_store(
    data_dir: Path,
    *,
    now: Callable[[], float],
    on_records: Callable[[Sequence[Record]], None],
    random: Random = os.urandom,
    disk: Disk | None = None,
) -> AsyncIterator[Store]:
    """Open, or create, the store of a data directory.

    `on_records` is called in trio with each group's records right after their commit, in the order
    of `seq`, before anybody who waits for them wakes. Once the block is left (or cancelled), what
    waits is still committed, within seconds. StartFault where the store cannot be used.
    """
    disk = disk or Disk()
    start = await trio.to_thread.run_sync(_prepare, data_dir, random, disk, now())
    failure: Exception | None = None
    async with trio_asyncio.open_loop() as loop, trio.open_nursery() as nursery:
        bridges = await _open_bridges(data_dir / DATABASE, loop)
        store = Store(
            start,
            bridges,
            Packs(data_dir / MEDIA, disk),
            FirmwareFiles(data_dir / FIRMWARE, disk),
            path=data_dir / DATABASE,
            loop=loop,
            now=now,
            on_records=on_records,
            random=random,
        )
        # Not by `nursery.start`: cancelled meanwhile, it would wait for a task that never ends.
        lasting = trio.CancelScope(shield=True)
        nursery.start_soon(store._run, lasting)
        try:
            yield store
        except Exception as error:
            # Carried past the nurseries, which would wrap it in groups of their own.
            failure = error
        finally:
            with trio.move_on_after(_CLOSE_SECONDS, shield=True) as closing_time:
                await store._end()
            if closing_time.cancelled_caught:
                log.error("the disk did not answer: the store could not be left as it should be")
            lasting.cancel()
            await _close(bridges.all())
    if failure is not None:
        raise failure


async def _open_bridges(path: Path, loop: trio_asyncio.TrioEventLoop) -> _Bridges:
    opened: list[Bridge] = []

    async def open_one(writes: bool) -> Bridge:
        opened.append(await open_bridge(path, loop, writes=writes))
        return opened[-1]

    try:
        return _Bridges(
            writer=await open_one(True),
            checkpoints=await open_one(True),
            queries=[await open_one(False) for _ in range(_QUERY_READERS)],
            pictures=[await open_one(False) for _ in range(_PICTURE_READERS)],
        )
    except BaseException:
        await _close(opened)
        raise


async def _close(bridges: Sequence[Bridge]) -> None:
    with trio.move_on_after(_CLOSE_SECONDS, shield=True):
        for bridge in bridges:
            await bridge.aclose()


def _prepare(data_dir: Path, random: Random, disk: Disk, now: float) -> _Start:
    """Everything of a start that needs no trio: directories, schema, recovery, the few rows."""
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        media = data_dir / MEDIA
        media.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
        disk.flush_directory(data_dir)
        _check_not_lost(data_dir / DATABASE, media)
        bring_up_to_date(data_dir / DATABASE, migrations())
        with closing(connect_writer(data_dir / DATABASE)) as connection:
            return _read(connection, data_dir, random, disk, now)
    except OSError as error:
        raise StartFault(
            f"the data directory {data_dir} cannot be used: {error.strerror or error}"
        ) from error
    except sqlite3.DatabaseError as error:
        raise unusable(data_dir / DATABASE, error) from error


def _check_not_lost(database: Path, media: Path) -> None:
    """To a new database every pack would be a leftover, and be removed."""
    if not database.exists() and any(media.glob(f"*{SUFFIX}")):
        raise StartFault(
            f"{database} is missing, and its pictures are there: bring it back, or move the "
            f"folder {media.name} away to start anew"
        )


def _read(
    connection: sqlite3.Connection, data_dir: Path, random: Random, disk: Disk, now: float
) -> _Start:
    settings = load_settings(connection)
    days = load_days(connection)
    devices = load_devices(connection)
    api_keys = load_api_keys(connection)
    firmware = load_firmware(connection)
    last_seq = one(connection, _LAST_SEQ)
    key_path = data_dir / KEY_FILE
    box = _open_box(key_path, settings, bool(devices or api_keys), random, disk)
    if _KEY_CHECK not in settings:
        save_setting(connection, _KEY_CHECK, box.seal(_KEY_CHECK, _KEY_CHECK).hex())
    save_setting(connection, _CLEAN, "0")
    return _Start(
        box=box,
        clean=settings.get(_CLEAN) != "0",
        has_drops=one(connection, _DROPS) != 0,
        damage=[
            *recover(data_dir / MEDIA, disk, {day.day: day.bytes for day in days}),
            *prepare_firmware(data_dir / FIRMWARE, firmware.files, now),
        ],
        last_seq=last_seq if isinstance(last_seq, int) else 0,
        days=days,
        devices=devices,
        device_settings=load_device_settings(connection),
        tokens=load_tokens(connection),
        accepted=load_accepted(connection),
        users=load_users(connection),
        sessions=load_sessions(connection),
        api_keys=api_keys,
        settings=settings,
        firmware=firmware,
        campaigns=load_campaigns(connection),
        downloads=load_downloads(connection),
    )


def _open_box(
    path: Path, settings: dict[str, str], has_secrets: bool, random: Random, disk: Disk
) -> SecretBox:
    """The box of the key file; a new one where nothing was sealed yet."""
    key = read_key(path)
    check = settings.get(_KEY_CHECK)
    if key is None:
        if has_secrets:
            raise StartFault(
                f"{path} is missing: the secrets in {DATABASE} are sealed with it; "
                "bring it back from a backup"
            )
        settings.pop(_KEY_CHECK, None)
        return SecretBox(create_key(path, random, disk), random)
    box = SecretBox(key, random)
    if check is not None and not box.fits(bytes.fromhex(check), _KEY_CHECK):
        raise StartFault(
            f"{path} is not the key of {DATABASE}: bring back the file that belongs to it"
        )
    return box


def _quick_check(connection: sqlite3.Connection) -> str:
    found = one(connection, "PRAGMA quick_check(1)")
    return "" if found == "ok" else str(found)


def _checkpoint(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
