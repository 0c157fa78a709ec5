"""A clock that is or may be wrong puts nobody on a camera, and takes nobody off (D10)."""

from __future__ import annotations

import pytest
import trio

from hub.services.audit import COMMAND_LINE
from hub.services.people.sync.people_sync import VALIDITY_SECONDS
from hub.store.people.holdings import ItemResult
from tests.support.synced_site import ADA, SyncedCamera, SyncedSite

pytestmark = pytest.mark.jumping_clock

HOUR = 3600
DAY = 86_400
#: To 1969, as a PC without a battery; before the last run; by more than a hub is off.
WRONG = pytest.mark.parametrize("wrong", [-55 * 365 * DAY, -60 * DAY, 120 * DAY])


async def restart(site: SyncedSite, *, set_by: float) -> None:
    """Let the hub start again; meanwhile the clock is set."""
    await site.site_clock.save()
    site.clock.set_by(set_by)
    await site.crash()
    await site.settle(2 * VALIDITY_SECONDS)


async def fill(site: SyncedSite) -> None:
    """Always valid; since 200 days; ended 30 days ago; begins in 100 days; ends in 50 days."""
    now, day = site.clock.ms, DAY * 1000
    await site.put("1")
    await site.put("2", valid_from=now - 200 * day)
    await site.put("3", valid_until=now - 30 * day)
    await site.put("4", valid_from=now + 100 * day)
    await site.put("5", valid_until=now + 50 * day)


@pytest.fixture
async def camera(site: SyncedSite) -> SyncedCamera:
    camera = await site.add_camera()
    await fill(site)
    await site.settle()
    assert camera.pids == {"1", "2", "5"}
    return camera


@WRONG
async def test_a_start_with_a_wrong_clock_changes_nobody(
    site: SyncedSite, camera: SyncedCamera, wrong: float
) -> None:
    camera.log.clear()
    await restart(site, set_by=wrong)
    # Also not when the camera comes back, or is compared.
    site.disconnect(camera)
    await trio.sleep(HOUR)
    site.connect(camera)
    await site.settle()
    await site.sync.decisions.compare(camera.did)
    await site.settle()
    assert camera.pids == {"1", "2", "5"}
    assert camera.asked("/person/add") == camera.asked("/person/delete") == []
    assert (await site.sync.of_device(camera.did)).pending == 0
    assert site.sync.waiting_for_clock == 4
    await restart(site, set_by=-wrong)
    assert camera.pids == {"1", "2", "5"}
    assert site.sync.waiting_for_clock == 0


async def test_once_a_person_says_that_the_clock_is_right_it_is_followed(
    site: SyncedSite, camera: SyncedCamera
) -> None:
    await restart(site, set_by=120 * DAY)
    await site.site_clock.confirm(by=COMMAND_LINE)
    await site.settle(2 * VALIDITY_SECONDS)
    assert camera.pids == {"1", "2", "4"}
    assert site.sync.waiting_for_clock == 0


@WRONG
async def test_what_somebody_changes_goes_on_while_the_clock_is_doubted(
    site: SyncedSite, camera: SyncedCamera, wrong: float
) -> None:
    await restart(site, set_by=wrong)
    await site.put("2", name="Another name")
    await site.put("6")
    await site.put("7", valid_from=0)
    await site.people.remove("1", by=ADA)
    await site.settle()
    assert camera.state.people["2"].row.name == "Another name"
    # From when the one who is new is valid, nobody knows.
    assert camera.pids == {"2", "5", "6"}
    await site.put("5", valid_until=None)
    await site.put("7", valid_from=None)
    await site.people.remove("2", by=ADA)
    await site.settle()
    assert camera.pids == {"5", "6", "7"}


@WRONG
async def test_of_whom_it_is_not_known_whether_the_camera_has_them_nobody_is_asked(
    site: SyncedSite, camera: SyncedCamera, wrong: float
) -> None:
    """The hub was ended while it removed or added them."""
    for pid in ("2", "3"):
        unsure = ItemResult(pid=pid, revision=None)
        await site.store.holdings.note(camera.did, camera.sn, [unsure])
    camera.log.clear()
    await restart(site, set_by=wrong)
    assert camera.pids == {"1", "2", "5"}
    assert camera.asked("/person/add") == camera.asked("/person/delete") == []
    await restart(site, set_by=-wrong)
    assert camera.pids == {"1", "2", "5"}
    assert (await site.sync.of_device(camera.did)).pending == 0


@pytest.mark.parametrize("jump", [-55 * 365 * DAY, -60 * DAY, 120 * DAY])
async def test_a_clock_that_is_set_while_the_hub_runs_is_not_followed(
    site: SyncedSite, camera: SyncedCamera, jump: float
) -> None:
    """The hub knows better: from when and until when people are valid goes by the steady clock."""
    await trio.sleep(2 * HOUR)
    now = site.clock.ms
    await site.put("8", valid_from=now + HOUR * 1000)
    await site.put("9", valid_until=now + HOUR * 1000)
    await site.settle()
    site.clock.set_by(jump)
    await site.settle(2 * VALIDITY_SECONDS)
    assert camera.pids == {"1", "2", "5", "9"}
    assert site.sync.waiting_for_clock == 0
    await trio.sleep(HOUR)
    assert camera.pids == {"1", "2", "5", "8"}


async def test_the_age_is_told_by_the_expected_time(site: SyncedSite) -> None:
    await restart(site, set_by=-55 * 365 * DAY)
    camera = await site.add_camera()
    await site.put("1", birth_year=1990)
    await site.settle()
    assert camera.state.people["1"].row.age == 35
    # Nor is anybody born too late for a clock without a battery.
    await site.put("2", birth_year=2024)


async def test_what_failed_while_the_clock_was_ahead_is_tried_again_soon(
    site: SyncedSite, camera: SyncedCamera
) -> None:
    site.clock.set_by(365 * DAY)
    camera.manner = "never"
    await site.put("1", name="Another name")
    await site.settle(60)
    site.clock.set_by(-365 * DAY)
    camera.manner = "at once"
    await site.settle(HOUR)
    assert camera.state.people["1"].row.name == "Another name"


async def test_a_camera_that_was_compared_while_the_clock_was_ahead_is_compared_at_night(
    site: SyncedSite, camera: SyncedCamera
) -> None:
    site.clock.set_by(365 * DAY)
    await site.sync.decisions.compare(camera.did)
    site.clock.set_by(-365 * DAY)
    camera.log.clear()
    await trio.sleep(2 * DAY)
    assert camera.asked("/person/list")
