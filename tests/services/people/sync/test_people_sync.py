"""The people on the cameras follow the register (D10)."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from tests.support.synced_site import SyncedSite

ADD, DELETE, QUERY, LIST = "/person/add", "/person/delete", "/person/query", "/person/list"


@pytest.fixture
async def site(nursery: trio.Nursery, autojump_clock: MockClock) -> SyncedSite:
    site = SyncedSite(nursery)
    await site.start()
    return site


async def test_everybody_gets_onto_every_camera_once(
    site: SyncedSite, autojump_clock: MockClock
) -> None:
    cameras = [await site.add_camera() for _ in range(3)]
    for pid in range(1, 41):
        await site.put(str(pid))
    await site.settle()
    for camera in cameras:
        assert camera.pids == {str(pid) for pid in range(1, 41)}
        assert sorted(camera.asked(ADD)) == sorted(camera.pids)
        numbers = await site.sync.of_device(camera.did)
        assert (numbers.should, numbers.is_, numbers.pending) == (40, 40, 0)
    assert {one.state for one in await site.sync.of_person("7")} == {"done"}
