"""Escalation, devices that stay offline, and the alarms of the hub itself (D11)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import trio
import trio.testing

from hub.errors import CannotStoreNow
from hub.live.feed import Change
from hub.services.alarms import watch
from hub.services.alarms.watch import AlarmWatch
from hub.services.clock.clock import SiteClock
from hub.services.problems import HealthReason
from hub.store.commit.record_batch import RecordBatch
from hub.store.health import StoreHealth
from hub.store.tables.alarm_rules import AlarmRule
from hub.store.tables.alarms import AlarmFilter
from hub.store.tables.devices import DeviceChange, NewDevice, StatusUpdate
from hub.wire.uploads.records import HubDetail
from tests.services.alarms.conftest import MEI, AlarmSite
from tests.support.clock import FrozenClock
from tests.support.commanded_link import AskedLink
from tests.support.hub_services import open_hub_services

DISK_LOW = HealthReason("disk-low", {"free": "1", "wanted": "2"})
CANNOT_STORE = HealthReason("cannot-store", {"reason": "x"})
STARTING = HealthReason("starting")


class Watched:
    """A hub with two cameras that were online, its watch, and problems to set."""

    def __init__(self, site: AlarmSite, clock: FrozenClock) -> None:
        self.site = site
        self.hub = site.hub
        self.clock = clock
        self.problems: list[HealthReason] = []
        self.start()

    def start(self) -> None:
        """Let the hub watch as after a start."""
        self.watch = AlarmWatch(
            self.hub.services.core,
            self.hub.registry,
            lambda: self.problems,
            self.hub.services.alarms.raised,
        )

    async def after(self, seconds: float) -> list[tuple[str, str, str]]:
        """Let time pass; return kind, subject and state of all alarms."""
        self.clock.advance(seconds)
        await self.watch.check()
        page = await self.site.alarms.page(AlarmFilter())
        return [(one.kind, one.subject, one.state) for one in page.items]


@pytest.fixture
async def watched(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[Watched]:
    async with open_hub_services(tmp_path, clock) as hub:
        for did in ("1", "2"):
            await hub.services.cameras.devices.add(
                NewDevice(sn=f"SN{did}", code="CODE0001", did=did, name=f"Gate {did}")
            )
        seen = StatusUpdate(last_seen=clock.ms)
        await hub.store.devices.update_status({"SN1": seen, "SN2": seen})
        yield Watched(AlarmSite(hub, clock), clock)


def go_online(watched: Watched, *dids: str) -> None:
    for did in dids:
        watched.hub.registry.attach(AskedLink(did, f"SN{did}"))
        watched.hub.registry.touch(did)


def go_offline(watched: Watched, did: str) -> None:
    link = watched.hub.registry.get(did)
    assert link is not None
    watched.hub.registry.detach(link)


async def test_an_alarm_that_stays_new_is_escalated_once(watched: Watched) -> None:
    go_online(watched, "1", "2")
    site = watched.site
    with site.hub.services.core.alarm_changes.subscribe() as feed:
        seq = await site.event(2)
        await watched.after(119)
        assert (await site.one()).escalated_at is None
        await watched.after(1)
        assert (await site.one()).escalated_at == watched.clock.ms
        await watched.after(100)
        assert [change.change for change in await feed.next()] == ["raised", "escalated"]
    assert [step.step for step in await site.alarms.history(seq)] == ["raised", "escalated"]


async def test_an_acknowledged_alarm_is_not_escalated_unless_it_is_new_again(
    watched: Watched,
) -> None:
    go_online(watched, "1", "2")
    site = watched.site
    seq = await site.face(category=2, uuid="8")
    await site.alarms.acknowledge([seq], "", MEI)
    await watched.after(500)
    assert (await site.one()).escalated_at is None
    await site.face(category=2, uuid="8")
    await watched.after(119)
    assert (await site.one()).escalated_at is None
    await watched.after(1)
    assert (await site.one()).escalated_at == watched.clock.ms


async def test_a_device_that_stays_offline_raises_an_alarm(watched: Watched) -> None:
    go_online(watched, "2")
    assert await watched.after(0) == []
    assert await watched.after(299) == []
    assert await watched.after(1) == [("offline", "1", "new")]
    alarm = await watched.site.one()
    assert (alarm.severity, alarm.dids, alarm.detail.device_name) == ("major", ("1",), "Gate 1")
    record = await watched.hub.services.records.log.get(alarm.seq)
    assert (record.kind, record.did, record.device_name) == ("hub", "1", "Gate 1")
    assert record.detail == HubDetail("offline", "Gate 1 is offline", {"camera": "Gate 1"})
    await watched.after(3600)
    assert (await watched.site.one()).count == 1


def suspect(did: str) -> HealthReason:
    reason = "it connected from a different address"
    return HealthReason("camera-suspect", {"camera": f"Gate {did}", "reason": reason}, did=did)


async def test_each_camera_that_does_not_fit_raises_an_alarm_of_its_own(watched: Watched) -> None:
    go_online(watched, "1", "2")
    watched.problems = [suspect("1")]
    assert await watched.after(2) == [("hub", "camera-suspect-1", "new")]
    alarm = await watched.site.one()
    assert (alarm.severity, alarm.dids, alarm.detail.device_name) == ("major", ("1",), "Gate 1")
    await watched.site.alarms.close([alarm.seq], "", MEI)
    # The second one is noticed although the first one lasts, and somebody knows of that.
    watched.problems = [suspect("1"), suspect("2")]
    assert await watched.after(2) == [
        ("hub", "camera-suspect-1", "closed"),
        ("hub", "camera-suspect-2", "new"),
    ]
    # It is over for one camera, not for the other.
    watched.problems = [suspect("1")]
    await watched.after(59)
    await watched.after(2)
    over = {one.subject: one.over_at is not None for one in await watched.site.all()}
    assert over == {"camera-suspect-1": False, "camera-suspect-2": True}


async def test_a_device_that_was_offline_for_a_short_time_raises_none(watched: Watched) -> None:
    go_online(watched, "1", "2")
    for _ in range(4):
        go_offline(watched, "1")
        await watched.after(200)
        go_online(watched, "1")
        assert await watched.after(10) == []


async def test_an_acknowledged_offline_alarm_closes_itself_when_the_device_comes_back(
    watched: Watched,
) -> None:
    go_online(watched, "2")
    await watched.after(0)
    await watched.after(300)
    alarm = await watched.site.one()
    await watched.site.alarms.acknowledge([alarm.seq], "", MEI)
    go_online(watched, "1")
    assert await watched.after(1) == [("offline", "1", "closed")]
    steps = [(step.step, step.who) for step in await watched.site.alarms.history(alarm.seq)]
    assert steps[-2:] == [("over", ""), ("closed", "")]


async def test_an_offline_alarm_that_nobody_acknowledged_stays_new_and_is_marked_as_over(
    watched: Watched,
) -> None:
    go_online(watched, "2")
    await watched.after(0)
    await watched.after(300)
    go_online(watched, "1")
    assert await watched.after(1) == [("offline", "1", "new")]
    assert (await watched.site.one()).over_at == watched.clock.ms
    # Offline once more: it is the same alarm.
    go_offline(watched, "1")
    await watched.after(1)
    await watched.after(300)
    alarm = await watched.site.one()
    assert (alarm.count, alarm.over_at) == (2, None)


async def test_a_device_that_was_never_online_or_is_disabled_or_removed_raises_none(
    watched: Watched,
) -> None:
    devices = watched.hub.services.cameras.devices
    await devices.add(NewDevice(sn="SN3", code="CODE0003", did="3"))
    await devices.change("1", DeviceChange(enabled=False))
    await devices.remove("2")
    await watched.after(0)
    assert await watched.after(1000) == []


async def test_a_device_that_is_disabled_ends_its_alarm(watched: Watched) -> None:
    go_online(watched, "2")
    await watched.after(0)
    await watched.after(300)
    await watched.hub.services.cameras.devices.change("1", DeviceChange(enabled=False))
    await watched.after(1)
    assert (await watched.site.one()).over_at == watched.clock.ms


async def test_after_a_restart_an_offline_alarm_goes_on(watched: Watched) -> None:
    go_online(watched, "2")
    await watched.after(0)
    await watched.after(300)
    watched.start()
    await watched.after(0)
    await watched.after(300)
    alarm = await watched.site.one()
    assert (alarm.count, alarm.over_at) == (1, None)


async def test_what_a_person_closed_is_not_raised_again_while_it_lasts(watched: Watched) -> None:
    go_online(watched, "2")
    await watched.after(0)
    await watched.after(300)
    await watched.site.alarms.close([(await watched.site.one()).seq], "being repaired", MEI)
    assert await watched.after(1000) == [("offline", "1", "closed")]
    watched.start()
    await watched.after(0)
    assert await watched.after(1000) == [("offline", "1", "closed")]


async def test_a_rule_can_keep_offline_devices_from_raising_alarms(watched: Watched) -> None:
    await watched.site.rules.put([AlarmRule(kind="offline", severity="none", dids=("1",))], MEI)
    await watched.after(0)
    assert await watched.after(300) == [("offline", "2", "new")]


async def test_a_problem_of_the_hub_raises_an_alarm(watched: Watched) -> None:
    go_online(watched, "1", "2")
    watched.problems = [STARTING]
    assert await watched.after(1) == []
    watched.problems = [DISK_LOW]
    assert await watched.after(1) == [("hub", "disk-low", "new")]
    alarm = await watched.site.one()
    assert (alarm.severity, alarm.dids, alarm.detail.text) == ("major", (), DISK_LOW.text)
    record = await watched.hub.services.records.log.get(alarm.seq)
    assert (record.kind, record.did) == ("hub", "")
    assert record.detail == HubDetail("disk-low", DISK_LOW.text, DISK_LOW.args)
    await watched.after(100)
    assert (await watched.site.one()).count == 1


async def test_a_problem_that_comes_and_goes_is_one_alarm(watched: Watched) -> None:
    go_online(watched, "1", "2")
    for _ in range(5):
        watched.problems = [DISK_LOW]
        await watched.after(2)
        watched.problems = []
        await watched.after(50)
    alarm = await watched.site.one()
    assert (alarm.count, alarm.over_at) == (1, None)
    await watched.after(60)
    assert (await watched.site.one()).over_at == watched.clock.ms


async def test_a_problem_of_the_hub_closes_itself_if_it_was_acknowledged(
    watched: Watched,
) -> None:
    go_online(watched, "1", "2")
    watched.problems = [DISK_LOW]
    await watched.after(1)
    await watched.site.alarms.acknowledge([(await watched.site.one()).seq], "", MEI)
    watched.problems = []
    await watched.after(60)
    assert (await watched.site.one()).state == "closed"


async def test_a_start_does_not_take_problems_for_over(watched: Watched) -> None:
    go_online(watched, "1", "2")
    watched.problems = [DISK_LOW]
    await watched.after(1)
    watched.start()
    watched.problems = [STARTING]
    await watched.after(100)
    assert (await watched.site.one()).over_at is None


@pytest.fixture
def full(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Nothing can be stored, until the patches are undone."""
    go_online(watched, "1", "2")
    with monkeypatch.context() as patch:
        fill_disk(watched, patch)
        yield patch


