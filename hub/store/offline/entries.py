"""Decodes the rows of all tables beside that of the records."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

from hub.errors import StartFault
from hub.store.alarms.plate_lists import load_plate_lists
from hub.store.alarms.rows import check_alarms
from hub.store.alarms.rules import load_rules
from hub.store.jobs.jobs import check_jobs
from hub.store.jobs.wishes import check_wishes
from hub.store.media.held_index import load_held
from hub.store.names import KEY_FILE
from hub.store.offline.inspection import key_fits, opened
from hub.store.people.device_people import check_unknown_people, load_device_people
from hub.store.people.groups import load_groups
from hub.store.people.holdings import check_holdings
from hub.store.people.person_rows import check_people
from hub.store.records.retention import check_dropped_days
from hub.store.rows import DamagedRows
from hub.store.sealing import SecretBox, read_key
from hub.store.sqlite.sql import one
from hub.store.tables.api_keys import load_api_keys
from hub.store.tables.audit import check_audit
from hub.store.tables.campaigns import load_campaigns
from hub.store.tables.clock_steps import load_clock_steps
from hub.store.tables.device_capabilities import load_capabilities
from hub.store.tables.device_relays import load_relays
from hub.store.tables.device_settings import load_device_settings
from hub.store.tables.devices import load_devices
from hub.store.tables.downloads import load_downloads
from hub.store.tables.erasures import check_erasures
from hub.store.tables.firmware import load_firmware
from hub.store.tables.holds import check_holds
from hub.store.tables.outages import check_outages
from hub.store.tables.reviews import load_reviews
from hub.store.tables.saved_searches import load_saved_searches
from hub.store.tables.sessions import load_sessions
from hub.store.tables.settings import load_settings
from hub.store.tables.tokens import load_accepted, load_tokens
from hub.store.tables.used_signatures import load_used_signatures
from hub.store.tables.user_links import load_user_links
from hub.store.tables.users import load_users
from hub.store.targets.erased import check_erased
from hub.store.targets.targets import (
    check_parked,
    load_gaps,
    load_targets,
)

#: Each decodes the rows of some tables.
READERS: tuple[Callable[[sqlite3.Connection, DamagedRows], object], ...] = (
    load_settings,
    load_users,
    load_user_links,
    load_sessions,
    load_used_signatures,
    load_device_settings,
    load_capabilities,
    load_tokens,
    load_accepted,
    load_downloads,
    load_clock_steps,
    check_outages,
    load_saved_searches,
    load_reviews,
    load_held,
    load_device_people,
    check_unknown_people,
    check_holdings,
    check_dropped_days,
    check_audit,
    check_holds,
    check_erasures,
    check_alarms,
    load_rules,
    load_plate_lists,
    check_jobs,
    check_people,
    load_groups,
    check_wishes,
    load_gaps,
    check_parked,
    check_erased,
)
_TABLES = """
SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'
    AND name NOT IN (
        'record', 'record_log', 'record_count', 'record_total', 'record_attributes', 'upload',
        'start', 'day', 'span', 'term', 'alarm_change'
    )
"""


def check_entries(data_dir: Path) -> tuple[int, DamagedRows]:
    """Decode all rows but records; return how many there are, and those that are damaged.

    Raises sqlite3.Error.
    """
    damaged = DamagedRows(is_told=False)
    box = _box(data_dir)
    with opened(data_dir) as connection:
        for read in READERS:
            read(connection, damaged)
        releases = load_firmware(connection, damaged).releases
        load_campaigns(connection, {release.id for release in releases}, damaged)
        for read_sealed in (load_devices, load_api_keys, load_targets, load_relays):
            read_sealed(connection, damaged, box)
        tables = [name for (name,) in connection.execute(_TABLES)]
        counts = [one(connection, f"SELECT count(*) FROM {name}") for name in tables]
    return sum(count for count in counts if isinstance(count, int)), damaged


def _box(data_dir: Path) -> SecretBox | None:
    """Return what opens the secrets; None without the right key, which another check tells."""
    try:
        key = read_key(data_dir / KEY_FILE)
    except StartFault:
        return None
    return SecretBox(key, bytes) if key is not None and key_fits(data_dir, key) else None
