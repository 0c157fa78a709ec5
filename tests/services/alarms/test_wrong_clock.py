"""A clock that is wrong, or was, mutes no alarm (D11)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub.services.alarms.watch import AlarmWatch
from hub.services.audit import COMMAND_LINE
from hub.store.tables.alarm_rules import AlarmRule
from hub.store.tables.devices import NewDevice, StatusUpdate
from hub.store.tables.plate_lists import NewPlateList, PlateEntry
from hub.wire.uploads.bodies import CheckedUpload
from hub.wire.uploads.records import EventDetail
from tests.services.alarms.conftest import MEI, AlarmSite
from tests.support.clock import FrozenClock
from tests.support.commanded_link import AskedLink
from tests.support.hub_services import HubServices, open_hub_services

HOUR = 3600
DAY = 86_400
YEAR = 365 * DAY


class Site(AlarmSite):
    """A site whose wall clock can be set. `right`: what it would show."""

    def __init__(self, hub: HubServices, clock: FrozenClock, steady: FrozenClock) -> None:
        super().__init__(hub, clock)
        self._steady = steady
        self._ahead = 0.0
        self.watch = AlarmWatch(hub.services.core, hub.registry, list, self.alarms)

    def passes(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self._steady.advance(seconds)
        self.hub.services.core.clock.look()

    def set_ahead(self, seconds: float) -> None:
        """Set the clock so much ahead of the right time."""
        self.clock.advance(seconds - self._ahead)
        self._ahead = seconds
        self.hub.services.core.clock.look()

    async def believe(self) -> None:
        """Somebody says that the clock is right, although it is not."""
        await self.hub.services.core.clock.confirm(by=COMMAND_LINE)

    @property
    def right(self) -> int:
        return self.at - int(self._ahead * 1000)

    async def watch_until(self, until: int) -> None:
        entry = PlateEntry("A1", "", until)
        await self.plate_lists.add(NewPlateList(name="x", entries=(entry,)), MEI)

    async def seen(self) -> str:
        """Let the one person be seen by a camera whose clock is right; return the alarm's state."""
        await self.face(category=2, uuid="8", at=self.right)
        return (await self.one()).state

    async def after(self, seconds: float) -> list[str]:
        """Let time pass; return the states of all alarms."""
        self.passes(seconds)
        await self.watch.check()
        return [one.state for one in await self.all()]


