"""D3: pictures on devices are fetched once and kept."""

from __future__ import annotations

import base64
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from hub.errors import (
    BadParameter,
    DeviceNonsense,
    DeviceOffline,
    DeviceRefused,
    DeviceSilent,
    HubError,
    NoSuchResource,
)
from hub.services.commands.calls import Commands
from hub.services.commands.files import MISSING_SECONDS, DeviceFiles
from hub.store.tables.devices import DeviceChange
from tests.support.clock import FrozenClock
from tests.support.commanded_link import AskedLink, Reply, answer
from tests.support.gate import Gate, gate

PATH = "sdcard/20210924/14/2741_179.jpg"
JPEG = b"\xff\xd8\xff\xe0 a picture"
GONE = answer(404, "no such file")


def content(data: bytes = JPEG, prefix: str = "") -> Any:
    text = prefix + base64.b64encode(data).decode()
    return answer(0, "OK", {"path": PATH, "base64": text})


class Album:
    """The pictures of a device that is online."""

    def __init__(self, site: Gate, did: str, link: AskedLink) -> None:
        self.site = site
        self.did = did
        self.link = link
        self.commands = Commands(site.core, site.registry, site.devices, site.capabilities)
        self.files = DeviceFiles(site.core, self.commands)
        self.got: list[bytes | HubError] = []

    async def look(self, path: str = PATH) -> bytes:
        return (await self.files.picture(self.did, path)).data

    async def look_in(self, nursery: trio.Nursery) -> trio.CancelScope:
        """Fetch the picture in a task of its own; `got` has the outcome."""
        scope = trio.CancelScope()

        async def asker() -> None:
            with scope:
                try:
                    self.got.append(await self.look())
                except HubError as error:
                    self.got.append(error)

        nursery.start_soon(asker)
        await wait_all_tasks_blocked()
        return scope


async def album(clock: FrozenClock, reply: Reply | None = None) -> Album:
    site = gate(clock)
    device = await site.enrol()
    link = AskedLink(device.did, reply)
    site.registry.attach(link)
    return Album(site, device.did, link)


@pytest.mark.parametrize("prefix", ["", "data:image/jpeg;base64,"])
async def test_a_picture_is_read_from_the_device_once(clock: FrozenClock, prefix: str) -> None:
    one = await album(clock, lambda uri, param: content(prefix=prefix))
    first = await one.files.picture(one.did, PATH)
    assert (first.mime, first.data) == ("image/jpeg", JPEG)
    assert await one.files.picture(one.did, PATH) == first
    (asked,) = one.link.asked
    assert (asked.uri, asked.param) == ("/storage/get_file_by_path", {"path": PATH})


@pytest.mark.parametrize("outcome", [content(), GONE])
async def test_an_answer_of_a_replaced_camera_is_not_kept(
    clock: FrozenClock, nursery: trio.Nursery, outcome: Any
) -> None:
    one = await album(clock)
    await one.look_in(nursery)
    await one.site.devices.change(one.did, DeviceChange(sn="NEW-SN"))
    one.link.asked[0].give(outcome)
    await wait_all_tasks_blocked()
    assert len(one.got) == 1
    assert one.site.store.rows("SELECT path FROM device_picture") == []
    one.link.reply = lambda uri, param: content(b"\xff\xd8\xff\xe0 another")
    assert await one.look() == b"\xff\xd8\xff\xe0 another"


async def test_a_kept_picture_is_returned_while_the_device_is_offline(
    clock: FrozenClock,
) -> None:
    one = await album(clock, lambda uri, param: content())
    await one.look()
    one.site.registry.detach(one.link)
    assert await one.look() == JPEG
    with pytest.raises(DeviceOffline):
        await one.look("another.jpg")


