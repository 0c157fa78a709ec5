"""D4: commands to devices, in turns, with an error for each way in which one can fail."""

from __future__ import annotations

import base64
import json
from typing import Any

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
    HubError,
    NoSuchResource,
)
from hub.live.feed import Change
from hub.services.commands.calls import Commands
from hub.services.commands.queue import MOST_WAITING
from hub.services.devices.directory import DeviceChange
from hub.wire.commands.dialect import (
    PERSON_ADD,
    PERSON_DELETE,
    PERSON_SEARCH,
    SET_FACE,
    SET_RECORDING,
)
from hub.wire.commands.messages import DayCount, FaceHistory, PersonList, PersonSearch, RecordList
from hub.wire.commands.paging import ListPosition
from tests.support.clock import FrozenClock
from tests.support.commanded_link import Asked, AskedLink, Reply, answer
from tests.support.gate import Gate, gate

FIRST, SECOND = SET_FACE.uris
FACE = SET_FACE.example
RECORDING = SET_RECORDING.example
TAKEN = answer(200)
NO_SUCH_URI = answer(404, "no such uri")
SPAN = {"start_time": "2021-10-03 10:30:00", "end_time": "2021-10-03 16:00:00"}


class Desk:
    """A device that is online, those who ask it, and what they got."""

    def __init__(self, site: Gate, did: str, link: AskedLink, nursery: trio.Nursery) -> None:
        self.site = site
        self.did = did
        self.link = link
        self.commands = commands_of(site)
        self.got: dict[object, Any] = {}
        self._nursery = nursery

    async def ask(self, name: object, call: Any, *args: Any) -> trio.CancelScope:
        """Ask in a task of its own; `got` has the outcome by the name."""
        scope = trio.CancelScope()

        async def asker() -> None:
            with scope:
                try:
                    self.got[name] = await call(self.did, *args)
                except HubError as error:
                    self.got[name] = error

        self._nursery.start_soon(asker)
        await wait_all_tasks_blocked()
        return scope

    async def query(self, name: object) -> trio.CancelScope:
        """A light command."""
        return await self.ask(name, self.commands.send, "/person/query", b'{"pid": "1"}')

    async def add(self, name: object) -> trio.CancelScope:
        """A command with a photo."""
        return await self.ask(name, self.commands.person_add, PERSON_ADD.example)

    async def give(self, asked: Asked, outcome: Any = None) -> None:
        asked.give(outcome or answer(0))
        await wait_all_tasks_blocked()

    def connect(self, link: AskedLink | None = None) -> AskedLink:
        """The device comes in, perhaps on a new connection."""
        self.link = link or AskedLink(self.did)
        self.site.registry.attach(self.link)
        return self.link

    def leave(self) -> None:
        """Its connection ends, as a link does it."""
        self.link.leave()
        self.site.registry.detach(self.link)


def commands_of(site: Gate) -> Commands:
    return Commands(site.store, site.registry, site.devices, site.changes, site.clock)


async def desk(clock: FrozenClock, nursery: trio.Nursery, reply: Reply | None = None) -> Desk:
    site = gate(clock)
    device = await site.enrol()
    link = AskedLink(device.did, reply)
    site.registry.attach(link)
    return Desk(site, device.did, link, nursery)


# What is sent, and what comes back