def fill_disk(watched: Watched, patch: pytest.MonkeyPatch) -> None:
    async def fail(*args: object) -> None:
        raise CannotStoreNow("the disk is full")

    patch.setattr(watched.hub.store.records, "append", fail)
    patch.setattr(watched.hub.store.alarms, "move", fail)
    patch.setattr(type(watched.hub.store), "health", StoreHealth(can_store=False))
    watched.problems = [CANNOT_STORE]


def shown(watched: Watched) -> list[tuple[str, str, bool]]:
    """Subject, state, and whether it has escalated, of what the pages show."""
    return [
        (one.subject, one.state, one.escalated_at is not None)
        for one in watched.site.alarms.shown()
    ]


async def test_what_cannot_be_stored_now_is_shown_at_once_and_stored_later(
    watched: Watched, full: pytest.MonkeyPatch
) -> None:
    with watched.hub.services.core.changes.subscribe() as changes:
        await watched.after(1)
        (alarm,) = watched.site.alarms.shown()
        assert (alarm.subject, alarm.severity, alarm.state) == ("cannot-store", "critical", "new")
        assert (alarm.seq, alarm.detail.text) == (-1, CANNOT_STORE.text)
        assert watched.site.active() == []
        assert await changes.next() == [Change("alarm", "-1")]
        noticed_at = watched.clock.ms
        await watched.after(5)
        full.undo()
        watched.problems = []
        assert await watched.after(10) == [("hub", "cannot-store", "new")]
        assert Change("alarm", "-1") in await changes.next()
    (stored,) = watched.site.alarms.shown()
    assert (stored.seq, stored.count, stored.first_at) == (1, 1, noticed_at)
    await watched.after(60)
    assert (await watched.site.one()).over_at == watched.clock.ms


