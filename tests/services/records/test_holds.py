"""Holding records by hand, and removing what is not held any more."""

from __future__ import annotations

import pytest

from hub.errors import BadParameter
from hub.services.audit import Actor
from hub.services.clock.clock import SiteClock
from hub.services.records import holds
from hub.services.records.holds import HoldSelection
from hub.wire.times import parse_rfc3339
from hub.wire.uploads.records import EventDetail
from tests.support.clock import FrozenClock
from tests.support.hub_services import HubServices, face
from tests.support.stores import drop_day

ANN = Actor("user ann", "10.0.0.7")
DAY = 86_400


async def audited(hub: HubServices) -> list[tuple[str, str, str]]:
    entries = await hub.services.core.audit.oldest()
    return [(entry.who, entry.action, entry.target) for entry in entries]


async def test_a_selection_is_by_camera_time_and_kind(hub: HubServices) -> None:
    for at in range(5):
        await hub.add(face("a", at=at, pictures=True), did="1" if at else "2")
    event = face("a", at=3, pictures=True)
    await hub.add(type(event)(kind="event", detail=EventDetail(type=1), occurred_at=3))
    selected = await hub.services.records.holds.select(HoldSelection(did="1", since=2, until=4))
    assert (selected.seqs, selected.pictures, selected.is_too_many) == ((3, 4, 6), 2, False)
    selected = await hub.services.records.holds.select(
        HoldSelection(since=2, kinds=("event", "vehicle"))
    )
    assert selected.seqs == (6,)
    selected = await hub.services.records.holds.select(HoldSelection(seqs=(2, 77)))
    assert (selected.seqs, selected.pictures) == ((2,), 1)


async def test_a_selection_beyond_the_limit_says_so(
    hub: HubServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holds, "MAX_RECORDS_PER_HOLD", 2)
    await hub.add_faces("a", "b", "c")
    selected = await hub.services.records.holds.select(HoldSelection())
    assert (selected.seqs, selected.is_too_many) == ((1, 2), True)


async def test_a_hold_is_audited_from_its_begin_to_its_end(
    hub: HubServices, clock: FrozenClock
) -> None:
    await hub.add_faces("a", "b")
    service = hub.services.records.holds
    hold = (await service.create([1], "  keep for\n the police ", None, by=ANN)).hold
    assert (hold.reason, hold.created_by) == ("keep for the police", "user ann")
    await service.add(hold.id, [2], by=ANN)
    await service.change(hold.id, "court", clock.ms + 1000, by=ANN)
    assert [record.seq for record in (await service.records(hold.id)).items] == [1, 2]
    await service.release(hold.id, by=ANN)
    assert await audited(hub) == [
        ("user ann", "hold.add", "1 1"),
        ("user ann", "hold.extend", "1 1"),
        ("user ann", "hold.change", "1"),
        ("user ann", "hold.release", "1 2"),
    ]
    with pytest.raises(BadParameter, match="has ended"):
        await service.release(hold.id, by=ANN)


async def test_a_hold_needs_a_reason_and_an_end_in_the_future(
    hub: HubServices, clock: FrozenClock
) -> None:
    await hub.add_faces("a")
    for reason in (" ", "x" * 501):
        with pytest.raises(BadParameter, match="reason: 1 to 500 characters"):
            await hub.services.records.holds.create([1], reason, None, by=ANN)
    with pytest.raises(BadParameter, match="until: must be in the future"):
        await hub.services.records.holds.create([1], "police", clock.ms, by=ANN)
    # No page could show it: in the zone of the site it may be in the year 10000.
    end_of_time = parse_rfc3339("9999-12-31T23:59:59Z", "until")
    with pytest.raises(BadParameter, match="until: must be before the year 9000"):
        await hub.services.records.holds.create([1], "police", end_of_time, by=ANN)
    assert await hub.services.records.holds.newest() == ()


async def test_a_hold_ends_only_by_a_clock_that_is_trusted(
    hub: HubServices, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await hub.add_faces("a")
    service = hub.services.records.holds
    await service.create([1], "police", clock.ms + 1000, by=ANN)
    clock.advance(2)
    monkeypatch.setattr(SiteClock, "is_trusted", False)
    await service.tidy()
    assert (await service.get(1)).is_in_force
    monkeypatch.setattr(SiteClock, "is_trusted", True)
    await service.tidy()
    assert not (await service.get(1)).is_in_force


async def test_released_evidence_of_a_day_that_is_gone_goes(
    hub: HubServices, clock: FrozenClock
) -> None:
    await hub.add(face("a", pictures=True))
    await hub.services.records.holds.create([1], "police", None, by=ANN)
    clock.advance(DAY)
    await drop_day(hub.store, "2026-11-25")
    assert hub.services.records.holds.use().records == 1
    await hub.services.records.holds.release(1, by=ANN)
    await hub.services.records.holds.tidy()
    assert hub.services.records.holds.use().records == 0
    assert await hub.store.records.get(1) is None
