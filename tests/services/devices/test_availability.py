"""When cameras were without a connection, and how available they were."""

from __future__ import annotations

import pytest

from hub.errors import CannotStoreNow
from hub.live.feed import ChangeFeed
from hub.live.pending_devices import ConnectAttempt, PendingDevices
from hub.live.presence import Presence
from hub.live.refusal_reasons import RefusalReason
from hub.live.registry import Registry
from hub.outside import Outside
from hub.services.audit import Audit
from hub.services.clock.clock import SiteClock
from hub.services.devices.availability import Availability, DeviceAvailability, availability
from hub.store.tables import outages as table
from hub.store.tables.devices import DeviceChange, NewDevice, StatusUpdate
from hub.store.tables.outages import HubRun, Outage, OutageTable, end_followed
from hub.store.tables.table import RowSource
from tests.support.answering_link import AnsweringLink
from tests.support.clock import FrozenClock
from tests.support.core import core_of
from tests.support.memory_store import MemoryStore
from tests.support.traces import new_traces

DAY = 86_400.0
DAY_MS = 86_400_000


class Watched:
    """A hub with a camera that was online earlier. The steady clock is moved with the wall's."""

    def __init__(self, clock: FrozenClock) -> None:
        self.clock = clock
        self.steady = 1000.0
        self.store = MemoryStore(clock)

    async def begin(self) -> None:
        await self.store.devices.add((NewDevice(sn="SN1", code="CODE0001", did="1"),))
        await self.store.devices.update_status({"SN1": StatusUpdate(last_seen=self.clock.ms)})
        self.start()

    def start(self) -> None:
        """Begin as after a start of the hub: nobody is connected."""
        end_followed(self.store._connection)
        self.store.outages.known = OutageTable.load(
            RowSource(self.store._connection, self.store.damaged_rows)
        )
        self.registry = Registry(self.clock)
        changes = ChangeFeed()
        self.pending = PendingDevices(10, changes, self.clock)
        self.site_clock = SiteClock(
            self.store, Audit(self.store, self.clock), self.clock, steady_now=lambda: self.steady
        )
        self.availability = DeviceAvailability(
            core_of(
                self.store,
                self.clock,
                clock=self.site_clock,
                outside=Outside(steady_now=lambda: self.steady),
            ),
            Presence(self.registry, self.pending, new_traces(self.clock)),
        )

    async def watch(self, seconds: float) -> None:
        """Let time pass, in the hub's steps."""
        end = self.steady + seconds
        while self.steady < end:
            step = min(5.0, end - self.steady)
            self.clock.advance(step)
            self.steady += step
            await self.availability.check()

    def off(self, seconds: float) -> None:
        """Let time pass while the hub does not run."""
        self.clock.advance(seconds)
        self.steady += seconds

    def connect(self, did: str = "1") -> AnsweringLink:
        link = AnsweringLink(did, f"SN{did}")
        link.since = self.clock.ms
        self.registry.attach(link)
        self.registry.touch(did)
        return link

    async def stored(self) -> list[tuple[float, float | None, str]]:
        """The outages of camera 1 as (begin, length, cause), in seconds after noon."""
        page = await self.store.outages.of_device("1", since=0, until=2**62)
        noon = FrozenClock().ms
        return [
            (
                (one.began_at - noon) / 1000,
                None if one.ended_at is None else (one.ended_at - one.began_at) / 1000,
                one.cause,
            )
            for one in page.items
        ]

    async def of_all_time(self) -> Availability:
        found = await self.availability.history("1", since=0, until=self.clock.ms)
        return found.availability


@pytest.fixture
async def watched(clock: FrozenClock) -> Watched:
    watched = Watched(clock)
    await watched.begin()
    return watched


