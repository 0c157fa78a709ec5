"""The nightly backup of a hub with a real store, and the backup in one file for download."""

from __future__ import annotations

import errno
import io
import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
from msgspec.structs import replace

from hub.config import BackupConfig, Config, StoreConfig
from hub.errors import BackupFault, NoSuchResource, TooManyRequests
from hub.services.audit import Actor
from hub.services.backups import backups as module
from hub.services.backups import permits
from hub.services.backups.nightly import YIELD_BYTES, look, make_room
from hub.services.backups.views import restored_setting
from hub.services.clock.clock import SiteClock
from hub.store.backup.archive import ArchiveSink, read_archive
from hub.store.backup.generations import Folder
from hub.store.backup.gone_days import KeptLog
from hub.store.backup.pace import Pace
from hub.store.backup.restore import opened_source
from tests.support.bad_sectors import BadSectors
from tests.support.clock import FrozenClock
from tests.support.hub_services import HubServices, open_hub_services
from tests.support.waiting import until

ADMIN = Actor("user anna", "10.0.0.1")
DAY = 86_400


@pytest.fixture
async def hub(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[HubServices]:
    config = Config(backup=BackupConfig(folder=str(tmp_path / "second disk" / "backups")))
    async with open_hub_services(tmp_path / "data", clock, config) as hub:
        yield hub


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> BadSectors:
    return BadSectors(monkeypatch)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look for due backups all the time."""
    monkeypatch.setattr(module, "_FIRST_SECONDS", 0)
    monkeypatch.setattr(module, "_CHECK_SECONDS", 0.01)


async def wait_until_made(hub: HubServices) -> None:
    backups = hub.services.upkeep.backups
    await until(lambda: backups.last_complete is not None and backups.running is None)


async def back_up(hub: HubServices) -> None:
    """Back up once, as the nightly one does."""
    await hub.services.upkeep.backups._back_up()


async def test_a_backup_is_made_by_itself_when_none_is_younger_than_a_night(
    hub: HubServices, quick: None, nursery: trio.Nursery
) -> None:
    await hub.add_faces("Ann", "Bo", pictures=True)
    backups = hub.services.upkeep.backups
    assert (backups.list(), backups.last_complete) == ([], None)
    await nursery.start(backups.run)
    await wait_until_made(hub)
    (made,) = backups.list()
    assert made == backups.last_complete
    assert made.is_complete
    assert (made.problem, made.has_pictures, made.records) == (None, True, 2)
    assert backups.last_failure is None
    nursery.cancel_scope.cancel()


async def test_a_look_at_the_folder_hides_no_backup_that_was_made_meanwhile(
    hub: HubServices, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_answer = threading.Event()

    def look_slowly(folder: Path, data_dir: Path) -> Folder:
        found = look(folder, data_dir)
        may_answer.wait(60)
        return found

    monkeypatch.setattr(module, "look", look_slowly)
    async with trio.open_nursery() as inner:
        inner.start_soon(hub.services.upkeep.backups.look)
        await until(lambda: hub.services.upkeep.backups._seen is not None)
        await back_up(hub)
        may_answer.set()
    assert len(hub.services.upkeep.backups.list()) == 1


async def test_back_up_now_is_audited_and_only_one_runs(
    hub: HubServices, nursery: trio.Nursery
) -> None:
    backups = hub.services.upkeep.backups
    await nursery.start(backups.run)
    await backups.run_now(ADMIN)
    await wait_until_made(hub)
    assert len(backups.list()) == 1
    entries = await hub.services.core.audit.oldest()
    assert [(one.who, one.action) for one in entries] == [("user anna", "backup.run")]
    token = await backups.permit_file(ADMIN, pictures=True, passphrase=None)
    async with backups.open_file(ADMIN, token):
        with pytest.raises(TooManyRequests):
            await backups.run_now(ADMIN)
    nursery.cancel_scope.cancel()


async def test_the_backups_are_known_again_after_a_start(
    hub: HubServices, nursery: trio.Nursery, clock: FrozenClock
) -> None:
    await back_up(hub)
    backups = hub.services.upkeep.backups
    backups._found = module.Folder()
    await nursery.start(backups.run)
    await until(lambda: backups.last_complete is not None)
    assert backups.list()[0].made_at == clock()
    nursery.cancel_scope.cancel()


async def test_a_folder_that_cannot_be_written_is_said_in_words_and_tried_again_later(
    hub: HubServices, clock: FrozenClock
) -> None:
    backups = hub.services.upkeep.backups
    backups.folder.parent.write_text("the second disk is not there")
    await back_up(hub)
    failure = backups.last_failure
    assert failure is not None
    assert failure.at == clock()
    assert str(failure.reason) == f"{backups.folder}: Not a directory"
    assert backups.running is None
    assert not backups._is_due()
    backups.folder.parent.unlink()
    await back_up(hub)
    assert backups.last_failure is None
    assert backups.last_complete is not None


async def test_a_folder_that_cannot_be_used_is_noticed_before_a_backup_fails(
    hub: HubServices,
) -> None:
    backups = hub.services.upkeep.backups
    await backups.look()
    assert backups.folder_problem is None
    await back_up(hub)
    backups._next_attempt = trio.current_time() + 3600
    backups._found = module.Folder()
    away = backups.folder.parent.rename(backups.folder.parent.with_name("away"))
    backups.folder.parent.write_text("the second disk is not there")
    await backups.look()
    assert str(backups.folder_problem) == f"{backups.folder.parent}: Not a directory"
    assert backups.last_failure is None
    backups.folder.parent.unlink()
    away.rename(backups.folder.parent)
    await backups.look()
    assert backups.folder_problem is None
    assert backups.last_complete is not None
    assert backups._next_attempt <= trio.current_time()


async def test_a_second_disk_that_is_not_connected_is_not_taken_for_the_first(
    hub: HubServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its mount point is then a folder of the hub's own disk."""
    backups = hub.services.upkeep.backups
    with monkeypatch.context() as elsewhere:
        name = "hub.services.backups.nightly.is_on_same_disk"
        elsewhere.setattr(name, lambda folder, data: False)
        await back_up(hub)
        assert backups.last_failure is None
    await back_up(hub)
    assert backups.last_failure is not None
    assert str(backups.last_failure.reason) == f"the disk of {backups.folder} is not connected"
    await backups.look()
    assert str(backups.folder_problem) == "its disk is not connected"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EIO, errno.ESTALE])
