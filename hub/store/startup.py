"""Prepares the store before its threads run: directories, schema, recovery, tables in memory."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from hub.durable_files import write_file
from hub.errors import StartFault
from hub.store.alarms.alarm import Alarm
from hub.store.alarms.plate_lists import PlateList, load_plate_lists
from hub.store.alarms.rows import load_active
from hub.store.alarms.rules import AlarmRule, load_rules
from hub.store.disk import DIRECTORY_MODE, Disk
from hub.store.firmware_files import prepare_firmware
from hub.store.jobs.wishes import load_wish_dids
from hub.store.media.day_index import PackDay, forget_day, load_days
from hub.store.media.held_index import HELD, HeldIndex, HeldRows, load_held
from hub.store.media.lost_parts import LOST, LostPart, decode_lost, encode_lost, find_lost
from hub.store.media.packs import interrupted_drops, remove_dropped
from hub.store.names import DAMAGED_LOG, PUT_BACK, WAL
from hub.store.names import DATABASE as DATABASE
from hub.store.names import FIRMWARE as FIRMWARE
from hub.store.names import KEY_FILE as KEY_FILE
from hub.store.names import MEDIA as MEDIA
from hub.store.people.device_people import DevicePeople, load_device_people
from hub.store.people.groups import CameraGroup, load_groups
from hub.store.records.held_evidence import held_damage
from hub.store.recovery.rebuild import rebuild
from hub.store.recovery.start_check import check_start, remove_unacknowledged, stop_if_unsafe
from hub.store.rows import DamagedRows
from hub.store.sealing import Random, SecretBox, create_key, read_key
from hub.store.sqlite.clean_mark import CLEAN
from hub.store.sqlite.connection import connect_writer
from hub.store.sqlite.log_state import LogState, load_log_state
from hub.store.sqlite.migrate import bring_up_to_date, migrations, refuse_unusable, unusable
from hub.store.sqlite.sql import one
from hub.store.tables.api_keys import SealedApiKey, load_api_keys
from hub.store.tables.campaigns import StoredCampaign, load_campaigns
from hub.store.tables.clock_steps import ClockStep, load_clock_steps
from hub.store.tables.device_capabilities import CapabilityRow, load_capabilities
from hub.store.tables.device_relays import (
    SealedRelay,
    load_relays,
)
from hub.store.tables.device_settings import DeviceSetting, load_device_settings
from hub.store.tables.devices import StoredDevice, load_devices
from hub.store.tables.downloads import Download, load_downloads
from hub.store.tables.firmware import FILES, FirmwareRows, load_firmware
from hub.store.tables.outages import KnownOutages, end_followed, load_outages
from hub.store.tables.reviews import Review, load_reviews
from hub.store.tables.saved_searches import SavedSearch, load_saved_searches
from hub.store.tables.sessions import Session, load_sessions
from hub.store.tables.settings import load_settings, save_setting
from hub.store.tables.tokens import AcceptedConnect, StoredToken, load_accepted, load_tokens
from hub.store.tables.used_signatures import (
    UsedSignature,
    load_used_signatures,
)
from hub.store.tables.user_links import UserLink, load_user_links
from hub.store.tables.users import User, load_users
from hub.store.targets.target import Gap
from hub.store.targets.targets import (
    SealedTarget,
    count_parked,
    load_gaps,
    load_targets,
)

KEY_CHECK = "store.key_check"
log = logging.getLogger(__name__)

_DROPS = "SELECT count(*) FROM dropped_day"
_HAS_SECRETS = """
SELECT EXISTS (SELECT 1 FROM device) OR EXISTS (SELECT 1 FROM api_key)
    OR EXISTS (SELECT 1 FROM target)
