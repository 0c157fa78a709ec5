"""Lists of people (1.13) and answers to 1.14 that a broken or hostile camera sends.

They end a comparison within bounds, and never mean that somebody is not on the camera.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import trio
from msgspec import Raw

from hub.errors import DeviceNonsense
from hub.live.registry import DeviceAnswer
from hub.services.people.sync import device_check
from hub.services.people.sync.device_check import COMPARE_SECONDS, Comparison
from hub.store.people.device_people import MAX_UNKNOWN
from tests.support.synced_site import ADA, SyncedCamera, SyncedSite

pytestmark = pytest.mark.jumping_clock

ADD, DELETE, QUERY, LIST = "/person/add", "/person/delete", "/person/query", "/person/list"


@pytest.fixture
async def camera(site: SyncedSite) -> SyncedCamera:
    """A camera that holds the persons 1 and 2, as it should."""
    camera = await site.add_camera()
    await site.put("1")
    await site.put("2")
    await site.settle()
    assert camera.pids == {"1", "2"}
    camera.log.clear()
    return camera


def answering(camera: SyncedCamera, uri: str, result: Callable[[dict[str, Any]], str]) -> None:
    """Let a camera answer requests of this uri with the JSON that `result` makes of the param."""
    usual = camera.answer

    def answer(asked: str, param: Raw) -> DeviceAnswer | None:
        if asked != uri:
            return usual(asked, param)
        return DeviceAnswer(0, "OK", Raw(result(msgspec.json.decode(param)).encode()))

    camera.answer = answer  # type: ignore[method-assign]


def page_of(people: list[dict[str, Any]], total: object) -> str:
    return json.dumps({"total": total, "list": people})


async def compared(site: SyncedSite, camera: SyncedCamera) -> Comparison:
    found = await site.sync.decisions.compare(camera.did)
    await site.settle()
    return found


async def assert_nobody_is_lost(site: SyncedSite, camera: SyncedCamera) -> None:
    numbers = await site.sync.of_device(camera.did)
    assert (numbers.is_, numbers.pending) == (2, 0)
    assert camera.asked(ADD) == []
    assert camera.asked(DELETE) == []


async def test_a_list_without_an_end_is_read_up_to_a_bound(
    site: SyncedSite,
    camera: SyncedCamera,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(device_check, "MAX_LISTED", 1_000)

    def more(param: dict[str, Any]) -> str:
        start = 1_000 + 32 * param["page_num"]
        return page_of([{"pid": str(start + n)} for n in range(32)], 10**15 + start)

    answering(camera, LIST, more)
    found = await compared(site, camera)
    assert (found.is_whole, found.total) == (False, 1_024)
    assert len(camera.asked(LIST)) == 32
    assert found.unknown == (await site.sync.of_device(camera.did)).unknown == 1_024
    await assert_nobody_is_lost(site, camera)


async def test_no_more_people_are_listed_than_can_be_in_the_register_and_unknown() -> None:
    assert device_check.MAX_LISTED == 2 * MAX_UNKNOWN


async def test_a_person_who_is_repeated_for_ever_ends_the_list(
    site: SyncedSite, camera: SyncedCamera
) -> None:
    answering(
        camera,
        LIST,
        lambda param: page_of([{"pid": "1", "name": f"Person {param['page_num']}"}] * 2, 2),
    )
    found = await compared(site, camera)
    assert not found.is_whole
    assert len(camera.asked(LIST)) < 10
    assert (await site.sync.of_device(camera.did)).is_ == 2
    assert camera.asked(DELETE) == []


async def test_a_comparison_ends_with_a_camera_that_takes_its_time(
    site: SyncedSite, camera: SyncedCamera
) -> None:
    camera.seconds = 9
    answering(camera, LIST, lambda param: page_of([{"pid": str(1_000 + param["page_num"])}], 9_999))
    start = trio.current_time()
    found = await site.sync.decisions.compare(camera.did)
    assert trio.current_time() - start == pytest.approx(COMPARE_SECONDS, abs=30)
    assert not found.is_whole
    camera.seconds = 0
    await site.settle()
    await assert_nobody_is_lost(site, camera)


async def test_nobody_who_decides_waits_for_a_camera_that_takes_its_time(
    site: SyncedSite, camera: SyncedCamera
) -> None:
    camera.seconds = 9
    answering(camera, LIST, lambda param: page_of([{"pid": str(1_000 + param["page_num"])}], 9_999))
    found: list[Comparison] = []

    async def compare() -> None:
        found.append(await site.sync.decisions.compare(camera.did))

    async with trio.open_nursery() as nursery:
        for _ in range(2):
            nursery.start_soon(compare)
        await trio.sleep(60)
        start = trio.current_time()
        await site.sync.decisions.leave_alone(camera.did, by=ADA)
        assert trio.current_time() - start < 30
    assert [one.is_whole for one in found] == [False, False]
    assert (await site.sync.of_device(camera.did)).state == "alone"
    camera.seconds = 0
    answering(camera, LIST, lambda param: page_of([{"pid": "1"}, {"pid": "2"}], 2))
    assert (await compared(site, camera)).is_whole
    await assert_nobody_is_lost(site, camera)


async def test_a_total_that_shrinks_while_it_is_read_does_not_make_a_list_whole(
    site: SyncedSite, camera: SyncedCamera
) -> None:
    answering(
        camera,
        LIST,
        lambda param: page_of(
            [{"pid": "1"}] if param["page_num"] == 1 else [], 3 - param["page_num"]
        ),
    )
    assert not (await compared(site, camera)).is_whole
    await assert_nobody_is_lost(site, camera)


@pytest.mark.parametrize(
    "result",
    [
        "7",
        '"text"',
        "[]",
        "{}",
        '{"total":-1}',
        '{"total":"many","list":null}',
        '{"total":-5,"list":[]}',
        '{"list":{"1":{"pid":"1"}}}',
        '{"total":2,"list":[{"name":"no pid"},{"pid":{}}]}',
        '{"total":1e30,"list":[]}',
        '{"count":0}',
        '{"total":0,"list":[7,8,9]}',
        '{"total":1,"list":[{"pid":"%s"}]}' % ("9" * 5_000),
    ],
)
async def test_nonsense_does_not_mean_that_nobody_is_there(
    site: SyncedSite, camera: SyncedCamera, result: str
) -> None:
    answering(camera, LIST, lambda param: result)
    try:
        assert not (await compared(site, camera)).is_whole
    except DeviceNonsense:
        await site.settle()
    await assert_nobody_is_lost(site, camera)
    assert (await site.sync.of_device(camera.did)).unknown == 0


async def test_of_an_unknown_person_only_so_much_is_kept(
    site: SyncedSite, camera: SyncedCamera
) -> None:
    long = "姓" * 1_000
    person = {"pid": "77", "name": long, "department": long, "photo": "/p/" + "a" * 400}
    answering(camera, LIST, lambda param: page_of([{"pid": "1"}, {"pid": "2"}, person], 3))
    assert (await compared(site, camera)).unknown == 1
    (unknown,) = await site.sync.decisions.unknown(camera.did)
    assert unknown.row.name == unknown.row.department == long[:256]
    assert unknown.row.photo == person["photo"]


async def test_numbers_beyond_the_database_do_not_end_a_comparison(
    site: SyncedSite, camera: SyncedCamera
) -> None:
    person = {"pid": "77", "age": 2**70, "gender": -(2**70), "category": 10**15}
    answering(camera, LIST, lambda param: page_of([{"pid": "1"}, {"pid": "2"}, person], 2**63))
    await compared(site, camera)
    await assert_nobody_is_lost(site, camera)


# 1.14


@pytest.mark.parametrize("result", ["7", "[1]", '{"name":"A"}', '{"pid":{}}', '{"pid":"3"}'])
async def test_nonsense_about_a_person_does_not_mean_that_the_person_is_not_there(
    site: SyncedSite, camera: SyncedCamera, result: str
) -> None:
    usual = camera.answer
    answering(camera, QUERY, lambda param: result)
    camera.manner = "lost"
    await site.people.remove("1", by=ADA)
    await site.settle(40)
    camera.manner = "at once"
    camera.state.people.add(camera.state.people["2"].row.__class__(pid="1", name="A"), b"x")
    await site.settle(600)
    (row,) = [r for r in await site.sync.rows(camera.did) if r.pid == "1"]
    assert (row.state, row.is_wanted) == ("pending", False)
    assert "1" in camera.pids
    camera.answer = usual  # type: ignore[method-assign]
    await site.settle(2_000)
    assert camera.pids == {"2"}


@pytest.mark.parametrize("result", ["null", "{}", '""', "[]", '{"pid":""}', '{"pid":"0"}'])
async def test_an_answer_without_a_person_means_that_nobody_is_there(
    site: SyncedSite, camera: SyncedCamera, result: str
) -> None:
    camera.manner = "lost"
    await site.people.remove("1", by=ADA)
    await site.settle(40)
    camera.manner = "at once"
    answering(camera, QUERY, lambda param: result)
    await site.settle(600)
    assert [r.pid for r in await site.sync.rows(camera.did)] == ["2"]


# Cameras whose list cannot be read whole


async def test_a_new_camera_whose_list_cannot_be_read_whole_is_undecided(site: SyncedSite) -> None:
    await site.put("1")
    camera = await site.add_camera(connects=False)
    answering(camera, LIST, lambda param: page_of([], 40))
    site.connect(camera)
    await site.settle(60)
    assert (await site.sync.of_device(camera.did)).state == "undecided"
    assert camera.asked(ADD) == []
    assert len(camera.asked(LIST)) < 10
    for pid in range(10, 20):  # It is not compared again at each change of the register.
        await site.put(str(pid))
        await site.settle()
    assert len(camera.asked(LIST)) < 10
    await site.sync.decisions.remove_unknown(camera.did, by=ADA)
    await site.settle()
    assert (await site.sync.of_device(camera.did)).state == "managed"
    assert "1" in camera.asked(ADD)
