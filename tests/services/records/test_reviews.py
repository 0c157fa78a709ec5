from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub.services.audit import COMMAND_LINE
from hub.services.records.reviews import LastVisit, Reviews
from hub.store.tables.reviews import MAX_MARKS
from tests.support.clock import FrozenClock
from tests.support.hub_services import HubServices, open_hub_services


@pytest.fixture
async def hub(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[HubServices]:
    async with open_hub_services(tmp_path, clock) as hub:
        await hub.services.access.users.add("mei", "guard", "a long sentence", by=COMMAND_LINE)
        await hub.services.access.users.add("ada", "admin", "a long sentence", by=COMMAND_LINE)
        await hub.add_faces(*"abcdef")
        yield hub


@pytest.fixture
def reviews(hub: HubServices) -> Reviews:
    return hub.services.records.reviews


async def test_the_line_is_where_the_visit_before_ended(
    reviews: Reviews, clock: FrozenClock
) -> None:
    assert reviews.last_visit("mei").seq == 0
    await reviews.note_seen("mei", 2)
    # Still the same visit, although the page is loaded again.
    clock.advance(599)
    await reviews.note_seen("mei", 4)
    assert reviews.last_visit("mei").seq == 0
    clock.advance(600)
    assert reviews.last_visit("mei").seq == 4
    await reviews.note_seen("mei", 6)
    assert reviews.last_visit("mei").seq == 4
    assert reviews.last_visit("ada").seq == 0


async def test_a_clock_that_was_set_back_begins_a_visit(
    reviews: Reviews, clock: FrozenClock
) -> None:
    await reviews.note_seen("mei", 3)
    clock.advance(-3600)
    assert reviews.last_visit("mei").seq == 3


async def test_nobody_has_seen_what_is_not_there_yet(reviews: Reviews, clock: FrozenClock) -> None:
    await reviews.note_seen("mei", 10**15)
    await reviews.mark_all("mei", 10**15)
    assert (reviews.get("mei").seen, reviews.get("mei").reviewed) == (6, 6)


async def test_records_are_reviewed_one_by_one_or_up_to_one(reviews: Reviews) -> None:
    await reviews.mark("mei", 5)
    await reviews.mark("mei", 2)

    def reviewed() -> list[int]:
        known = reviews.get("mei")
        return [seq for seq in range(1, 7) if reviews.is_reviewed(known, seq)]

    assert reviewed() == [2, 5]
    await reviews.mark_all("mei", 3)
    assert reviewed() == [1, 2, 3, 5]
    assert reviews.get("mei").marks == (5,)
    await reviews.mark_all("mei", 1)
    assert reviewed() == [1, 2, 3, 5]
    assert not reviews.is_reviewed(reviews.get("ada"), 1)


async def test_marks_are_bounded_and_the_oldest_go_first(
    hub: HubServices, reviews: Reviews
) -> None:
    await hub.add_faces(*map(str, range(MAX_MARKS)))
    for seq in range(1, MAX_MARKS + 3):
        await reviews.mark("mei", seq)
    marks = reviews.get("mei").marks
    assert (len(marks), marks[0], marks[-1]) == (MAX_MARKS, 3, MAX_MARKS + 2)


async def test_what_a_user_reviewed_ends_with_the_user(hub: HubServices, reviews: Reviews) -> None:
    await reviews.mark("mei", 2)
    await hub.services.access.users.remove("mei", by=COMMAND_LINE)
    assert reviews.get("mei").marks == ()
    # A request that was on its way.
    await reviews.mark("mei", 3)
    await hub.services.access.users.add("mei", "guard", "a long sentence", by=COMMAND_LINE)
    assert reviews.get("mei").marks == ()


async def test_reviews_are_kept_over_a_restart(tmp_path: Path, clock: FrozenClock) -> None:
    async with open_hub_services(tmp_path, clock) as hub:
        await hub.services.access.users.add("mei", "guard", "a long sentence", by=COMMAND_LINE)
        await hub.add_faces("a", "b")
        await hub.services.records.reviews.note_seen("mei", 1)
        await hub.services.records.reviews.mark("mei", 2)
        known = hub.services.records.reviews.get("mei")
    async with open_hub_services(tmp_path, clock) as hub:
        assert hub.services.records.reviews.get("mei") == known


async def test_the_visit_before_is_told_with_its_end(reviews: Reviews, clock: FrozenClock) -> None:
    assert reviews.last_visit("mei") == LastVisit(0, 0)
    await reviews.note_seen("mei", 2)
    ended = clock.ms
    clock.advance(600)
    assert reviews.last_visit("mei") == LastVisit(2, ended)
    await reviews.note_seen("mei", 6)
    clock.advance(60)
    await reviews.note_seen("mei", 6)
    assert reviews.last_visit("mei") == LastVisit(2, ended)
