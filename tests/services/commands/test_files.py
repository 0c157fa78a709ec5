"""D3: pictures on devices, fetched once and kept."""

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
from hub.services.devices.directory import DeviceChange
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
    """The pictures of one device that is online."""

    def __init__(self, site: Gate, did: str, link: AskedLink) -> None:
        self.site = site
        self.did = did
        self.link = link
        self.commands = Commands(site.store, site.registry, site.devices, site.changes, site.clock)
        self.files = DeviceFiles(site.store, self.commands, site.clock)
        self.got: list[bytes | HubError] = []

    async def look(self, path: str = PATH) -> bytes:
        return (await self.files.picture(self.did, path)).data

    async def look_in(self, nursery: trio.Nursery) -> trio.CancelScope:
        """Look in a task of its own; `got` has the outcome."""
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
async def test_what_the_camera_before_had_is_not_kept_for_the_one_in_its_place(
    clock: FrozenClock, nursery: trio.Nursery, outcome: Any
) -> None:
    one = await album(clock)
    await one.look_in(nursery)
    await one.site.devices.change(one.did, DeviceChange(sn="NEW-SN"))
    one.link.asked[0].give(outcome)
    await wait_all_tasks_blocked()
    assert len(one.got) == 1
    assert one.site.store.device_pictures.kept == {}
    one.link.reply = lambda uri, param: content(b"\xff\xd8\xff\xe0 another")
    assert await one.look() == b"\xff\xd8\xff\xe0 another"


async def test_a_picture_that_is_kept_is_shown_while_the_device_is_offline(
    clock: FrozenClock,
) -> None:
    one = await album(clock, lambda uri, param: content())
    await one.look()
    one.site.registry.detach(one.link)
    assert await one.look() == JPEG
    with pytest.raises(DeviceOffline):
        await one.look("another.jpg")


async def test_after_a_change_of_people_pictures_are_read_again(clock: FrozenClock) -> None:
    """The photo of a person may lie where that of another one lay."""
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


async def test_after_a_change_of_people_a_photo_that_was_missing_is_looked_for(
    clock: FrozenClock,
) -> None:
    replies = [GONE, answer(0), content()]
    one = await album(clock, lambda uri, param: replies.pop(0))
    with pytest.raises(NoSuchResource):
        await one.look()
    await one.commands.person_delete(one.did, "7")
    assert await one.look() == JPEG


async def test_after_a_change_of_people_that_was_not_answered_pictures_are_read_again(
    clock: FrozenClock,
) -> None:
    """Whether the camera did it is not known."""
    replies = [content(), DeviceSilent("no answer"), content(JPEG + b" of another")]
    one = await album(clock, lambda uri, param: replies.pop(0))
    assert await one.look() == JPEG
    with pytest.raises(DeviceSilent):
        await one.commands.person_delete(one.did, "7")
    assert await one.look() == JPEG + b" of another"


async def test_a_store_that_refuses_keeps_no_person_from_being_deleted(clock: FrozenClock) -> None:
    one = await album(clock, lambda uri, param: answer(0))
    one.site.store.refuses = True
    await one.commands.person_delete(one.did, "7")


async def test_the_type_is_what_the_bytes_say(clock: FrozenClock) -> None:
    png = b"\x89PNG\r\n\x1a\n..."
    one = await album(clock, lambda uri, param: content(png, "data:image/jpeg;base64,"))
    assert (await one.files.picture(one.did, PATH)).mime == "image/png"


async def test_whoever_asks_for_the_same_meanwhile_shares_the_fetch(
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


async def test_when_the_one_who_fetches_hangs_up_another_takes_over(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    one = await album(clock)
    first = await one.look_in(nursery)
    await one.look_in(nursery)
    await one.look_in(nursery)
    first.cancel()
    await wait_all_tasks_blocked()
    # The device is at the first one still (D3: one at a time).
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
async def test_what_a_device_does_not_have_is_not_asked_for_again_for_a_while(
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


async def test_what_is_not_there_is_remembered_of_so_many_and_no_more(
    clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.services.commands.files._MOST_MISSING", 2)
    one = await album(clock, lambda uri, param: GONE)
    for path in ("1", "2", "3", "3", "1"):
        with pytest.raises(NoSuchResource):
            await one.look(path)
    assert [asked.param["path"] for asked in one.link.asked] == ["1", "2", "3", "1"]


async def test_another_refusal_is_the_devices_own_and_not_remembered(clock: FrozenClock) -> None:
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
async def test_what_is_no_picture_is_nonsense_and_not_kept(clock: FrozenClock, reply: Any) -> None:
    one = await album(clock, lambda uri, param: reply)
    with pytest.raises(DeviceNonsense):
        await one.look()
    assert one.site.store.device_pictures.kept == {}


@pytest.mark.parametrize("path", ["", "x" * 1025])
async def test_a_path_that_cannot_be_one_is_not_asked_for(clock: FrozenClock, path: str) -> None:
    one = await album(clock)
    with pytest.raises(BadParameter) as caught:
        await one.look(path)
    assert caught.value.field == "param.path"
    assert one.link.asked == []


async def test_a_picture_that_cannot_be_kept_is_shown_all_the_same(clock: FrozenClock) -> None:
    one = await album(clock, lambda uri, param: content())
    one.site.store.refuses = True
    assert await one.look() == JPEG


async def test_there_is_no_picture_of_a_device_that_is_unknown(clock: FrozenClock) -> None:
    one = await album(clock)
    with pytest.raises(NoSuchResource, match="no device"):
        await one.files.picture("99", PATH)