async def test_an_outage_lasts_from_the_last_sign_of_life_to_the_next_connect(
    watched: Watched,
) -> None:
    link = watched.connect()
    await watched.watch(300)
    watched.registry.touch("1")
    await watched.watch(20)
    watched.registry.detach(link)
    await watched.watch(55)
    assert await watched.stored() == []
    await watched.watch(10)
    assert await watched.stored() == [(300, None, "lost")]
    await watched.watch(600)
    watched.connect()
    await watched.watch(5)
    assert await watched.stored() == [(300, 685, "lost")]


async def test_a_short_reconnect_is_no_outage(watched: Watched) -> None:
    link = watched.connect()
    await watched.watch(300)
    watched.registry.detach(link)
    await watched.watch(50)
    watched.connect()
    await watched.watch(300)
    assert await watched.stored() == []


async def test_uploads_without_a_connection_do_not_move_the_beginning(watched: Watched) -> None:
    link = watched.connect()
    await watched.watch(300)
    watched.registry.detach(link)
    await watched.watch(3)
    watched.registry.touch("1")
    await watched.watch(100)
    assert await watched.stored() == [(0, None, "lost")]


async def test_a_restart_of_the_hub_is_no_outage(watched: Watched) -> None:
    watched.connect()
    await watched.watch(600)
    await watched.availability.save()  # as at the end of run()
    watched.off(60)
    watched.start()
    await watched.watch(170)
    watched.connect()
    await watched.watch(600)
    assert await watched.stored() == []
    # The hub was off for a minute, which is not watched and not an outage.
    assert await watched.of_all_time() == Availability(1_370_000, 0, 0)


async def test_a_camera_that_is_not_back_after_a_start_is_out_since_then(
    watched: Watched,
) -> None:
    watched.connect()
    await watched.watch(600)
    watched.off(60)
    watched.start()
    await watched.watch(200)
    assert await watched.stored() == [(660, None, "lost")]


async def test_an_outage_goes_on_after_the_hub_was_killed(watched: Watched) -> None:
    link = watched.connect()
    await watched.watch(300)
    watched.registry.detach(link)
    await watched.watch(120)
    watched.off(3600)
    watched.start()
    await watched.watch(30)
    watched.connect()
    await watched.watch(5)
    assert await watched.stored() == [(0, 4050, "lost")]
    history = await watched.availability.history("1", since=0, until=watched.clock.ms)
    # That the hub runs is stored once a minute: what came after that is not known.
    assert history.hub_off == (3_655_000,)
    assert history.availability == Availability(400_000, 395_000, 1)
    assert history.availability.percent == pytest.approx(100 * 5 / 400)


async def test_an_outage_whose_end_was_never_stored_ended_before_the_next_one(
    watched: Watched,
) -> None:
    """Beyond a number of changes the oldest are lost, if nothing can be stored for long."""
    began = watched.clock.ms
    lost_end = Outage(id=1, did="1", began_at=began, ended_at=None, cause="lost")
    next_one = Outage(
        id=2, did="1", began_at=began + 100_000, ended_at=began + 200_000, cause="lost"
    )
    lasting = Outage(id=3, did="1", began_at=began + 300_000, ended_at=None, cause="lost")
    await watched.store.outages.save([lost_end, next_one, lasting], HubRun(1, began, began))
    watched.off(1000)
    watched.start()
    assert await watched.stored() == [(0, 100, "lost"), (100, 100, "lost"), (300, None, "lost")]
    assert watched.store.outages.known.lasting == (lasting,)
    watched.connect()
    await watched.watch(10)
    assert watched.store.outages.known.last_id == 3
    assert (await watched.stored())[-1] == (300, 1000 - 300, "lost")


async def test_an_open_outage_that_a_closed_one_followed_does_not_last(watched: Watched) -> None:
    began = watched.clock.ms
    lost_end = Outage(id=1, did="1", began_at=began + 50_000, ended_at=None, cause="lost")
    # The clock was set back meanwhile.
    next_one = Outage(id=2, did="1", began_at=began, ended_at=began + 10_000, cause="lost")
    await watched.store.outages.save([lost_end, next_one], HubRun(1, began, began))
    watched.start()
    assert await watched.stored() == [(50, 0, "lost"), (0, 10, "lost")]
    assert watched.store.outages.known.lasting == ()


