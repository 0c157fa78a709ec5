"""Databases that each schema's own code wrote are migrated, and read back completely.

`tests/store/databases/write.py` says how they are made.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from hub.store.commit.record_rows import indexed_uuid
from hub.store.db import Store
from hub.store.health import StoreHealth
from hub.store.records.record_filter import RecordFilter
from hub.store.reports.day_parts import FORM
from hub.store.sqlite.sql import one
from hub.store.tables.audit import AuditEntry
from hub.store.tables.reviews import Review
from hub.wire.uploads.records import AccessDetail, Record
from tests.store.databases import SCHEMAS, unpack
from tests.store.databases import write as written
from tests.support.clock import FrozenClock
from tests.support.stores import batch, is_whole, opened


@pytest.fixture(params=SCHEMAS)
def schema(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
async def store(schema: int, tmp_path: Path, clock: FrozenClock) -> AsyncIterator[Store]:
    unpack(tmp_path, schema)
    async with opened(tmp_path, clock) as store:
        yield store


def test_a_database_is_what_its_archive_says(schema: int, tmp_path: Path) -> None:
    unpack(tmp_path, schema)
    with closing(sqlite3.connect(tmp_path / "hub.sqlite")) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (schema,)


async def test_the_migrated_database_is_sound_and_keeps_a_copy(
    schema: int, store: Store, tmp_path: Path
) -> None:
    assert await store.check() == ""
    assert store.clean_start
    assert store.health == StoreHealth()
    copies = [name for name in os.listdir(tmp_path) if ".before-" in name]
    is_newest = schema == SCHEMAS[-1]
    assert copies == ([] if is_newest else [f"hub.sqlite.before-{schema + 1:04d}"])


async def test_records_and_pictures_are_read_back(store: Store) -> None:
    page = await store.records.page(RecordFilter())
    assert [record.seq for record in page.items] == [1, 2, 3, 4, 5]
    for record, upload in zip(page.items[:4], written.UPLOADS, strict=False):
        assert (record.did, record.sn, record.device_name) == ("1", "SN1", "North gate")
        assert record.occurred_at == upload.occurred_at
        assert record.received_at == written.NOW * 1000
        assert await is_whole(store, record.seq, upload)
    assert page.items[4].detail == AccessDetail(of=4)
    assert await store.pictures.read(5, "face") is not None
    (day,) = store.retention.days()
    assert (day.day, day.records) == (written.DAY, 5)


async def test_records_are_found(store: Store) -> None:
    for filter, seqs in (
        (RecordFilter(name="wei"), [1]),
        (RecordFilter(plate="a123"), [3]),
        (RecordFilter(uuid="p1"), [1, 4]),
        (RecordFilter(category=0), [2]),
        (RecordFilter(since=written.NOW * 1000 - 2), [1, 2]),
        (RecordFilter(attributes=(("gender", ("male",)),)), [1]),
        (RecordFilter(attributes=(("car_type", ("truck",)), ("plate_colour", ("blue",)))), [3]),
        (RecordFilter(attributes=(("gender", ("female",)),)), []),
    ):
        page = await store.records.page(filter)
        assert [record.seq for record in page.items] == seqs, filter


async def test_the_log_goes_on_where_it_ended(store: Store, clock: FrozenClock) -> None:
    repeat = await store.records.append(written.batch(0, written.FACE))
    assert (repeat.seqs, repeat.repeated) == ((1,), True)
    new = await store.records.append(batch(clock, 1, did="1"))
    assert (new.seqs, new.repeated) == ((6,), False)
    assert isinstance(await store.records.get(6), Record)


async def test_devices_and_their_secrets_are_read_back(schema: int, store: Store) -> None:
    first, second, *_ = store.devices.all()
    assert (first.did, first.sn, first.name, first.key) == ("1", "SN1", "North gate", None)
    assert first.enabled
    assert first.clock_trusted
    reported = replace(written.NOTE, address=written.ADDRESS if schema >= 13 else None)
    for name in reported.__struct_fields__:
        assert getattr(first, name) == (getattr(reported, name) or None)
    assert (second.did, second.sn, second.key) == ("2", "SN2", "PEM")
    assert not second.enabled
    assert not second.clock_trusted
    assert (second.init_outcome, second.sign_form) == ("taken", "md5")
    assert store.devices.secrets("1").code == "CODE0001"
    assert len(store.devices.secrets("2").secret) == 32
    key = (written.PREVIOUS_KEY, written.PREVIOUS_KEY_UNTIL) if schema >= 2 else (None, None)
    assert (first.previous_key, first.previous_key_until) == key


async def test_unsigned_devices_and_capabilities_are_read_back(schema: int, store: Store) -> None:
    first, _, *unsigned = store.devices.all()
    assert first.connects == "signed"
    if schema < 26:
        assert (unsigned, store.capabilities.of("1")) == ([], ())
        return
    (device,) = unsigned
    pins, mark = written.UNSIGNED.pins, written.SUSPICION
    assert pins is not None
    assert (device.sn, device.connects) == ("SN3", "unsigned")
    for wanted in (pins, mark):
        for name in wanted.__struct_fields__:
            value = getattr(wanted, name)
            assert value is UNSET or getattr(device, name) == value, name
    assert store.capabilities.of("1") == (written.CAPABILITY,)


async def test_relays_and_their_passwords_are_read_back(schema: int, store: Store) -> None:
    has_them = schema >= 27
    assert store.relays.get("1") == (written.RELAY if has_them else None)
    assert store.relays.password("1") == (written.RELAY_PASSWORD if has_them else None)


async def test_tokens_and_used_timestamps_are_read_back(store: Store) -> None:
    row = store.tokens.holder(written.TOKEN_HASH)
    assert row is not None
    assert (row.did, row.expires_at) == ("1", written.EXPIRES_AT)
    assert store.tokens.was_accepted(written.ACCEPTED.sn, written.ACCEPTED.ts_text)


async def test_steps_of_the_clock_are_read_back(schema: int, store: Store) -> None:
    assert store.clock_steps.all() == ((written.CLOCK_STEP,) if schema >= 5 else ())


async def test_outages_are_read_back(schema: int, store: Store) -> None:
    has_them = schema >= 17
    assert store.outages.known.lasting == ((written.OUTAGE,) if has_them else ())
    assert await store.outages.runs() == ([written.HUB_RUN] if has_them else [])


async def test_saved_searches_are_read_back(schema: int, store: Store) -> None:
    known = [(one.id, one.name, one.query) for one in store.saved_searches.all()]
    saved = written.SAVED_SEARCH
    assert known == ([(1, saved.name, saved.query)] if schema >= 18 else [])


async def test_reviews_are_read_back(schema: int, store: Store) -> None:
    known = store.reviews.get(written.USER.name)
    assert known == (written.REVIEW if schema >= 21 else Review(name=written.USER.name))


async def test_summaries_of_days_are_read_back(schema: int, store: Store) -> None:
    known = await store.day_summaries.all()
    parts = await store.read(lambda c: one(c, "SELECT count(*) FROM report_part"))
    # Of the first form: not read any more, and made again.
    count, form = (5, FORM) if schema >= 25 else (3, 1)
    assert [(day.since, day.until, day.parts, day.form) for day in known] == (
        [(*written.SUMMARISED[:2], count, form)] if schema >= 22 else []
    )
    assert parts == (count if schema >= 22 else 0)
    assert store.damaged_rows.counts() == {}


async def test_targets_are_read_back(schema: int, store: Store) -> None:
    found = store.targets.all()
    if schema < 23:
        assert found == ()
        return
    (target,) = found
    assert (target.name, target.options, target.cursor) == (
        *(written.TARGET.name, written.TARGET.options, written.TARGET.cursor),
    )
    assert store.targets.secrets(target.id) == written.TARGET_SECRETS
    parked = await store.targets.parked(target.id)
    assert {(one.seq, one.reason) for one in parked} == {(7, "it answered 422")}
    assert {one.kind for one in parked} == {"record", *(["alarm"] if schema >= 30 else [])}
    assert target.generation == 1
    assert [(gap.first_seq, gap.last_seq) for gap in store.targets.gaps(target.id)] == [(1, 3)]
    assert store.damaged_rows.counts() == {}


async def test_erased_records_are_read_back(schema: int, store: Store) -> None:
    page = await store.erased.after(0, 9)
    found = [] if page is None else [(one.log, one.seq) for one in page.items]
    assert found == ([written.ERASED] if schema >= 24 else [])
    assert await store.erased.last_number() == len(found)
    assert store.damaged_rows.counts() == {}


async def test_starts_are_read_back(schema: int, store: Store) -> None:
    rows = await store.read(
        lambda c: c.execute("SELECT started_at, ended_at FROM start").fetchall()
    )
    expected = [(written.STARTED_AT, written.NOW * 1000)] if schema >= 14 else []
    assert rows == expected


async def test_holds_and_held_evidence_are_read_back(schema: int, store: Store) -> None:
    has_holds = schema >= 7
    holds = await store.holds.newest()
    assert [(hold.reason, hold.until, hold.records) for hold in holds] == (
        [(written.HOLD.reason, written.HOLD.until, 2)] if has_holds else []
    )
    assert await store.holds.seqs(1) == (written.HELD_SEQS if has_holds else ())
    assert store.evidence.use().records == (2 if has_holds else 0)


async def test_erasures_are_read_back(schema: int, store: Store) -> None:
    found = [(one.created_by, one.report) for one in await store.erasures.newest()]
    assert found == ([("user alice", written.ERASURE_REPORT)] if schema >= 8 else [])


async def test_users_sessions_keys_settings_and_audit_are_read_back(
    schema: int, store: Store
) -> None:
    has_accounts = schema >= 4
    assert store.users.all() == (written.USER, *((written.GONE_USER,) if has_accounts else ()))
    links = ((written.USER_LINK,) if has_accounts else ()) + (
        (written.MADE_LINK,) if schema >= 11 else ()
    )
    assert store.user_links.all() == links
    screens = (written.SCREEN_SESSION,) if schema >= 19 else ()
    assert store.sessions.of_user("alice") == (written.SESSION, *screens)
    used_at = written.NOW * 1000 + 7 if has_accounts else None
    assert store.api_keys.all() == (replace(written.API_KEY, last_used_at=used_at),)
    assert store.api_keys.secret("APP1") == written.API_SECRET
    assert store.used_signatures.was_used(written.USED_SIGNATURE) == (schema >= 10)
    for key, value in written.SETTINGS.items():
        assert store.settings.get(key) == value
    assert await store.audit.newest(None, 10) == (AuditEntry(1, *written.AUDIT),)


async def test_device_settings_and_pictures_are_read_back(schema: int, store: Store) -> None:
    has_them = schema >= 2
    setting = store.device_settings.get("1", "face")
    assert setting == (written.SETTING if has_them else None)
    picture = await store.device_pictures.get("1", written.PICTURE_PATH)
    assert picture == (written.PICTURE if has_them else None)


async def test_firmware_and_campaigns_are_read_back(schema: int, store: Store) -> None:
    if schema < 3:
        assert (store.firmware.files(), store.firmware.releases()) == ((), ())
        assert (store.campaigns.all(), store.downloads.all()) == ((), ())
        return
    assert store.firmware.files() == (written.FILE,)
    assert await store.firmware_files.read(written.FILE.sha256, 0, 1000) == written.FIRMWARE
    (release,) = store.firmware.releases()
    assert (release.ver_code, release.ver_name) == (7, "v7")
    assert (release.reports, release.least) == (written.RELEASE.reports, written.RELEASE.least)
    assert [part.sha256 for part in release.components] == [written.FILE.sha256]
    (campaign,) = store.campaigns.all()
    assert (campaign.release_id, campaign.desired_state) == (release.id, "running")
    assert campaign.targets == (written.DONE, written.TARGETS[1])
    assert campaign.proved_at == written.DONE.done_at
    (download,) = store.downloads.all()
    assert (download.did, download.sha256, download.size) == ("1", written.FILE.sha256, 800)


async def test_the_writer_of_this_versions_database_fills_every_table(
    tmp_path: Path, clock: FrozenClock
) -> None:
    async with opened(tmp_path, clock) as store:
        await written.fill(store)
        tables = await store.read(_tables)
    empty = {name for name, count in tables.items() if count == 0}
    assert empty == {"dropped_day"}


def _tables(connection: sqlite3.Connection) -> dict[str, int]:
    names = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    return {
        name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for (name,) in names
    }


async def test_numbers_of_people_get_one_form(tmp_path: Path, clock: FrozenClock) -> None:
    """Versions before schema 29 indexed them as cameras wrote them. A rebuild gives the same."""
    sent = {
        "0001000123": "1000123",
        "1000123": "1000123",
        " 12\n": "12",
        "\u30000007\xa0": "7",
        "000": "0",
        "9223372036854775808": "9223372036854775808",
        "00000000000000000000000000000000000001": "1",
        "00AB": "00AB",
        " x-07 ": "x-07",
        "٠٧": "٠٧",
        " ": None,
    }
    unpack(tmp_path, 28)
    with closing(sqlite3.connect(tmp_path / "hub.sqlite")) as connection:
        columns = "kind, did, sn, device_name, occurred_at, received_at, detail, extra, images"
        row = f"INSERT INTO record ({columns}, uuid) SELECT {columns}, ? FROM record WHERE seq = 2"
        connection.executemany(row, [(uuid,) for uuid in sent])
        connection.commit()
    query = "SELECT uuid FROM record WHERE seq > 5 ORDER BY seq"
    async with opened(tmp_path, clock) as store:
        found = await store.read(lambda c: c.execute(query).fetchall())
    assert [uuid for (uuid,) in found] == list(sent.values())
    assert [indexed_uuid(uuid) or None for uuid in sent] == list(sent.values())


async def test_days_on_which_strangers_had_names_are_summarised_again(
    tmp_path: Path, clock: FrozenClock
) -> None:
    unpack(tmp_path, 28)
    day = written.SUMMARISED[:2]
    with closing(sqlite3.connect(tmp_path / "hub.sqlite")) as connection:
        connection.execute("UPDATE record SET uuid = '0' WHERE seq = 2")
        connection.execute("INSERT INTO report_day VALUES (?, ?, 5, 0, 0, 2)", day)
        connection.commit()
    async with opened(tmp_path, clock) as store:
        assert await store.day_summaries.all() == []


async def test_the_audit_log_keeps_no_number_of_a_person(
    tmp_path: Path, clock: FrozenClock
) -> None:
    """As versions before schema 12 wrote it."""
    unpack(tmp_path, 11)
    with closing(sqlite3.connect(tmp_path / "hub.sqlite")) as connection:
        for action, target in (
            ("device.person_add", "1 987654321"),
            ("device.person_delete", "2 987654321"),
            ("device.change", "1 name"),
        ):
            connection.execute(
                "INSERT INTO audit (at, who, action, target, address) VALUES (0, 'a', ?, ?, '')",
                (action, target),
            )
        connection.commit()
    async with opened(tmp_path, clock) as store:
        found = [(one.action, one.target) for one in await store.audit.newest(None, 3)]
    assert found == [
        ("device.change", "1 name"),
        ("device.person_delete", "2"),
        ("device.person_add", "1"),
    ]
    assert b"987654321" not in (tmp_path / "hub.sqlite").read_bytes()


@pytest.mark.parametrize("schema", [15], indirect=True)
async def test_jobs_and_settings_that_wait_are_read_back(store: Store) -> None:
    settings, imported = await store.jobs.newest()
    assert (imported.kind, imported.state, imported.done) == ("import", "interrupted", 1)
    assert await store.jobs.items(imported.id) == (written.JOB_ITEM,)
    assert (settings.kind, settings.state, settings.total) == ("settings", "running", 1)
    assert await store.jobs.attachment(settings.id) == '"photo"'
    assert store.wishes.dids == {"1"}
    assert await store.wishes.of_device("1") == [written.WISH]
