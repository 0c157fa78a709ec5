"""Prepares a data directory at the start: folders, schema, recovery, tables in memory."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from hub.durable_files import write_file
from hub.errors import StartFault
from hub.store.all_tables import load_tables
from hub.store.disk import DIRECTORY_MODE, Disk
from hub.store.firmware_files import prepare_firmware
from hub.store.media.day_index import PackDay, forget_day, load_days
from hub.store.media.held_index import HELD, HeldIndex, HeldRows, load_held
from hub.store.media.lost_parts import LOST, LostPart, decode_lost, encode_lost, find_lost
from hub.store.media.packs import interrupted_drops, remove_dropped
from hub.store.names import DAMAGED_LOG, DATABASE, FIRMWARE, KEY_FILE, MEDIA, PUT_BACK, WAL
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
from hub.store.tables.firmware import FILES
from hub.store.tables.outages import end_followed
from hub.store.tables.settings import load_settings, save_setting
from hub.store.tables.table import RowSource

KEY_CHECK = "store.key_check"
log = logging.getLogger(__name__)

_DROPS = "SELECT count(*) FROM dropped_day"
_HAS_SECRETS = """
SELECT EXISTS (SELECT 1 FROM device) OR EXISTS (SELECT 1 FROM api_key)
    OR EXISTS (SELECT 1 FROM target)
"""


class StartState(Struct, frozen=True):
    """What the start has read.

    `tables`: what each table keeps in memory, by its name. `damage`: damaged firmware files;
    `losses`: lost pictures; both as sentences for people. `lost`: the same parts of packs as data.
    """

    box: SecretBox
    is_clean: bool
    has_drops: bool
    log_state: LogState
    days: list[PackDay]
    held: HeldRows
    tables: Mapping[str, Any]
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
    """Return why this start must rebuild records from the packs; None if it need not."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _load(connection: sqlite3.Connection, data_dir: Path, random: Random, now: float) -> StartState:
    settings = load_settings(connection, DamagedRows(is_told=False))
    box = _open_box(data_dir / KEY_FILE, settings, one(connection, _HAS_SECRETS) == 1, random)
    if KEY_CHECK not in settings:
        save_setting(connection, KEY_CHECK, box.seal(KEY_CHECK, KEY_CHECK).hex())
    end_followed(connection)
    lost = _note_lost(connection, data_dir / MEDIA, settings)
    state = load(connection, box)
    losses = (
        *(part.text for part in lost if not part.is_accepted),
        *held_damage(HeldIndex(data_dir / MEDIA, state.held)),
    )
    damage = prepare_firmware(
        data_dir / FIRMWARE,
        state.tables["firmware"].files,
        now,
        are_all_known=not state.damaged_rows.has(FILES),
    )
    return replace(state, damage=tuple(damage), losses=losses, lost=lost)


def _note_lost(
    connection: sqlite3.Connection, media: Path, settings: Mapping[str, str]
) -> tuple[LostPart, ...]:
    """Find pictures that are missing from the packs, and save what was found."""
    known = decode_lost(settings.get(LOST))
    lost = find_lost(media, {day.day: day.bytes for day in load_days(connection)}, known)
    if lost != known:
        save_setting(connection, LOST, encode_lost(lost))
    return lost


def load(connection: sqlite3.Connection, box: SecretBox) -> StartState:
    """Read all rows that are held in memory."""
    damaged = DamagedRows()
    tables = load_tables(RowSource(connection, damaged, box))
    return StartState(
        box=box,
        is_clean=tables["settings"].get(CLEAN) != "0",
        has_drops=one(connection, _DROPS) != 0,
        log_state=load_log_state(connection),
        days=load_days(connection),
        held=load_held(connection, damaged),
        tables=tables,
        damaged_rows=damaged,
    )


def _open_box(path: Path, settings: dict[str, str], has_secrets: bool, random: Random) -> SecretBox:
    """Open the key file; create it if nothing has been encrypted yet. Raises StartFault."""
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