async def test_pictures_are_read_again_after_a_change_of_people(clock: FrozenClock) -> None:
    """A person's photo may be stored under the path of an earlier one."""
    photos = [JPEG, JPEG + b" of another"]
    codes = [500, 0]

    def reply(uri: str, param: Any) -> Any:
        return answer(codes.pop(0)) if uri == "/person/delete" else content(photos[0])

    one = await album(clock, reply)
    assert await one.look() == JPEG
    photos.pop(0)
    with pytest.raises(DeviceRefused):
        await one.commands.person_delete(one.did, "7")
    assert await one.look() == JPEG
    await one.commands.person_delete(one.did, "7")
    assert await one.look() == JPEG + b" of another"


async def test_a_missing_photo_is_requested_again_after_a_change_of_people(
    clock: FrozenClock,
) -> None:
    replies = [GONE, answer(0), content()]
    one = await album(clock, lambda uri, param: replies.pop(0))
    with pytest.raises(NoSuchResource):
        await one.look()
    await one.commands.person_delete(one.did, "7")
    assert await one.look() == JPEG


async def test_pictures_are_read_again_after_an_unanswered_change_of_people(
    clock: FrozenClock,
) -> None:
    """The camera may have executed it."""
    replies = [content(), DeviceSilent("no answer"), content(JPEG + b" of another")]
    one = await album(clock, lambda uri, param: replies.pop(0))
    assert await one.look() == JPEG
    with pytest.raises(DeviceSilent):
        await one.commands.person_delete(one.did, "7")
    assert await one.look() == JPEG + b" of another"


async def test_a_person_is_deleted_even_if_the_store_refuses_to_forget_pictures(
    clock: FrozenClock,
) -> None:
    one = await album(clock, lambda uri, param: answer(0))
    one.site.store.refuses = True
    await one.commands.person_delete(one.did, "7")
    assert one.link.uris == ["/person/delete"]


async def test_the_type_is_detected_from_the_bytes(clock: FrozenClock) -> None:
    png = b"\x89PNG\r\n\x1a\n..."
    one = await album(clock, lambda uri, param: content(png, "data:image/jpeg;base64,"))
    assert (await one.files.picture(one.did, PATH)).mime == "image/png"


