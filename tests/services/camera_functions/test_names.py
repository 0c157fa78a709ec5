"""The hub's names of cameras are written into their pictures (D12)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
import trio
from msgspec.structs import replace

from hub.errors import BadParameter
from hub.live.registry import DeviceAnswer
from hub.services.audit import Actor
from hub.services.commands.many import DeviceOutcome
from hub.store.tables.devices import NewDevice
from hub.wire.commands.edition_3_commands import GET_OSD, SET_OSD
from tests.support.clock import FrozenClock
from tests.support.commanded_link import AskedLink, answer
from tests.support.hub_services import HubServices, open_hub_services

ANN = Actor("user ann")
OSD = msgspec.to_builtins(SET_OSD.example)


@pytest.fixture
async def hub(
    tmp_path: Path, clock: FrozenClock, nursery: trio.Nursery
) -> AsyncIterator[HubServices]:
    """Camera 1 to 4; all but the last are of edition 3."""
    async with open_hub_services(tmp_path, clock) as hub:
        for did in ("1", "2", "3", "4"):
            new = NewDevice(sn=f"SN{did}", code="CODE0001", did=did, name=f"Gate {did}")
            await hub.services.cameras.devices.add(new)
        for did in ("1", "2", "3"):
            await hub.services.cameras.capabilities.learn(
                did, lambda known: replace(known, connect="unsigned"), "connect"
            )
        await nursery.start(hub.services.jobs.run)
        yield hub


def connect(hub: HubServices, did: str, result: object = OSD) -> AskedLink:
    def reply(uri: str, param: object) -> DeviceAnswer:
        return answer(0, result=result if uri == GET_OSD.uri else None)

    link = AskedLink(did, reply)
    hub.registry.attach(link)
    return link


async def outcomes(hub: HubServices, job: int) -> list[tuple[str, DeviceOutcome]]:
    """The outcomes of the items, once the job is over."""
    await hub.services.jobs.wait(job)
    return [
        (item.state, msgspec.json.decode(item.detail, type=DeviceOutcome))
        for item in await hub.services.jobs.items(job)
    ]


async def test_only_the_name_changes_on_cameras_that_are_online_and_can(hub: HubServices) -> None:
    links = [connect(hub, did) for did in ("1", "2", "4")]
    job = await hub.services.cameras.picture_names.write(["1", "2", "3", "4", "1"], ANN)
    assert await outcomes(hub, job.id) == [
        ("done", DeviceOutcome("1", 0)),
        ("done", DeviceOutcome("2", 0)),
        ("failed", DeviceOutcome("3", msg="the device is offline")),
    ]
    for did, link in zip(("1", "2"), links, strict=False):
        asked = {one.uri: one.param for one in link.asked}
        assert asked[SET_OSD.uri] == {**OSD, "channel_name": f"Gate {did}"}
    assert links[2].asked == []


async def test_texts_that_cannot_be_sent_back_are_left_alone(hub: HubServices) -> None:
    link = connect(hub, "1", {**OSD, "position": "centre"})
    job = await hub.services.cameras.picture_names.write(["1"], ANN)
    ((state, outcome),) = await outcomes(hub, job.id)
    assert state == "failed"
    assert "cannot be sent back" in outcome.msg
    assert [one.uri for one in link.asked] == [GET_OSD.uri]


async def test_cameras_of_the_first_edition_alone_are_no_job(hub: HubServices) -> None:
    with pytest.raises(BadParameter):
        await hub.services.cameras.picture_names.write(["4"], ANN)
    assert await hub.services.jobs.list() == ()