async def test_a_computer_that_slept_did_not_watch(watched: Watched) -> None:
    link = watched.connect()
    await watched.watch(300)
    watched.off(8 * 3600)
    watched.registry.detach(link)
    await watched.watch(20)
    watched.connect()
    await watched.watch(300)
    assert await watched.stored() == []
    assert (await watched.of_all_time()).out == 0
    assert (await watched.of_all_time()).watched == pytest.approx(620_000, abs=60_000)


@pytest.mark.parametrize("step", [8 * 3600.0, -8 * 3600.0])
async def test_a_step_of_the_clock_does_not_change_how_long_an_outage_is(
    watched: Watched, step: float
) -> None:
    link = watched.connect()
    await watched.watch(300)
    watched.registry.touch("1")
    watched.registry.detach(link)
    await watched.watch(120)
    watched.clock.advance(step)
    await watched.watch(180)
    watched.connect()
    await watched.watch(5)
    assert await watched.stored() == [(300 + step, 300, "lost")]


async def test_a_step_before_it_is_noted_does_not_change_it_either(watched: Watched) -> None:
    link = watched.connect()
    await watched.watch(300)
    watched.registry.touch("1")
    watched.registry.detach(link)
    await watched.watch(30)
    watched.clock.advance(-DAY)
    await watched.watch(60)
    assert await watched.stored() == [(300 - DAY, None, "lost")]


async def test_what_an_earlier_run_noted_does_not_move_with_the_clock(watched: Watched) -> None:
    link = watched.connect()
    await watched.watch(300)
    watched.registry.detach(link)
    await watched.watch(120)
    watched.off(60)
    watched.clock.seconds = 1000.0  # the battery is empty
    watched.start()
    await watched.watch(30)
    watched.clock.seconds = FrozenClock().seconds + 1000
    await watched.watch(5)
    assert await watched.stored() == [(0, None, "lost")]


async def test_a_disabled_camera_is_not_out(watched: Watched) -> None:
    link = watched.connect()
    await watched.watch(300)
    await watched.store.devices.change("1", DeviceChange(enabled=False))
    watched.registry.detach(link)
    await watched.watch(600)
    await watched.store.devices.change("1", DeviceChange(enabled=True))
    await watched.watch(5)
    watched.connect()
    await watched.watch(95)
    assert [cause for *_, cause in await watched.stored()] == ["disabled", "lost"]
    found = await watched.of_all_time()
    assert found.out <= 5_000
    assert found.watched == pytest.approx(400_000, abs=5_000)


async def test_a_camera_that_was_never_connected_is_not_out(watched: Watched) -> None:
    await watched.store.devices.add((NewDevice(sn="SN2", code="CODE0002", did="2"),))
    watched.connect("1")
    await watched.watch(3600)
    everybody = await watched.availability.of_all(0, watched.clock.ms)
    assert everybody["2"].percent is None
    watched.connect("2")
    await watched.watch(900)
    everybody = await watched.availability.of_all(0, watched.clock.ms)
    assert (everybody["2"].watched, everybody["2"].out) == (900_000, 0)
    assert everybody["1"].watched == 4_500_000


async def test_a_camera_whose_first_connection_was_too_short_to_be_seen_is_out(
    watched: Watched,
) -> None:
    await watched.store.devices.add((NewDevice(sn="SN2", code="CODE0002", did="2"),))
    await watched.watch(600)
    watched.registry.detach(watched.connect("2"))
    await watched.watch(100)
    page = await watched.store.outages.of_device("2", since=0, until=2**62)
    assert [(one.cause, one.ended_at is None) for one in page.items] == [
        ("new", False),
        ("lost", True),
    ]