@pytest.fixture
async def site(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[Site]:
    steady = FrozenClock(0.0)
    async with open_hub_services(tmp_path, clock, steady_now=steady) as hub:
        yield Site(hub, clock, steady)


WRONG = pytest.mark.parametrize("ahead", [YEAR, -YEAR, -56 * YEAR])


@pytest.mark.parametrize("hours", [0, 2])
@WRONG
async def test_a_watched_plate_raises_an_alarm_until_its_right_end(
    site: Site, ahead: float, hours: float
) -> None:
    """After an hour the hub knows what time it is although its clock was set; before, it may be."""
    await site.watch_until(site.at + 30 * DAY * 1000)
    site.passes(hours * HOUR)
    site.set_ahead(ahead)
    await site.vehicle("A1")
    assert [one.kind for one in site.active()] == ["plate"]


@WRONG
async def test_a_plate_whose_end_has_passed_raises_none_as_long_as_that_is_known(
    site: Site, ahead: float
) -> None:
    await site.watch_until(site.at + HOUR * 1000)
    site.passes(2 * HOUR)
    site.set_ahead(ahead)
    await site.vehicle("A1")
    assert site.active() == []


@pytest.mark.parametrize("is_believed", [False, True])
@WRONG
async def test_a_person_is_new_again_after_the_clock_was_wrong_when_they_were_seen(
    site: Site, ahead: float, is_believed: bool
) -> None:
    site.set_ahead(ahead)
    if is_believed:
        await site.believe()
    await site.seen()
    await site.alarms.acknowledge([1], "", MEI)
    assert await site.seen() == "acknowledged"
    site.set_ahead(0)
    site.passes(61)
    assert await site.seen() == "new"
    # Once the clock is right, a quiet minute is one again.
    await site.alarms.acknowledge([1], "", MEI)
    site.passes(30)
    assert await site.seen() == "acknowledged"
    site.passes(61)
    assert await site.seen() == "new"
    alarm = await site.one()
    assert (alarm.last_at, alarm.heard_at, alarm.new_since) == (site.at, site.at, site.at)


async def test_an_alarm_has_the_cameras_time_if_only_the_hubs_clock_is_wrong(site: Site) -> None:
    site.passes(2 * HOUR)
    site.set_ahead(YEAR)
    await site.seen()
    assert (await site.one()).first_at == site.right
    await site.face(category=2, uuid="8", at=site.right - 30 * DAY * 1000)
    assert (await site.one()).last_at == site.right


@WRONG
async def test_an_alarm_that_was_raised_while_the_clock_was_wrong_escalates(
    site: Site, ahead: float
) -> None:
    site.set_ahead(ahead)
    await site.event(8)
    await site.after(1)
    assert (await site.one()).escalated_at is None
    site.set_ahead(0)
    await site.after(0)
    assert (await site.one()).escalated_at == site.at


async def test_a_small_correction_of_the_clock_escalates_nothing(site: Site) -> None:
    await site.event(8)
    site.set_ahead(-5)
    await site.after(60)
    assert (await site.one()).escalated_at is None
    await site.after(65)
    assert (await site.one()).escalated_at is not None


@pytest.mark.parametrize("is_believed", [False, True])
@pytest.mark.parametrize("ahead", [YEAR, -YEAR])
async def test_each_absence_of_a_camera_raises_an_alarm_after_the_clock_was_wrong(
    site: Site, ahead: float, is_believed: bool
) -> None:
    await site.hub.services.cameras.devices.add(NewDevice(sn="SN1", code="CODE0001", did="1"))

    async def is_online_for(seconds: float) -> None:
        link = AskedLink("1", "SN1")
        site.hub.registry.attach(link)
        site.hub.registry.touch("1")
        await site.after(seconds)
        site.hub.registry.detach(link)

    async def is_offline() -> list[str]:
        await site.after(0)
        return await site.after(300)

    await is_online_for(10)
    site.set_ahead(ahead)
    if is_believed:
        await site.believe()
    assert await is_offline() == ["new"]
    await site.alarms.close([1], "", MEI)
    # It is not raised again while it lasts.
    assert await site.after(300) == ["closed"]
    await is_online_for(10)
    assert await is_offline() == ["closed", "new"]
    await site.alarms.close([2], "", MEI)
    site.set_ahead(0)
    await is_online_for(10)
    assert await is_offline() == ["closed", "closed", "new"]
    await site.alarms.close([3], "", MEI)
    # It comes while the clock is wrong, and goes.
    site.set_ahead(ahead)
    await is_online_for(10)
    site.set_ahead(0)
    assert (await is_offline())[3:] == ["new"]


async def test_after_a_restart_an_absence_is_another_one_if_its_alarm_is_of_the_future(
    site: Site,
) -> None:
    await site.hub.services.cameras.devices.add(NewDevice(sn="SN1", code="CODE0001", did="1"))
    await site.hub.store.devices.update_status({"SN1": StatusUpdate(last_seen=site.at)})
    site.set_ahead(YEAR)
    await site.believe()
    await site.after(0)
    assert await site.after(300) == ["new"]
    await site.alarms.close([1], "", MEI)
    site.set_ahead(0)
    site.watch = AlarmWatch(site.hub.services.core, site.hub.registry, list, site.alarms)
    await site.after(0)
    assert await site.after(300) == ["closed", "new"]


NIGHT = AlarmRule(types=(2,), severity="major", start="20:00", end="06:00")
NOON_ONLY = AlarmRule(types=(2,), severity="critical", start="12:30", end="13:30")


async def intrusion(site: Site, at: int) -> list[str]:
    """An intrusion by the clock of its camera; returns the severities of the alarms."""
    upload = CheckedUpload(kind="event", occurred_at=at, detail=EventDetail(2))
    await site.hub.add(upload)
    return [one.severity for one in site.active()]


async def test_the_hours_of_rules_are_those_of_the_expected_time(site: Site) -> None:
    """At 14:00, with a clock that shows 22:00 of another year."""
    await site.rules.put([NIGHT], MEI)
    site.passes(2 * HOUR)
    site.set_ahead(YEAR + 8 * HOUR)
    assert await intrusion(site, site.right) == []
    # The camera does not know what time it is either.
    assert await intrusion(site, 0) == []
    site.passes(8 * HOUR)
    assert await intrusion(site, 0) == ["major"]


async def test_if_nobody_knows_what_time_it_is_the_most_severe_rule_counts(site: Site) -> None:
    await site.rules.put([NIGHT, NOON_ONLY], MEI)
    site.set_ahead(YEAR + 4 * HOUR)
    # The camera's clock agrees with what was expected.
    assert await intrusion(site, site.right) == []
    assert await intrusion(site, 0) == ["critical"]
