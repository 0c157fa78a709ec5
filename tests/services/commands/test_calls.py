"""D4: commands to devices, their queues, and an error for each way in which one can fail."""

from __future__ import annotations

import base64
import json

import msgspec
import pytest
import trio
from msgspec import Raw
from msgspec.structs import replace
from trio.testing import MockClock, wait_all_tasks_blocked

from hub.errors import (
    BadParameter,
    DeviceBusy,
    DeviceLeft,
    DeviceNonsense,
    DeviceOffline,
    DeviceRefused,
    DeviceSilent,
    NoSuchResource,
)
from hub.live.feed import Change
from hub.services.commands.queue import MAX_WAITING
from hub.store.tables.devices import DeviceChange, UnsignedPins
from hub.wire.commands.answers import DayCount
from hub.wire.commands.dialect import (
    PERSON_ADD,
    PERSON_DELETE,
    PERSON_SEARCH,
    SET_FACE,
    SET_RECORDING,
)
from hub.wire.commands.param_structs import PersonList, PersonSearch
from tests.support.clock import FrozenClock
from tests.support.commanded_device import CommandedDevice, commanded_device
from tests.support.commanded_link import AskedLink, answer

FIRST, SECOND = SET_FACE.uris
FACE = SET_FACE.example
RECORDING = SET_RECORDING.example


# What is sent, and what is returned


