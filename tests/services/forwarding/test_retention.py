"""Days wait for targets, and what goes before they had it is told."""

from __future__ import annotations

import pytest

from hub.services.audit import COMMAND_LINE
from hub.store.records.retention import DayUse
from hub.store.targets.target import Selection
from tests.services.forwarding.conftest import Forwarding, day_of
from tests.support.clock import FrozenClock


@pytest.fixture
async def behind(forwarding: Forwarding) -> Forwarding:
    """A target that cannot be reached, and has had none of three records."""
    import httpx

    forwarding.receiver.error = httpx.ConnectError("refused")
    await forwarding.add()
    await forwarding.hub.add_faces("a", "b", "c")
    await forwarding.receiver.until(lambda: bool(forwarding.targets.list()[0].reason))
    return forwarding


@pytest.mark.parametrize(
    ("day", "hold_days", "is_needed"),
    [
        ("2026-11-25", 7, True),
        ("2026-11-18", 7, True),
        ("2026-11-17", 7, False),
        ("2026-11-24", 0, False),
    ],
)
async def test_a_day_is_needed_for_some_days_by_who_has_not_had_it(
    behind: Forwarding, day: str, hold_days: int, is_needed: bool
) -> None:
    settings = behind.hub.services.core.settings
    await settings.change({"targets.hold_days": hold_days}, by=COMMAND_LINE)
    assert behind.targets.needs(DayUse(day, 0, 3, 1, 3)) == is_needed


async def test_a_day_that_everybody_has_is_not_needed(forwarding: Forwarding) -> None:
    target, _ = await forwarding.add()
    await forwarding.hub.add_faces("a", "b", "c")
    await forwarding.until_current(target.target.id)
    assert not forwarding.targets.needs(day_of(1, 3))


async def test_a_hole_that_nobody_noted_is_told_too(
    forwarding: Forwarding, clock: FrozenClock
) -> None:
    await forwarding.hub.add_faces("a", "b", "c", "d")
    await forwarding.hub.store.write(
        lambda c: c.execute("DELETE FROM record WHERE seq IN (2, 4)").rowcount
    )
    target, _ = await forwarding.add()
    view = await forwarding.until_current(target.target.id)
    told = [
        (one.body["type"], one.body["data"].get("seq") or one.body["data"].get("from"))
        for one in forwarding.receiver.kept
    ]
    assert told == [("record", 1), ("gap", 2), ("record", 3), ("gap", 4)]
    assert [(gap.first_seq, gap.last_seq, gap.reason) for gap in view.gaps] == [
        (2, 2, "lost"),
        (4, 4, "lost"),
    ]
    assert view.behind == 0


async def test_what_is_kept_of_a_dropped_day_still_arrives(behind: Forwarding) -> None:
    from hub.services.audit import COMMAND_LINE

    await behind.hub.store.write(
        lambda c: c.execute("DELETE FROM record WHERE seq IN (1, 3)").rowcount
    )
    await behind.targets.note_dropped(day_of(1, 3), "age")
    (later,) = await behind.hub.add_faces("d")
    behind.receiver.error = None
    await behind.targets.retry(1, by=COMMAND_LINE)
    view = await behind.until_current(1)
    # Others may have been in the hand of the forwarder when their day went.
    assert {2, later} <= set(behind.receiver.seqs)
    assert behind.receiver.seqs[-1] == later
    assert [one.body["type"] for one in behind.receiver.kept].count("gap") == 1
    assert len(view.gaps) == 1


async def test_a_target_without_records_of_its_choice_is_not_behind(
    forwarding: Forwarding,
) -> None:
    target, _ = await forwarding.add(selection=Selection(kinds=("event",), alarms=False))
    await forwarding.hub.add_faces("a", "b")
    view = await forwarding.until_current(target.target.id)
    assert (view.behind, forwarding.receiver.asked) == (0, [])


async def test_days_that_were_noted_one_by_one_are_not_told_again_as_one_hole(
    behind: Forwarding,
) -> None:
    from hub.services.audit import COMMAND_LINE

    first, middle, last = await behind.hub.add_faces("d", "e", "f")
    for seq in (first, last):
        await behind.targets.note_dropped(day_of(seq, seq), "disk")
    sql = "DELETE FROM record WHERE seq >= ?"
    await behind.hub.store.write(lambda c: c.execute(sql, (first,)).rowcount)
    behind.receiver.error = None
    await behind.targets.retry(1, by=COMMAND_LINE)
    view = await behind.until_current(1)
    found = sorted((gap.first_seq, gap.last_seq, gap.reason) for gap in view.gaps)
    assert found == [(first, first, "disk"), (middle, middle, "lost"), (last, last, "disk")]
    assert view.unseen_lost == 3