async def test_an_integrators_command_is_checked_and_the_answer_is_the_devices_own(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    one = await desk(clock, nursery, lambda uri, param: answer(17, "no", {"odd": [1]}))
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
async def test_what_is_out_of_bounds_is_not_sent(
    clock: FrozenClock, nursery: trio.Nursery, uri: str, param: bytes, field: str
) -> None:
    one = await desk(clock, nursery)
    with pytest.raises(BadParameter) as caught:
        await one.commands.send(one.did, uri, Raw(param))
    assert caught.value.field == field
    assert one.link.asked == []


async def test_a_typed_param_out_of_bounds_is_not_sent_either(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    one = await desk(clock, nursery)
    with pytest.raises(BadParameter, match=r"param\.threshold"):
        await one.commands.set_face(one.did, replace(FACE, threshold=101))
    assert one.link.asked == []


async def test_each_command_has_its_call(clock: FrozenClock, nursery: trio.Nursery) -> None:
    results: dict[str, object] = {
        "/storage/record_by_month": [{"day": 3, "count": 12}],
        "/person/query": {"pid": "7", "name": "Li Wei"},
        "/person/search": {"total": 1, "face_list": [{"time": "2022-09-24 14:27:41"}]},
    }
    one = await desk(clock, nursery, lambda uri, param: answer(0, "OK", results.get(uri)))
    calls, did = one.commands, one.did
    await calls.set_face(did, FACE)
    await calls.set_recording(did, RECORDING)
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


async def test_a_refusal_has_the_devices_code_and_words(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    one = await desk(clock, nursery, lambda uri, param: answer(420, "no face" + "!" * 1000))
    with pytest.raises(DeviceRefused) as caught:
        await one.commands.person_add(one.did, PERSON_ADD.example)
    assert caught.value.device_code == 420
    assert caught.value.device_msg == ("no face" + "!" * 1000)[:200]


@pytest.mark.parametrize("result", [None, [], {"pid": []}, "x", {"pid": "8", "name": "another"}])
async def test_an_answer_that_cannot_be_understood_is_nonsense(
    clock: FrozenClock, nursery: trio.Nursery, result: object
) -> None:
    one = await desk(clock, nursery, lambda uri, param: answer(0, "OK", result))
    with pytest.raises(DeviceNonsense, match="/person/query"):
        await one.commands.person_query(one.did, "7")


async def test_a_large_answer_is_understood_like_a_small_one(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    rows = [{"pid": str(n), "name": "x" * 500} for n in range(1, 1000)]
    one = await desk(clock, nursery, lambda uri, param: answer(0, "", {"total": 1, "list": rows}))
    pages = one.commands.people(one.did, PersonList())
    assert [person.pid for person in await pages.next() or ()] == [row["pid"] for row in rows]


async def test_a_large_photo_is_checked_and_sent_like_a_small_one(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    one = await desk(clock, nursery, lambda uri, param: answer(0))
    photo = base64.b64encode(b"\xff\xd8\xff" + bytes(600_000)).decode()
    person = replace(PERSON_ADD.example, photo=photo)
    await one.commands.person_add(one.did, person)
    await one.commands.send(one.did, "/person/add", msgspec.json.encode(person))
    assert [asked.param["photo"] == photo for asked in one.link.asked] == [True, True]
    with pytest.raises(BadParameter, match=r"param\.photo"):
        await one.commands.person_add(one.did, replace(person, photo="A" * 600_000))


# Errors, each its own


async def test_an_unknown_device_is_no_offline_one(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    one = await desk(clock, nursery)
    with pytest.raises(NoSuchResource):
        await one.commands.reboot("99", 0)
    with pytest.raises(NoSuchResource):
        one.commands.settings("99")


async def test_an_offline_device_is_told_at_once(clock: FrozenClock, nursery: trio.Nursery) -> None:
    one = await desk(clock, nursery)
    one.leave()
    with pytest.raises(DeviceOffline, match="offline"):
        await one.commands.reboot(one.did, 0)
    await one.site.devices.change(one.did, DeviceChange(enabled=False))
    with pytest.raises(DeviceOffline, match="disabled"):
        await one.commands.reboot(one.did, 0)


async def test_a_device_that_leaves_is_told_from_one_that_is_silent(
    clock: FrozenClock, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    one = await desk(clock, nursery)
    await one.query("left")
    one.leave()
    await wait_all_tasks_blocked()
    assert isinstance(one.got["left"], DeviceLeft)
    one.connect()
    with pytest.raises(DeviceSilent, match="within 10 s"):
        await one.commands.reboot(one.did, 0)


@pytest.mark.parametrize(("has_photo", "seconds"), [(False, 10), (True, 30)])
async def test_a_photo_has_more_time(
    clock: FrozenClock,
    nursery: trio.Nursery,
    autojump_clock: MockClock,
    has_photo: bool,
    seconds: int,
) -> None:
    one = await desk(clock, nursery)
    since = trio.current_time()
    command = PERSON_ADD if has_photo else PERSON_DELETE
    with pytest.raises(DeviceSilent):
        await one.commands.call(one.did, command, command.example)
    assert trio.current_time() - since == pytest.approx(seconds)


# Turns


async def test_four_light_commands_overlap_and_the_others_wait_in_order(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    one = await desk(clock, nursery)
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


async def test_one_photo_goes_at_a_time_and_light_commands_beside_it(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    one = await desk(clock, nursery)
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


async def test_a_photo_goes_before_the_files_that_wait_to_be_read(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    one = await desk(clock, nursery)
    for number in range(3):
        await one.ask(number, one.commands.read_file, f"sdcard/{number}.jpg")
    await one.add("photo")
    await one.give(one.link.asked[0])
    assert one.link.uris == ["/storage/get_file_by_path", "/person/add"]
    nursery.cancel_scope.cancel()


async def test_devices_do_not_wait_for_each_other(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    one = await desk(clock, nursery)
    other = await one.site.enrol("OTHER-SN")
    link = AskedLink(other.did, lambda uri, param: answer(0))
    one.site.registry.attach(link)
    await one.add("a")
    await one.add("b")
    await one.commands.person_add(other.did, PERSON_ADD.example)
    assert len(link.asked) == 1


async def test_the_queue_is_bounded(clock: FrozenClock, nursery: trio.Nursery) -> None:
    one = await desk(clock, nursery)
    for number in range(4 + MOST_WAITING):
        await one.query(number)
    with pytest.raises(DeviceBusy, match="wait for this device already"):
        await one.commands.person_query(one.did, "7")
    await one.add("a photo has a queue of its own")
    assert len(one.link.asked) == 5
    nursery.cancel_scope.cancel()


async def test_a_caller_who_hangs_up_leaves_the_queue(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    one = await desk(clock, nursery)
    await one.add("first")
    waiting = await one.add("second")
    await one.add("third")
    waiting.cancel()
    await one.give(one.link.asked[0])
    await one.give(one.link.asked[1])
    assert set(one.got) == {"first", "third"}
    assert len(one.link.asked) == 2


async def test_a_photo_that_was_given_up_keeps_its_turn_until_the_device_has_done_with_it(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    """D4: a device handles one at a time, whoever waits for it."""
    one = await desk(clock, nursery)
    gone = await one.add("first")
    await one.add("second")
    gone.cancel()
    await wait_all_tasks_blocked()
    assert len(one.link.asked) == 1
    one.link.asked[0].free()
    await wait_all_tasks_blocked()
    assert len(one.link.asked) == 2


async def test_who_waits_behind_a_photo_that_never_ends_is_told_that_the_device_is_busy(
    clock: FrozenClock, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    one = await desk(clock, nursery)
    await one.add("first")
    since = trio.current_time()
    with pytest.raises(DeviceBusy, match="for 25 s"):
        await one.commands.person_add(one.did, PERSON_ADD.example)
    assert trio.current_time() - since == 25


async def test_who_waits_for_a_device_that_leaves_is_told_that_it_is_offline(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    one = await desk(clock, nursery)
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


async def test_who_waits_for_a_device_that_connects_again_is_served_on_the_new_connection(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    one = await desk(clock, nursery)
    await one.add("out")
    await one.add("waiting")
    older = one.link
    newer = one.connect()
    older.leave()
    await wait_all_tasks_blocked()
    assert newer.uris == ["/person/add"]
    await one.give(newer.asked[0])
    assert one.got["waiting"] is None


async def test_a_device_that_is_asked_nothing_costs_nothing(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    one = await desk(clock, nursery, lambda uri, param: answer(0))
    await one.commands.reboot(one.did, 0)
    await one.commands.person_add(one.did, PERSON_ADD.example)
    assert one.commands._turns == {}


# What is remembered of 1.5 and 1.6


async def test_what_a_device_took_is_remembered(clock: FrozenClock, nursery: trio.Nursery) -> None:
    replies = [TAKEN, answer(420, "mini_face")]
    one = await desk(clock, nursery, lambda uri, param: replies.pop(0))
    assert one.commands.settings(one.did).face is None
    await one.commands.set_face(one.did, FACE)
    taken_at = clock.ms
    clock.advance(60)
    with pytest.raises(DeviceRefused):
        await one.commands.set_face(one.did, replace(FACE, mini_face=500))
    known = one.commands.settings(one.did).face
    assert known is not None
    assert (known.taken, known.taken_at) == (FACE, taken_at)
    assert (known.is_taken, known.code, known.msg) == (False, 420, "mini_face")
    assert known.answered_at == clock.ms
    assert one.commands.settings(one.did).recording is None


async def test_what_an_integrator_set_is_remembered_too(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    """1.6 travels with 1 and 0 for its booleans."""
    one = await desk(clock, nursery, lambda uri, param: TAKEN)
    await one.commands.set_recording(one.did, RECORDING)
    sent = json.dumps(one.link.asked[0].param).encode()
    assert one.link.asked[0].param["audio_enable"] == 1
    await one.commands.send(one.did, "storage/record_set", sent)
    known = one.commands.settings(one.did).recording
    assert known is not None
    assert (known.taken, known.is_taken) == (RECORDING, True)


async def test_a_device_that_knows_the_other_uri_is_asked_by_it_and_that_is_remembered(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    """D4: the table and the answer of 1.5 name another uri than its example."""
    one = await desk(clock, nursery, lambda uri, param: TAKEN if uri == SECOND else NO_SUCH_URI)
    await one.commands.set_face(one.did, FACE)
    assert one.link.uris == [FIRST, SECOND]
    # By a hub that was started anew, under either name.
    await commands_of(one.site).send(one.did, FIRST, json.dumps(one.link.asked[0].param).encode())
    assert one.link.uris == [FIRST, SECOND, SECOND]


async def test_the_other_uri_is_remembered_where_the_device_refuses_what_is_set(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    refusal = answer(420, "mini_face")
    one = await desk(clock, nursery, lambda uri, param: refusal if uri == SECOND else NO_SUCH_URI)
    for _ in range(2):
        with pytest.raises(DeviceRefused):
            await one.commands.set_face(one.did, FACE)
    assert one.link.uris == [FIRST, SECOND, SECOND]


async def test_after_an_upgrade_the_first_uri_is_found_again(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    one = await desk(clock, nursery)
    for known in (SECOND, FIRST):
        one.link.reply = lambda uri, param, known=known: TAKEN if uri == known else NO_SUCH_URI
        await one.commands.set_face(one.did, FACE)
        await one.commands.set_face(one.did, FACE)
    assert one.link.uris == [FIRST, SECOND, SECOND, SECOND, FIRST, FIRST]


async def test_a_device_that_knows_neither_uri_refuses(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    one = await desk(clock, nursery, lambda uri, param: NO_SUCH_URI)
    for _ in range(2):
        with pytest.raises(DeviceRefused, match="404 no such uri"):
            await one.commands.set_face(one.did, FACE)
    assert one.link.uris == [FIRST, SECOND, FIRST, SECOND]
    known = one.commands.settings(one.did).face
    assert known is not None
    assert (known.taken, known.code) == (None, 404)


async def test_what_the_camera_before_took_is_not_remembered_of_the_one_in_its_place(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    one = await desk(clock, nursery)
    await one.ask("set", one.commands.set_face, FACE)
    await one.site.devices.change(one.did, DeviceChange(sn="NEW-SN"))
    await one.give(one.link.asked[0], TAKEN)
    assert one.got == {"set": None}
    assert one.commands.settings(one.did).face is None


async def test_what_a_device_takes_is_remembered_though_its_caller_hangs_up(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    one = await desk(clock, nursery)
    caller = await one.ask("gone", one.commands.set_face, FACE)
    caller.cancel()
    await wait_all_tasks_blocked()
    await one.give(one.link.asked[0], TAKEN)
    known = one.commands.settings(one.did).face
    assert known is not None
    assert known.taken == FACE


async def test_a_setting_that_cannot_be_remembered_was_taken_all_the_same(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    one = await desk(clock, nursery, lambda uri, param: TAKEN)
    one.site.store.refuses = True
    await one.commands.set_face(one.did, FACE)
    assert one.commands.settings(one.did).face is None


async def test_a_page_is_told_to_look_again_after_what_changes_a_device(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    one = await desk(clock, nursery, lambda uri, param: answer(0, "OK", {"pid": "7"}))
    with one.site.changes.subscribe() as changes:
        await one.commands.person_query(one.did, "7")
        await one.commands.set_face(one.did, FACE)
        await one.commands.person_delete(one.did, "7")
        assert await changes.next() == [Change("device", one.did)] * 2


# Pages


def people(*pids: int, total: int | None = None) -> dict[str, object]:
    rows = [{"pid": str(pid)} for pid in pids]
    return {"list": rows} if total is None else {"list": rows, "total": total}


def paged(pages: dict[int, dict[str, object]]) -> Reply:
    """A device that has these pages by number, and refuses another."""

    def reply(uri: str, param: Any) -> Any:
        page = pages.get(param["page_num"])
        return answer(0, "OK", page) if page is not None else answer(420, "page_num")

    return reply


async def test_a_list_comes_page_by_page(clock: FrozenClock, nursery: trio.Nursery) -> None:
    one = await desk(clock, nursery, paged({1: people(1, 2, total=3), 2: people(2, 3, total=3)}))
    pages = one.commands.people(one.did, PersonList(category=2, page_size=2))
    assert [person.pid for person in await pages.next() or ()] == ["1", "2"]
    assert (pages.total, pages.read, pages.wanted) == (3, 2, 2)
    assert len(one.link.asked) == 1
    # What came before does not come again.
    assert [person.pid for person in await pages.next() or ()] == ["3"]
    assert await pages.next() is None
    assert await pages.next() is None
    assert one.link.asked[0].param == {"category": 2, "page_num": 1, "page_size": 2}


async def test_a_list_that_was_left_is_gone_on_with(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    one = await desk(clock, nursery, paged({2: people(3, 4, total=4)}))
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
    one = await desk(clock, nursery, lambda uri, param: answer(0, "OK", results[uri]))
    calls = one.commands
    assert [rows async for rows in calls.recordings(one.did, RecordList(**SPAN))] == []
    assert [rows async for rows in calls.face_history(one.did, FaceHistory(**SPAN))] == []
    assert [asked.param["page_num"] for asked in one.link.asked[:2]] == [0, 1]


async def test_an_endless_list_ends(clock: FrozenClock, nursery: trio.Nursery) -> None:
    """A device that gives the same page whatever is asked for."""
    one = await desk(clock, nursery, lambda uri, param: answer(0, "OK", people(1, 2)))
    pages = [rows async for rows in one.commands.people(one.did, PersonList())]
    assert len(pages) == 1
    assert len(one.link.asked) < 5


async def test_a_refused_list_is_an_error(clock: FrozenClock, nursery: trio.Nursery) -> None:
    one = await desk(clock, nursery, paged({}))
    with pytest.raises(DeviceRefused, match="page_num"):
        await one.commands.people(one.did, PersonList()).next()


async def test_a_page_that_was_not_answered_can_be_asked_for_again(
    clock: FrozenClock, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    one = await desk(clock, nursery)
    pages = one.commands.people(one.did, PersonList())
    with trio.move_on_after(1):
        await pages.next()
    with pytest.raises(DeviceSilent):
        await pages.next()
    one.link.reply = paged({1: people(1, total=1)})
    assert [person.pid for person in await pages.next() or ()] == ["1"]
    assert [asked.param["page_num"] for asked in one.link.asked] == [1, 1, 1]