async def test_it_is_shown_as_well_if_only_the_write_tells_that_nothing_can_be_stored(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_online(watched, "1", "2")
    with monkeypatch.context() as patch:
        fill_disk(watched, patch)
        patch.setattr(type(watched.hub.store), "health", StoreHealth())
        with pytest.raises(CannotStoreNow):
            await watched.after(1)
        assert shown(watched) == [("cannot-store", "new", False)]
    await watched.after(1)
    assert [one.seq for one in watched.site.alarms.shown()] == [1]


async def test_an_alarm_that_escalates_meanwhile_does_not_hide_the_problem(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_online(watched, "1", "2")
    await watched.site.event(2)
    watched.clock.advance(120)
    with monkeypatch.context() as patch:
        fill_disk(watched, patch)
        await watched.after(1)
        assert shown(watched) == [("1 2", "new", True), ("cannot-store", "new", False)]
    watched.problems = []
    assert await watched.after(1) == [("event", "1 2", "new"), ("hub", "cannot-store", "new")]


async def test_alarms_escalate_while_nothing_can_be_stored(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_online(watched, "1", "2")
    seq = await watched.site.event(2)
    with watched.site.hub.services.core.alarm_changes.subscribe() as feed:
        with monkeypatch.context() as patch:
            fill_disk(watched, patch)
            await watched.after(119)
            assert shown(watched) == [("1 2", "new", False), ("cannot-store", "new", False)]
            await watched.after(1)
            assert shown(watched)[0] == ("1 2", "new", True)
            escalated_at = watched.clock.ms
            (change,) = await feed.next()
            assert (change.change, change.alarm.escalated_at) == ("escalated", escalated_at)
            await watched.after(200)
            assert shown(watched) == [("1 2", "new", True), ("cannot-store", "new", True)]
        watched.problems = []
        await watched.after(1)
        # Neither is told once more, nor forgotten.
        told = [(one.change, one.alarm.subject) for one in await feed.next()]
    assert told == [("raised", "cannot-store"), ("escalated", "cannot-store")]
    assert shown(watched) == [("1 2", "new", True), ("cannot-store", "new", True)]
    steps = [(step.step, step.at) for step in await watched.site.alarms.history(seq)]
    assert steps[1:] == [("escalated", escalated_at)]


async def test_alarms_escalate_while_the_disk_does_not_answer(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write is given up after half a minute only."""
    go_online(watched, "1", "2")
    await watched.site.event(2)
    watched.clock.advance(120)

    async def hang(*args: object) -> None:
        await trio.sleep_forever()

    monkeypatch.setattr(watch, "_PATIENCE_SECONDS", 0)
    async with trio.open_nursery() as nursery:
        with monkeypatch.context() as patch:
            patch.setattr(watched.hub.store.alarms, "move", hang)
            nursery.start_soon(watched.watch.check)
            await trio.testing.wait_all_tasks_blocked()
            assert shown(watched) == [("1 2", "new", True)]
        nursery.cancel_scope.cancel()
    await watched.after(1)
    assert (await watched.site.one()).escalated_at is not None


async def test_a_write_that_succeeds_after_it_was_given_up_is_not_counted_twice(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_online(watched, "1", "2")
    records, append = watched.hub.store.records, watched.hub.store.records.append

    async def late(batch: RecordBatch) -> None:
        await append(batch)
        raise CannotStoreNow("the disk is not responding")

    async def none_yet(*args: object) -> None:
        return None

    # What is read does not show it yet either.
    monkeypatch.setattr(watched.hub.store.alarms, "latest", none_yet)
    with monkeypatch.context() as patch:
        patch.setattr(records, "append", late)
        watched.problems = [DISK_LOW]
        with pytest.raises(CannotStoreNow):
            await watched.after(1)
    await watched.after(1)
    assert (await watched.site.one()).count == 1


async def test_what_is_over_before_it_can_be_stored_is_shown_as_over(
    watched: Watched, full: pytest.MonkeyPatch
) -> None:
    watched.problems = [CANNOT_STORE, DISK_LOW]
    await watched.after(1)
    watched.problems = [CANNOT_STORE]
    await watched.after(59)
    assert [one.over_at for one in watched.site.alarms.shown()] == [None, None]
    await watched.after(1)
    over = {one.subject: one.over_at for one in watched.site.alarms.shown()}
    assert over == {"cannot-store": None, "disk-low": watched.clock.ms}


async def test_no_alarm_is_shown_twice_or_against_the_rules(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_online(watched, "2")
    await watched.site.rules.put([AlarmRule(kind="offline", severity="none", dids=("2",))], MEI)
    watched.problems = [DISK_LOW]
    await watched.after(1)
    with monkeypatch.context() as patch:
        fill_disk(watched, patch)
        watched.problems = [DISK_LOW, CANNOT_STORE]
        go_offline(watched, "2")
        await watched.after(1)
        await watched.after(300)
        assert [one[0] for one in shown(watched)] == ["disk-low", "cannot-store", "1"]


async def test_closed_alarms_are_removed_once_they_are_old(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    seq = await watched.site.event(2)
    await watched.site.alarms.close([seq], "", MEI)
    new = await watched.site.event(2)
    watched.clock.advance(181 * 86_400)
    monkeypatch.setattr(SiteClock, "is_trusted", False)
    await watched.watch.tidy()
    assert len(await watched.site.all()) == 2
    monkeypatch.setattr(SiteClock, "is_trusted", True)
    await watched.watch.tidy()
    assert [one.seq for one in await watched.site.all()] == [new]
