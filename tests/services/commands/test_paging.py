"""Lists of devices, read page by page."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from hub.errors import DeviceRefused, DeviceSilent
from hub.wire.commands.paging import ListPosition
from hub.wire.commands.param_structs import FaceHistory, PersonList, RecordList
from tests.support.clock import FrozenClock
from tests.support.commanded_device import commanded_device
from tests.support.commanded_link import Reply, answer

SPAN = {"start_time": "2021-10-03 10:30:00", "end_time": "2021-10-03 16:00:00"}


def people(*pids: int, total: int | None = None) -> dict[str, object]:
    rows = [{"pid": str(pid)} for pid in pids]
    return {"list": rows} if total is None else {"list": rows, "total": total}


def paged(pages: dict[int, dict[str, object]]) -> Reply:
    """A device that has these pages by number, and refuses other numbers."""

    def reply(uri: str, param: Any) -> Any:
        page = pages.get(param["page_num"])
        return answer(0, "OK", page) if page is not None else answer(420, "page_num")

    return reply


async def test_a_list_comes_page_by_page(clock: FrozenClock, nursery: trio.Nursery) -> None:
    one = await commanded_device(
        clock, nursery, paged({1: people(1, 2, total=3), 2: people(2, 3, total=3)})
    )
    pages = one.commands.people(one.did, PersonList(category=2, page_size=2))
    assert [person.pid for person in await pages.next() or ()] == ["1", "2"]
    assert (pages.total, pages.read, pages.wanted) == (3, 2, 2)
    assert len(one.link.asked) == 1
    # Rows that were returned before are left out.
    assert [person.pid for person in await pages.next() or ()] == ["3"]
    assert await pages.next() is None
    assert await pages.next() is None
    assert one.link.asked[0].param == {"category": 2, "page_num": 1, "page_size": 2}


async def test_a_list_can_be_continued_where_it_was_left(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    one = await commanded_device(clock, nursery, paged({2: people(3, 4, total=4)}))
    pages = one.commands.people(one.did, PersonList(page_num=2, page_size=2), left=ListPosition(2))
    assert [person.pid for person in await pages.next() or ()] == ["3", "4"]
    assert (await pages.next(), pages.read) == (None, 4)


async def test_each_list_begins_at_its_documented_page(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    results: dict[str, object] = {
        "/storage/get_record_list": {"total_file": 0, "recordlist": []},
        "/ivp/face/get_cap_history": {"face_total": 0, "face_list": []},
        "/person/get_cap_history": {"total": 0, "list": []},
    }
    one = await commanded_device(clock, nursery, lambda uri, param: answer(0, "OK", results[uri]))
    calls = one.commands
    assert [rows async for rows in calls.recordings(one.did, RecordList(**SPAN))] == []
    assert [rows async for rows in calls.face_history(one.did, FaceHistory(**SPAN))] == []
    assert [asked.param["page_num"] for asked in one.link.asked[:2]] == [0, 1]


async def test_an_endless_list_ends(clock: FrozenClock, nursery: trio.Nursery) -> None:
    """The device returns the same page for every number."""
    one = await commanded_device(clock, nursery, lambda uri, param: answer(0, "OK", people(1, 2)))
    pages = [rows async for rows in one.commands.people(one.did, PersonList())]
    assert len(pages) == 1
    assert len(one.link.asked) < 5


async def test_a_refused_first_page_raises_device_refused(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    one = await commanded_device(clock, nursery, paged({}))
    with pytest.raises(DeviceRefused, match="page_num"):
        await one.commands.people(one.did, PersonList()).next()


async def test_a_page_that_was_not_answered_can_be_requested_again(
    clock: FrozenClock, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    one = await commanded_device(clock, nursery)
    pages = one.commands.people(one.did, PersonList())
    with trio.move_on_after(1):
        await pages.next()
    with pytest.raises(DeviceSilent):
        await pages.next()
    one.link.reply = paged({1: people(1, total=1)})
    assert [person.pid for person in await pages.next() or ()] == ["1"]
    assert [asked.param["page_num"] for asked in one.link.asked] == [1, 1, 1]