async def test_a_disk_that_fails_does_not_end_the_hub(
    number: int, hub: HubServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*args: object, **kwargs: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("hub.services.backups.nightly.make_generation", fails)
    await back_up(hub)
    assert hub.services.upkeep.backups.last_failure is not None
    assert os.strerror(number) in str(hub.services.upkeep.backups.last_failure.reason)
    assert not (hub.services.core.data_dir / "snapshots").exists()


async def test_an_incomplete_backup_is_made_and_told_but_is_no_good_one(
    hub: HubServices, disk: BadSectors
) -> None:
    await hub.add_faces("Ann", pictures=True)
    (pack,) = (hub.services.upkeep.backups._data_dir / "media").glob("*.pack")
    for path in (pack, hub.services.upkeep.backups.folder / "packs" / pack.name):
        disk.parts[path] = [(0, 10)]
    await back_up(hub)
    backups = hub.services.upkeep.backups
    assert backups.last_failure is None
    assert backups.last_complete is None
    assert backups.last_incomplete is not None
    assert backups.last_incomplete.unread_bytes == pack.stat().st_size
    assert backups.last_incomplete.unread_records == 1
    disk.parts.clear()
    await back_up(hub)
    assert backups.last_incomplete is None


async def test_after_two_days_without_a_good_backup_it_is_overdue(
    hub: HubServices, clock: FrozenClock, nursery: trio.Nursery
) -> None:
    backups = hub.services.upkeep.backups
    await nursery.start(backups.run)
    assert backups.overdue_days() is None
    clock.advance(2 * DAY)
    assert backups.overdue_days() == 2
    await back_up(hub)
    assert backups.overdue_days() is None
    clock.advance(3.5 * DAY)
    assert backups.overdue_days() == 3
    nursery.cancel_scope.cancel()


async def test_a_night_under_a_wrong_clock_is_no_night_without_a_backup(
    hub: HubServices, clock: FrozenClock, nursery: trio.Nursery
) -> None:
    backups, site_clock = hub.services.upkeep.backups, hub.services.core.clock
    await nursery.start(backups.run)
    await back_up(hub)
    for years in (1, -1):
        wrong = clock() + years * 365 * DAY
        site_clock._now = lambda wrong=wrong: wrong
        assert site_clock.is_doubted
        assert backups.overdue_days() is None
        assert backups.last_complete is not None
        site_clock._now = clock
        assert not site_clock.is_doubted
    nursery.cancel_scope.cancel()


async def test_a_first_day_under_a_clock_ahead_does_not_silence_the_alarm(
    hub: HubServices, clock: FrozenClock, nursery: trio.Nursery
) -> None:
    await hub.store.settings.set("backup.since", str(clock() + 365 * DAY))
    await nursery.start(hub.services.upkeep.backups.run)
    clock.advance(3 * DAY)
    assert hub.services.upkeep.backups.overdue_days() == 3
    nursery.cancel_scope.cancel()


async def test_old_generations_stay_while_the_clock_is_not_trusted(
    hub: HubServices, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    backups = hub.services.upkeep.backups
    monkeypatch.setattr(SiteClock, "is_trusted", False)
    for _ in range(10):
        await back_up(hub)
        clock.advance(DAY)
    assert len(backups.list()) == 10
    monkeypatch.setattr(SiteClock, "is_trusted", True)
    await back_up(hub)
    assert len(backups.list()) < 10


async def test_the_folder_stays_within_its_limit_but_the_last_one_stays(
    hub: HubServices, clock: FrozenClock
) -> None:
    backups = hub.services.upkeep.backups
    settings = hub.services.core.settings
    settings.current = replace(settings.current, backup=BackupConfig(max_gb=1e-9))
    for _ in range(3):
        await back_up(hub)
        clock.advance(DAY)
    assert len(backups.list()) == 1
    assert backups.last_failure is None


async def test_a_backup_whose_head_is_not_read_afterwards_did_not_fail(
    hub: HubServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.store.backup.generations._MAX_BYTES_OF_HEADS", 10)
    backups = hub.services.upkeep.backups
    await back_up(hub)
    assert backups.last_failure is None
    (made,) = backups.list()
    assert "too many backups" in str(made.problem)
    assert backups.last_complete is None
    backups._next_attempt = 0
    assert not backups._is_due()


async def test_backups_on_the_disk_of_the_hub_make_room_before_records_go(
    hub: HubServices, clock: FrozenClock
) -> None:
    backups = hub.services.upkeep.backups
    for _ in range(2):
        await back_up(hub)
        clock.advance(DAY)
    plan, kept = backups._plan(), KeptLog("", "")
    assert make_room(plan, plan.min_free + YIELD_BYTES, kept) is None
    given = make_room(plan, plan.min_free + YIELD_BYTES - 1, kept)
    assert given is not None
    assert len(given.folder.generations) == 1
    assert make_room(plan, 0, kept) is None


async def test_the_last_backup_on_the_disk_of_the_hub_does_not_keep_the_room_of_dropped_days(
    hub: HubServices, clock: FrozenClock
) -> None:
    """A full disk drops the oldest day; the last backup has its pictures as well."""
    days = []
    for name in ("Ann", "Bo", "Cy"):
        await hub.add_faces(name, pictures=True)
        days.append(hub.store.retention.days()[-1].day)
        clock.advance(DAY)
    await back_up(hub)
    await hub.store.retention.forget_day(days[0])
    plan = hub.services.upkeep.backups._plan()
    packs = [plan.folder / "packs" / f"{day}.pack" for day in days]

    def emptied() -> list[bool]:
        return [path.stat().st_size == 0 for path in packs]

    log_id = hub.store.log_id
    assert make_room(plan, plan.min_free + YIELD_BYTES, KeptLog(log_id, days[1])) is None
    # Of another log, the backup may have what nothing else has; so it may of days in between.
    assert make_room(plan, 0, KeptLog("another", days[1])) is None
    assert make_room(plan, 0, KeptLog(log_id, days[0])) is None
    assert emptied() == [False] * 3
    given = make_room(plan, 0, KeptLog(log_id, days[1]))
    assert given is not None
    assert given.removed == f"the pictures of {days[0]} from the backup"
    assert emptied() == [True, False, False]
    assert [one.is_restorable for one in given.folder.generations] == [True]
    # What the hub has is a file of its own or the same: emptying it makes no room.
    assert make_room(plan, 0, KeptLog(log_id, "9999-01-01")) is None
    await hub.store.retention.forget_day(days[1])
    os.link(packs[1], plan.folder / "another name")
    assert make_room(plan, 0, KeptLog(log_id, days[2])) is None


async def test_a_low_disk_frees_the_room_of_dropped_days_by_itself(
    hub: HubServices, clock: FrozenClock
) -> None:
    await hub.add_faces("Ann", pictures=True)
    day = hub.store.retention.days()[0].day
    clock.advance(DAY)
    await hub.add_faces("Bo", pictures=True)
    backups = hub.services.upkeep.backups
    await back_up(hub)
    await hub.store.retention.forget_day(day)
    pack = backups.folder / "packs" / f"{day}.pack"
    settings = hub.services.core.settings
    settings.current = replace(settings.current, store=StoreConfig(min_free_gb=1e9))
    assert pack.stat().st_size > 0
    await backups._make_room()
    assert pack.stat().st_size == 0


async def test_an_end_of_the_hub_stops_a_backup(hub: HubServices) -> None:
    await hub.add_faces("Ann", pictures=True)
    backups = hub.services.upkeep.backups
    backups._speed = 1000
    async with trio.open_nursery() as nursery:
        nursery.start_soon(backups._back_up)
        await until(lambda: (now := backups.running) is not None and now.done_bytes > 0)
        nursery.cancel_scope.cancel()
    assert backups.running is None
    assert backups.list() == []
    assert not (hub.services.core.data_dir / "snapshots").exists()


@pytest.mark.parametrize("passphrase", [None, "correct horse"])
async def test_a_backup_in_one_file_is_streamed(passphrase: str | None, hub: HubServices) -> None:
    await hub.add_faces("Ann", "Bo", pictures=True)
    backups = hub.services.upkeep.backups
    parts = []
    token = await backups.permit_file(ADMIN, pictures=True, passphrase=passphrase)
    async with backups.open_file(ADMIN, token) as data:
        async for part in data:
            parts.append(part)
    file = io.BytesIO(b"".join(parts))
    archive = read_archive(opened_source(file, passphrase), ArchiveSink(), Pace())
    assert archive.head.records == 2
    assert backups.running is None
    entries = await hub.services.core.audit.oldest()
    assert [one.action for one in entries] == ["backup.download"]


async def test_a_download_that_nobody_takes_ends_with_its_block(hub: HubServices) -> None:
    await hub.add_faces(*map(str, range(20)), pictures=True)
    backups = hub.services.upkeep.backups
    token = await backups.permit_file(ADMIN, pictures=True, passphrase=None)
    async with backups.open_file(ADMIN, token) as data:
        async for _ in data:
            break
    assert backups.running is None
    assert not (hub.services.core.data_dir / "snapshots").exists()


async def test_a_short_passphrase_is_refused_before_anything_is_sent(hub: HubServices) -> None:
    with pytest.raises(BackupFault, match="at least 8"):
        await hub.services.upkeep.backups.permit_file(ADMIN, pictures=True, passphrase="short")
    assert await hub.services.core.audit.oldest() == ()


async def test_a_restored_hub_says_where_it_was_until_somebody_has_read_it(
    hub: HubServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    backups = hub.services.upkeep.backups
    monkeypatch.setattr(hub.services.core.site, "addresses", lambda: ["10.0.0.9"])
    assert backups.restored_from() is None
    for before, expected in (((), False), (("10.0.0.9",), False), (("10.0.0.5",), True)):
        (stored,) = restored_setting("2026-11-25T03:00:00.000Z", before).items()
        await hub.store.settings.set(*stored)
        assert (backups.restored_from() is not None) is expected
    found = backups.restored_from()
    assert found is not None
    assert (found.addresses, found.addresses_now) == (("10.0.0.5",), ("10.0.0.9",))
    await backups.acknowledge_restore(ADMIN)
    assert backups.restored_from() is None


async def test_a_download_is_permitted_once_to_one_person_for_a_minute(
    hub: HubServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    backups = hub.services.upkeep.backups
    token = await backups.permit_file(ADMIN, pictures=False, passphrase=None)
    for by, given in ((Actor("user bo"), token), (ADMIN, "x" * len(token))):
        with pytest.raises(NoSuchResource):
            backups.check_permit(by, given)
    async with backups.open_file(ADMIN, token):
        pass
    with pytest.raises(NoSuchResource):
        backups.check_permit(ADMIN, token)
    monkeypatch.setattr(permits, "_PERMIT_SECONDS", -1)
    late = await backups.permit_file(ADMIN, pictures=False, passphrase=None)
    with pytest.raises(NoSuchResource):
        backups.check_permit(ADMIN, late)
