"""Cameras that sign, and may have a later edition, are asked what they are (D12)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
from msgspec.structs import replace
from trio.testing import wait_all_tasks_blocked

from hub.live.feed import Change
from hub.live.registry import DeviceAnswer
from hub.services.camera_functions.inquiries import CameraInquiries
from hub.store.tables.devices import NewDevice
from hub.wire.commands.capabilities import Capabilities
from hub.wire.commands.edition_3_commands import GET_INFO
from tests.support.clock import FrozenClock
from tests.support.commanded_link import AskedLink, answer
from tests.support.hub_services import HubServices, open_hub_services

INFO = answer(0, result={"sn": "SN1", "devid": "3001", "firmware": "1.1.7_x"})


class Asking:
    """A hub with camera 1, of which something is known, and its inquiries."""

    def __init__(self, hub: HubServices) -> None:
        self.hub = hub
        self.services = hub.services

    async def know(self, known: Capabilities) -> None:
        await self.services.cameras.capabilities.learn("1", lambda _: known, "connect")

    def connect(self, reply: DeviceAnswer = INFO) -> AskedLink:
        link = AskedLink("1", lambda uri, param: reply)
        self.hub.registry.attach(link)
        self.change()
        return link

    async def knows(self) -> bool:
        """Wait until it is stored whether the camera has answered."""
        with trio.fail_after(10):
            capabilities = self.services.cameras.capabilities
            while (known := capabilities.of("1").knows("information")) is None:  # noqa: ASYNC110
                await trio.sleep(0.01)
        return known

    def change(self) -> None:
        self.services.core.changes.publish([Change("device", "1")])


@pytest.fixture
async def asking(
    tmp_path: Path, clock: FrozenClock, nursery: trio.Nursery
) -> AsyncIterator[Asking]:
    async with open_hub_services(tmp_path, clock) as hub:
        services = hub.services
        await services.cameras.devices.add(NewDevice(sn="SN1", code="12345678", did="1"))
        inquiries = CameraInquiries(
            services.core,
            services.cameras.devices,
            services.cameras.commands,
            services.cameras.capabilities,
        )
        await nursery.start(inquiries.run)
        yield Asking(hub)


@pytest.mark.parametrize(
    "known", [Capabilities(connect="signed"), Capabilities(connect="did", uploads=3)]
)
async def test_one_that_may_be_of_a_later_edition_is_asked_once(
    asking: Asking, known: Capabilities
) -> None:
    await asking.know(known)
    link = asking.connect()
    asking.change()
    await wait_all_tasks_blocked()
    assert link.uris == [GET_INFO.uri]
    assert await asking.knows()
    views = asking.services.cameras.capabilities.views("1")
    assert [one.source for one in views if one.part == "group:information"] == ["get_info"]
    link = asking.connect()
    await wait_all_tasks_blocked()
    assert link.uris == []


async def test_one_that_does_not_know_it_is_not_asked_again(asking: Asking) -> None:
    await asking.know(Capabilities(connect="signed"))
    asking.connect(answer(404))
    await wait_all_tasks_blocked()
    assert not await asking.knows()
    link = asking.connect()
    await wait_all_tasks_blocked()
    assert link.uris == []


async def test_after_another_firmware_it_is_asked_again(asking: Asking) -> None:
    await asking.know(Capabilities(connect="signed", groups={"information": False}))
    link = asking.connect()
    await wait_all_tasks_blocked()
    assert link.uris == []
    await asking.services.cameras.capabilities.learn(
        "1", lambda known: replace(known, groups={}, firmware="V2.0"), "upload"
    )
    asking.change()
    await wait_all_tasks_blocked()
    assert link.uris == [GET_INFO.uri]


async def test_one_that_shows_nothing_of_a_later_edition_is_left_alone(asking: Asking) -> None:
    await asking.know(Capabilities(connect="did", uploads=1))
    link = asking.connect()
    await wait_all_tasks_blocked()
    assert link.uris == []