async def test_callers_that_want_the_same_picture_share_one_fetch(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    one = await album(clock)
    for _ in range(5):
        await one.look_in(nursery)
    (asked,) = one.link.asked
    asked.give(content())
    await wait_all_tasks_blocked()
    assert one.got == [JPEG] * 5


async def test_a_failure_is_shared_and_not_remembered(
    clock: FrozenClock, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    one = await album(clock)
    since = trio.current_time()
    async with trio.open_nursery() as askers:
        for _ in range(3):
            await one.look_in(askers)
    assert trio.current_time() - since == pytest.approx(30, abs=1)
    assert [type(error) for error in one.got] == [DeviceSilent] * 3
    one.link.asked[0].free()
    one.link.reply = lambda uri, param: content()
    assert await one.look() == JPEG


async def test_another_caller_takes_over_when_the_fetching_one_is_cancelled(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    one = await album(clock)
    first = await one.look_in(nursery)
    await one.look_in(nursery)
    await one.look_in(nursery)
    first.cancel()
    await wait_all_tasks_blocked()
    # The device still handles the first one (D3: one at a time).
    assert len(one.link.asked) == 1
    one.link.asked[0].free()
    await wait_all_tasks_blocked()
    one.link.asked[1].give(content())
    await wait_all_tasks_blocked()
    assert one.got == [JPEG, JPEG]


async def test_pictures_of_a_device_are_read_one_at_a_time(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    one = await album(clock)
    for number in range(3):
        nursery.start_soon(one.look, f"{number}.jpg")
        await wait_all_tasks_blocked()
    for number in range(3):
        assert [asked.param["path"] for asked in one.link.open] == [f"{number}.jpg"]
        one.link.open[0].give(content())
        await wait_all_tasks_blocked()


@pytest.mark.parametrize("gone", [GONE, answer(426, "no such resource")])
async def test_a_picture_that_the_device_lacks_is_not_requested_again_for_a_while(
    clock: FrozenClock, autojump_clock: MockClock, gone: Any
) -> None:
    one = await album(clock, lambda uri, param: gone)
    for _ in range(3):
        with pytest.raises(NoSuchResource, match="does not have that picture"):
            await one.look()
    assert len(one.link.asked) == 1
    await trio.sleep(MISSING_SECONDS + 1)
    one.link.reply = lambda uri, param: content()
    assert await one.look() == JPEG


async def test_the_table_of_missing_pictures_is_bounded(
    clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.services.commands.files._MAX_MISSING", 2)
    one = await album(clock, lambda uri, param: GONE)
    for path in ("1", "2", "3", "3", "1"):
        with pytest.raises(NoSuchResource):
            await one.look(path)
    assert [asked.param["path"] for asked in one.link.asked] == ["1", "2", "3", "1"]


async def test_the_table_of_changed_people_is_bounded_and_forgets_no_change(
    clock: FrozenClock, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    monkeypatch.setattr("hub.services.commands.sender._MAX_PEOPLE_CHANGED", 2)
    one = await album(clock, lambda uri, param: GONE)
    sender = one.commands._sender
    await trio.sleep(1)
    for did in ("1", "2", "3"):
        sender._note_people_changed(did)
        await trio.sleep(1)
    assert [sender.people_changed_at(did) for did in ("1", "2", "3", "4")] == [1, 2, 3, 1]


async def test_another_refusal_is_passed_on_and_not_remembered(clock: FrozenClock) -> None:
    one = await album(clock, lambda uri, param: answer(500, "card error"))
    for _ in range(2):
        with pytest.raises(DeviceRefused, match="500 card error"):
            await one.look()
    assert len(one.link.asked) == 2


@pytest.mark.parametrize(
    "reply",
    [
        answer(0),
        answer(0, "OK", []),
        answer(0, "OK", {"path": PATH}),
        answer(0, "OK", {"path": PATH, "base64": ""}),
        answer(0, "OK", {"path": PATH, "base64": "!!!"}),
        answer(0, "OK", {"path": PATH, "base64": {"of": "what"}}),
        content(b"root:x:0:0:root:/root:/bin/sh"),
        content(b"<svg onload=alert(1)>"),
    ],
)
async def test_an_answer_without_a_picture_is_not_kept(clock: FrozenClock, reply: Any) -> None:
    one = await album(clock, lambda uri, param: reply)
    with pytest.raises(DeviceNonsense):
        await one.look()
    assert one.site.store.rows("SELECT path FROM device_picture") == []


@pytest.mark.parametrize("path", ["", "x" * 1025])
async def test_a_path_out_of_bounds_is_not_sent(clock: FrozenClock, path: str) -> None:
    one = await album(clock)
    with pytest.raises(BadParameter) as caught:
        await one.look(path)
    assert caught.value.field == "param.path"
    assert one.link.asked == []


async def test_a_picture_is_returned_even_if_it_cannot_be_kept(clock: FrozenClock) -> None:
    one = await album(clock, lambda uri, param: content())
    one.site.store.refuses = True
    assert await one.look() == JPEG


async def test_an_unknown_device_raises_no_such_resource(clock: FrozenClock) -> None:
    one = await album(clock)
    with pytest.raises(NoSuchResource, match="no device"):
        await one.files.picture("99", PATH)


@pytest.mark.parametrize(
    "path",
    [
        "../etc/passwd",
        "sdcard/../../etc/a.jpg",
        "sdcard\\..\\a.jpg",
        "sdcard/..",
        "a\nb.jpg",
        "a\0",
    ],
)
async def test_a_path_that_leads_elsewhere_is_not_asked_for(clock: FrozenClock, path: str) -> None:
    photos = await album(clock, lambda uri, param: content())
    with pytest.raises(BadParameter, match="path"):
        await photos.look(path)
    assert photos.link.asked == []


async def test_dots_in_names_are_no_way_out(clock: FrozenClock) -> None:
    photos = await album(clock, lambda uri, param: content())
    assert await photos.look("./sdcard/a..b/..c.jpg") == JPEG