"""


class StartState(Struct, frozen=True):
    """The state read at the start. `damage`, `losses`: texts for people.

    `losses`: of pictures. `lost`: what packs have lost. The lists are the tables' rows.
    """

    box: SecretBox
    is_clean: bool
    has_drops: bool
    log_state: LogState
    days: list[PackDay]
    held: HeldRows
    devices: list[StoredDevice]
    device_settings: list[DeviceSetting]
    capabilities: dict[str, tuple[CapabilityRow, ...]]
    relays: list[SealedRelay]
    device_people: list[DevicePeople]
    tokens: list[StoredToken]
    accepted: list[AcceptedConnect]
    users: list[User]
    user_links: list[UserLink]
    sessions: list[Session]
    api_keys: list[SealedApiKey]
    used_signatures: list[UsedSignature]
    settings: dict[str, str]
    clock_steps: list[ClockStep]
    outages: KnownOutages
    saved_searches: list[SavedSearch]
    reviews: list[Review]
    firmware: FirmwareRows
    campaigns: list[StoredCampaign]
    downloads: list[Download]
    camera_groups: list[CameraGroup]
    wish_dids: set[str]
    alarms: list[Alarm]
    alarm_rules: list[AlarmRule]
    plate_lists: list[PlateList]
    targets: list[SealedTarget]
    target_gaps: list[Gap]
    parked_counts: dict[int, int]
    damaged_rows: DamagedRows
    damage: tuple[str, ...] = ()
    losses: tuple[str, ...] = ()
    lost: tuple[LostPart, ...] = ()


def prepare(data_dir: Path, random: Random, disk: Disk, now: float) -> StartState:
    """Prepare a data directory and read its state. Blocks. Raises StartFault if it is unusable."""
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        media = data_dir / MEDIA
        media.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
        (media / HELD).mkdir(mode=DIRECTORY_MODE, exist_ok=True)
        disk.flush_directory(media)
        disk.flush_directory(data_dir)
        refuse_unusable(data_dir / DATABASE, migrations())
        findings = check_start(data_dir)
        if findings.is_log_damaged:
            log.error("%s is damaged: it lost changes that were committed", data_dir / WAL)
            write_file(data_dir / PUT_BACK, DAMAGED_LOG)
        if (mark := _mark(data_dir / PUT_BACK)) is not None and (findings.fault or mark):
            report = rebuild(data_dir, disk, random, changes_lost=mark == DAMAGED_LOG)
            log.warning("took over %d records from the packs", report.records)
            findings = check_start(data_dir)
        stop_if_unsafe(findings)
        # Before anything is written to the database, so that the next start finds the same if
        # this one is interrupted.
        remove_unacknowledged(findings, disk)
        bring_up_to_date(data_dir / DATABASE, migrations())
        with closing(connect_writer(data_dir / DATABASE)) as connection:
            for day in interrupted_drops(media):
                forget_day(connection, day)
            remove_dropped(media)
            state = _load(connection, data_dir, random, now)
        (data_dir / PUT_BACK).unlink(missing_ok=True)
        return replace(state, log_state=state.log_state.after(findings.last_number))
    except OSError as error:
        raise StartFault(
            f"the data directory {data_dir} cannot be used: {error.strerror or error}"
        ) from error
    except sqlite3.DatabaseError as error:
        raise unusable(data_dir / DATABASE, error) from error


def _mark(path: Path) -> bytes | None:
    """Return why this start takes over what the packs hold; None if it does not."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _load(connection: sqlite3.Connection, data_dir: Path, random: Random, now: float) -> StartState:
    damaged_rows = DamagedRows()
    settings = load_settings(connection, damaged_rows)
    box = _open_box(data_dir / KEY_FILE, settings, one(connection, _HAS_SECRETS) == 1, random)
    if KEY_CHECK not in settings:
        save_setting(connection, KEY_CHECK, box.seal(KEY_CHECK, KEY_CHECK).hex())
    end_followed(connection)
    state = load(connection, box, settings, damaged_rows)
    lost = _note_lost(connection, data_dir / MEDIA, state)
    losses = (
        *(part.text for part in lost if not part.is_accepted),
        *held_damage(HeldIndex(data_dir / MEDIA, state.held)),
    )
    damage = prepare_firmware(
        data_dir / FIRMWARE,
        state.firmware.files,
        now,
        are_all_known=not damaged_rows.has(FILES),
    )
    return replace(state, damage=tuple(damage), losses=losses, lost=lost)


def _note_lost(
    connection: sqlite3.Connection, media: Path, state: StartState
) -> tuple[LostPart, ...]:
    """Find out what packs have lost, and remember it."""
    known = decode_lost(state.settings.get(LOST))
    lost = find_lost(media, {day.day: day.bytes for day in state.days}, known)
    if lost != known:
        text = encode_lost(lost)
        save_setting(connection, LOST, text)
        state.settings.pop(LOST, None)
        state.settings.update({} if text is None else {LOST: text})
    return lost


def load(
    connection: sqlite3.Connection,
    box: SecretBox,
    settings: dict[str, str],
    damaged: DamagedRows,
) -> StartState:
    """Read all rows that are held in memory."""
    firmware = load_firmware(connection, damaged)
    return StartState(
        box=box,
        is_clean=settings.get(CLEAN) != "0",
        has_drops=one(connection, _DROPS) != 0,
        log_state=load_log_state(connection),
        days=load_days(connection),
        held=load_held(connection, damaged),
        devices=load_devices(connection, damaged, box),
        device_settings=load_device_settings(connection, damaged),
        capabilities=load_capabilities(connection, damaged),
        relays=load_relays(connection, damaged, box),
        device_people=load_device_people(connection, damaged),
        tokens=load_tokens(connection, damaged),
        accepted=load_accepted(connection, damaged),
        users=load_users(connection, damaged),
        user_links=load_user_links(connection, damaged),
        sessions=load_sessions(connection, damaged),
        api_keys=load_api_keys(connection, damaged, box),
        used_signatures=load_used_signatures(connection, damaged),
        settings=settings,
        clock_steps=load_clock_steps(connection, damaged),
        outages=load_outages(connection, damaged),
        saved_searches=load_saved_searches(connection, damaged),
        reviews=load_reviews(connection, damaged),
        firmware=firmware,
        campaigns=load_campaigns(
            connection, {release.id for release in firmware.releases}, damaged
        ),
        downloads=load_downloads(connection, damaged),
        camera_groups=load_groups(connection, damaged),
        wish_dids=load_wish_dids(connection),
        alarms=load_active(connection, damaged),
        alarm_rules=load_rules(connection, damaged),
        plate_lists=load_plate_lists(connection, damaged),
        targets=load_targets(connection, damaged, box),
        target_gaps=load_gaps(connection, damaged),
        parked_counts=count_parked(connection),
        damaged_rows=damaged,
    )


def _open_box(path: Path, settings: dict[str, str], has_secrets: bool, random: Random) -> SecretBox:
    """Open the key file, or create it if nothing was sealed yet."""
    key = read_key(path)
    check = settings.get(KEY_CHECK)
    if key is None:
        if has_secrets:
            raise StartFault(
                f"{path} is missing: the secrets in {DATABASE} are sealed with it; "
                "restore it from a backup"
            )
        settings.pop(KEY_CHECK, None)
        return SecretBox(create_key(path, random), random)
    box = SecretBox(key, random)
    sealed = None if check is None else _unhexed(check)
    if sealed is None:
        settings.pop(KEY_CHECK, None)
    elif not box.fits(sealed, KEY_CHECK):
        raise StartFault(
            f"{path} is not the key of {DATABASE}: restore the file that belongs to it"
        )
    return box


def _unhexed(text: str) -> bytes | None:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return None  # it is damaged, and written again