async def test_an_integrators_command_is_checked_and_answered_as_the_device_answers(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    one = await commanded_device(clock, nursery, lambda uri, param: answer(17, "no", {"odd": [1]}))
    got = await one.commands.send(one.did, " person/query", b'{"pid": 123}')
    assert (got.code, got.msg, json.loads(bytes(got.result or b""))) == (17, "no", {"odd": [1]})
    (asked,) = one.link.asked
    assert (asked.uri, asked.param) == ("/person/query", {"pid": "123"})


@pytest.mark.parametrize(
    ("uri", "param", "field"),
    [
        ("/no/such", b"{}", "uri"),
        ("/person/query", b'{"pid": "x"}', "param.pid"),
        ("/person/query", b"[]", "param"),
        ("/person/delete", b"{}", "param.pid"),
        ("/system/maintain/reboot", b'{"delay_ms": -1}', "param.delay_ms"),
    ],
)
async def test_a_param_out_of_bounds_is_not_sent(
    clock: FrozenClock, nursery: trio.Nursery, uri: str, param: bytes, field: str
) -> None:
    one = await commanded_device(clock, nursery)
    with pytest.raises(BadParameter) as caught:
        await one.commands.send(one.did, uri, Raw(param))
    assert caught.value.field == field
    assert one.link.asked == []


async def test_values_of_a_typed_call_are_checked_too(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    one = await commanded_device(clock, nursery)
    calls, did = one.commands, one.did
    for field, call in {
        "pid": lambda: calls.person_query(did, "x"),
        "delay_ms": lambda: calls.reboot(did, -1),
        "month": lambda: calls.recordings_by_month(did, 2026, 13),
    }.items():
        with pytest.raises(BadParameter) as caught:
            await call()
        assert caught.value.field == f"param.{field}"
    assert one.link.asked == []


async def test_each_command_has_its_call(clock: FrozenClock, nursery: trio.Nursery) -> None:
    results: dict[str, object] = {
        "/storage/record_by_month": [{"day": 3, "count": 12}],
        "/person/query": {"pid": "7", "name": "Li Wei"},
        "/person/search": {"total": 1, "face_list": [{"time": "2022-09-24 14:27:41"}]},
    }
    one = await commanded_device(
        clock, nursery, lambda uri, param: answer(0, "OK", results.get(uri))
    )
    calls, did = one.commands, one.did
    await calls.call(did, SET_FACE, FACE)
    await calls.call(did, SET_RECORDING, RECORDING)
    assert (await calls.recordings_by_month(did, 2026, 11)).days == (DayCount(3, 12),)
    await calls.reboot(did, 1000)
    await calls.person_add(did, PERSON_ADD.example)
    for pid in ("7", "007"):
        assert (await calls.person_query(did, pid)).name == "Li Wei"
    await calls.person_delete(did, "7")
    search: PersonSearch = PERSON_SEARCH.example
    assert len((await calls.person_search(did, search)).face_list) == 1
    assert one.link.uris == [
        FIRST,
        "/storage/record_set",
        "/storage/record_by_month",
        "/system/maintain/reboot",
        "/person/add",
        "/person/query",
        "/person/query",
        "/person/delete",
        "/person/search",
    ]
    # 1.7: months count from 0.
    assert one.link.asked[2].param == {"year": 2026, "month": 10}


async def test_a_refusal_has_the_devices_code_and_message(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    one = await commanded_device(
        clock, nursery, lambda uri, param: answer(420, "no face" + "!" * 1000)
    )
    with pytest.raises(DeviceRefused) as caught:
        await one.commands.person_add(one.did, PERSON_ADD.example)
    assert caught.value.device_code == 420
    assert caught.value.device_msg == ("no face" + "!" * 1000)[:200]


@pytest.mark.parametrize("result", [None, [], {"pid": []}, "x", {"pid": "8", "name": "another"}])
async def test_an_answer_that_cannot_be_understood_raises_device_nonsense(
    clock: FrozenClock, nursery: trio.Nursery, result: object
) -> None:
    one = await commanded_device(clock, nursery, lambda uri, param: answer(0, "OK", result))
    with pytest.raises(DeviceNonsense, match="/person/query"):
        await one.commands.person_query(one.did, "7")


async def test_a_large_answer_is_decoded_like_a_small_one(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    rows = [{"pid": str(n), "name": "x" * 500} for n in range(1, 1000)]
    one = await commanded_device(
        clock, nursery, lambda uri, param: answer(0, "", {"total": 1, "list": rows})
    )
    pages = one.commands.people(one.did, PersonList())
    assert [person.pid for person in await pages.next() or ()] == [row["pid"] for row in rows]


async def test_a_large_photo_is_checked_and_sent_like_a_small_one(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    one = await commanded_device(clock, nursery, lambda uri, param: answer(0))
    photo = base64.b64encode(b"\xff\xd8\xff" + bytes(600_000)).decode()
    person = replace(PERSON_ADD.example, photo=photo)
    await one.commands.person_add(one.did, person)
    await one.commands.send(one.did, "/person/add", msgspec.json.encode(person))
    assert [asked.param["photo"] == photo for asked in one.link.asked] == [True, True]
    other = msgspec.json.encode(replace(person, photo="A" * 600_000))
    with pytest.raises(BadParameter, match=r"param\.photo"):
        await one.commands.send(one.did, "/person/add", other)


# Errors


async def test_an_unknown_device_raises_no_such_resource(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    one = await commanded_device(clock, nursery)
    with pytest.raises(NoSuchResource):
        await one.commands.reboot("99", 0)
    with pytest.raises(NoSuchResource):
        one.commands.settings("99")


async def test_an_offline_or_disabled_device_raises_device_offline_at_once(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    one = await commanded_device(clock, nursery)
    one.leave()
    with pytest.raises(DeviceOffline, match="offline"):
        await one.commands.reboot(one.did, 0)
    await one.site.devices.change(one.did, DeviceChange(enabled=False))
    with pytest.raises(DeviceOffline, match="disabled"):
        await one.commands.reboot(one.did, 0)


async def test_a_device_that_left_and_one_that_is_silent_raise_different_errors(
    clock: FrozenClock, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    one = await commanded_device(clock, nursery)
    await one.query("left")
    one.leave()
    await wait_all_tasks_blocked()
    assert isinstance(one.got["left"], DeviceLeft)
    one.connect()
    with pytest.raises(DeviceSilent, match="within 10 s"):
        await one.commands.reboot(one.did, 0)


@pytest.mark.parametrize(("has_photo", "seconds"), [(False, 10), (True, 30)])
async def test_a_command_with_a_photo_may_take_longer(
    clock: FrozenClock,
    nursery: trio.Nursery,
    autojump_clock: MockClock,
    has_photo: bool,
    seconds: int,
) -> None:
    one = await commanded_device(clock, nursery)
    since = trio.current_time()
    command = PERSON_ADD if has_photo else PERSON_DELETE
    with pytest.raises(DeviceSilent):
        await one.commands.call(one.did, command, command.example)
    assert trio.current_time() - since == pytest.approx(seconds)


# Queues


async def test_four_light_commands_overlap_and_the_others_wait_in_order(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    one = await commanded_device(clock, nursery)
    for number in range(7):
        await one.query(number)
    assert len(one.link.asked) == 4
    await one.give(one.link.asked[2], answer(0, "third"))
    assert len(one.link.asked) == 5
    for asked in one.link.open:
        await one.give(asked)
    for asked in one.link.open:
        await one.give(asked)
    assert len(one.link.asked) == 7
    assert list(one.got) == [2, 0, 1, 3, 4, 5, 6]
    assert one.got[2].msg == "third"


async def test_one_photo_is_sent_at_a_time_and_light_commands_beside_it(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    one = await commanded_device(clock, nursery)
    await one.add("a")
    await one.ask("search", one.commands.person_search, PERSON_SEARCH.example)
    await one.ask("file", one.commands.read_file, "sdcard/1.jpg")
    await one.query("light")
    assert one.link.uris == ["/person/add", "/person/query"]
    await one.give(one.link.asked[0])
    assert one.link.uris[2:] == ["/person/search"]
    await one.give(one.link.asked[2])
    assert one.link.uris[3:] == ["/storage/get_file_by_path"]
    nursery.cancel_scope.cancel()


async def test_a_photo_is_sent_before_files_that_wait_to_be_read(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    one = await commanded_device(clock, nursery)
    for number in range(3):
        await one.ask(number, one.commands.read_file, f"sdcard/{number}.jpg")
    await one.add("photo")
    await one.give(one.link.asked[0])
    assert one.link.uris == ["/storage/get_file_by_path", "/person/add"]
    nursery.cancel_scope.cancel()


async def test_devices_do_not_wait_for_each_other(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    one = await commanded_device(clock, nursery)
    other = await one.site.enrol("OTHER-SN")
    link = AskedLink(other.did, lambda uri, param: answer(0))
    one.site.registry.attach(link)
    await one.add("a")
    await one.add("b")
    await one.commands.person_add(other.did, PERSON_ADD.example)
    assert len(link.asked) == 1


async def test_the_queue_is_bounded(clock: FrozenClock, nursery: trio.Nursery) -> None:
    one = await commanded_device(clock, nursery)
    for number in range(4 + MAX_WAITING):
        await one.query(number)
    with pytest.raises(DeviceBusy, match="wait for this device already"):
        await one.commands.person_query(one.did, "7")
    await one.add("a photo has a queue of its own")
    assert len(one.link.asked) == 5
    nursery.cancel_scope.cancel()


async def test_a_cancelled_caller_leaves_the_queue(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    one = await commanded_device(clock, nursery)
    await one.add("first")
    waiting = await one.add("second")
    await one.add("third")
    waiting.cancel()
    await one.give(one.link.asked[0])
    await one.give(one.link.asked[1])
    assert set(one.got) == {"first", "third"}
    assert len(one.link.asked) == 2


async def test_a_sent_photo_keeps_its_slot_until_the_device_is_done_with_it(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    """D4: a device handles one at a time, even if nobody waits for the first any more."""
    one = await commanded_device(clock, nursery)
    gone = await one.add("first")
    await one.add("second")
    gone.cancel()
    await wait_all_tasks_blocked()
    assert len(one.link.asked) == 1
    one.link.asked[0].free()
    await wait_all_tasks_blocked()
    assert len(one.link.asked) == 2


async def test_a_caller_behind_a_photo_that_never_ends_gets_device_busy(
    clock: FrozenClock, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    one = await commanded_device(clock, nursery)
    await one.add("first")
    since = trio.current_time()
    with pytest.raises(DeviceBusy, match="for 25 s"):
        await one.commands.person_add(one.did, PERSON_ADD.example)
    assert trio.current_time() - since == 25


async def test_waiting_callers_get_device_offline_when_the_device_leaves(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    one = await commanded_device(clock, nursery)
    for name in ("out", "waiting", "waiting too"):
        await one.add(name)
    one.leave()
    await wait_all_tasks_blocked()
    assert [type(one.got[name]) for name in ("out", "waiting", "waiting too")] == [
        DeviceLeft,
        DeviceOffline,
        DeviceOffline,
    ]
    one.connect(AskedLink(one.did, lambda uri, param: answer(0)))
    await one.commands.person_add(one.did, PERSON_ADD.example)


async def test_waiting_callers_are_served_on_the_new_connection(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    one = await commanded_device(clock, nursery)
    await one.add("out")
    await one.add("waiting")
    older = one.link
    newer = one.connect()
    older.leave()
    await wait_all_tasks_blocked()
    assert newer.uris == ["/person/add"]
    await one.give(newer.asked[0])
    assert one.got["waiting"] is None


async def test_commands_that_change_a_device_are_published(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    one = await commanded_device(clock, nursery, lambda uri, param: answer(0, "OK", {"pid": "7"}))
    with one.site.changes.subscribe() as changes:
        await one.commands.person_query(one.did, "7")
        await one.commands.call(one.did, SET_FACE, FACE)
        await one.commands.person_delete(one.did, "7")
        assert await changes.next() == [Change("device", one.did)] * 2


# PageCursor


# A device that connects without a signature (D12)


@pytest.fixture
async def unsigned(clock: FrozenClock, nursery: trio.Nursery) -> CommandedDevice:
    one = await commanded_device(clock, nursery, lambda uri, param: answer(0))
    pins = UnsignedPins("10.0.0.8", "00:1b:2c:3d:4e:5f", "3001", "ab" * 32)
    await one.site.store.devices.change(one.did, DeviceChange(code="nobody knows", pins=pins))
    return one


async def test_it_is_given_no_personal_numbers_whoever_sends_them(
    unsigned: CommandedDevice,
) -> None:
    numbers = {"id_card_no": "110101199003071234", "ic_card_no": "00FF", "phone": "13800000000"}
    person = replace(PERSON_ADD.example, **numbers)
    await unsigned.commands.person_add(unsigned.did, person)
    await unsigned.commands.send(unsigned.did, "/person/add", msgspec.json.encode(person))
    assert len(unsigned.link.asked) == 2
    for asked in unsigned.link.asked:
        assert (asked.param["id_card_no"], asked.param["ic_card_no"]) == ("", "")
        assert "phone" not in asked.param
        assert asked.param["name"] == person.name


@pytest.mark.parametrize("field", ["idCard", "phone"])
async def test_it_is_not_asked_by_personal_numbers(unsigned: CommandedDevice, field: str) -> None:
    with pytest.raises(BadParameter) as refused:
        await unsigned.commands.send(
            unsigned.did, "/person/list", msgspec.json.encode({field: "13800000000"})
        )
    assert refused.value.field == f"param.{field}"
    assert unsigned.link.asked == []