async def test_a_camera_that_tries_and_is_not_let_in_is_refused(watched: Watched) -> None:
    link = watched.connect()
    await watched.watch(300)
    watched.registry.detach(link)
    await watched.watch(100)
    attempt = ConnectAttempt(
        sn="SN1", ip="10.0.0.8", address="10.0.0.8", sign="", ts_text="1", clock_offset=0.0
    )
    watched.pending.record_failure("1", attempt, [RefusalReason("code-mismatch")])
    await watched.watch(5)
    assert [cause for *_, cause in await watched.stored()] == ["refused"]


async def test_what_cannot_be_stored_is_stored_later(watched: Watched) -> None:
    link = watched.connect()
    await watched.watch(300)
    watched.registry.detach(link)
    await watched.watch(55)
    watched.store.refuses = True
    with pytest.raises(CannotStoreNow):
        await watched.watch(60)
    for _ in range(3):
        with pytest.raises(CannotStoreNow):
            await watched.watch(5)
    watched.connect()
    with pytest.raises(CannotStoreNow):
        await watched.watch(5)
    watched.store.refuses = False
    await watched.watch(5)
    assert [(begin, cause) for begin, _, cause in await watched.stored()] == [(0, "lost")]
    ((_, length, _),) = await watched.stored()
    assert length == pytest.approx(380, abs=10)


async def test_the_history_of_a_removed_camera_goes_with_it(watched: Watched) -> None:
    link = watched.connect()
    await watched.watch(300)
    watched.registry.detach(link)
    await watched.watch(120)
    await watched.store.devices.remove("1")
    await watched.watch(5)
    assert await watched.stored() == []


async def test_pages_go_on_where_they_ended(watched: Watched) -> None:
    outages = [
        Outage(id=n, did="1", began_at=n * 1000, ended_at=n * 1000 + 500, cause="lost")
        for n in range(1, 8)
    ]
    await watched.store.outages.save(outages, HubRun(1, 0, 9000))
    table = watched.store.outages
    page = await table.of_device("1", since=2000, until=7000, limit=3)
    assert ([one.id for one in page.items], page.next) == ([2, 3, 4], 4)
    page = await table.of_device("1", since=2000, until=7000, limit=3, after=page.next)
    assert ([one.id for one in page.items], page.next) == ([5, 6], None)
    page = await table.of_device("1", since=0, until=2**70, limit=2, newest_first=True, before=7)
    assert ([one.id for one in page.items], page.next) == ([6, 5], 5)


async def test_old_and_excess_outages_are_removed_but_not_by_a_doubted_clock(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = watched.clock.ms
    outages = [
        Outage(
            id=n,
            did="1",
            began_at=now - (410 - n) * DAY_MS,
            ended_at=now - (410 - n) * DAY_MS + 1000,
            cause="lost",
        )
        for n in range(1, 21)
    ]
    await watched.store.outages.save(outages, HubRun(1, now - 410 * DAY_MS, now))
    await watched.availability.prune()
    assert len(await watched.stored()) == 20
    monkeypatch.setattr(SiteClock, "is_trusted", True)
    await watched.availability.prune()
    assert len(await watched.stored()) == 11
    monkeypatch.setattr(table, "MAX_OF_ONE", 5)
    await watched.availability.prune()
    assert [round(begin / DAY) for begin, *_ in await watched.stored()] == [
        *(-394, -393, -392, -391, -390),
    ]
    monkeypatch.setattr(table, "MAX_OUTAGES", 2)
    await watched.availability.prune()
    assert len(await watched.stored()) == 2


def test_availability_counts_only_what_was_watched() -> None:
    outages = [
        Outage(id=1, did="1", began_at=50, ended_at=150, cause="lost"),
        Outage(id=2, did="1", began_at=120, ended_at=140, cause="refused"),
        Outage(id=3, did="1", began_at=300, ended_at=350, cause="disabled"),
        Outage(id=4, did="1", began_at=390, ended_at=None, cause="lost"),
    ]
    found = availability(outages, [(0, 100), (130, 400)], 20, 400)
    assert found == Availability(watched=80 + 270 - 50, out=50 + 20 + 10, outages=3)
