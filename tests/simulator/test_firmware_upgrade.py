"""A simulated camera upgrades itself as 2.3 says, and tells of it by 2.2 and 2.3."""

from __future__ import annotations

import hashlib
import json
import random
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from hub.simulator.camera import Camera, Timing
from hub.simulator.device.state import FACTORY_VERSIONS
from hub.simulator.events import CameraEvent
from hub.simulator.faults import quirks_of
from hub.simulator.identity import CameraIdentity
from tests.simulator.asking import POPULATION
from tests.support.fake_hub import INFO, OTA, FakeHub

PATH = "/firmware/token/app.bin?x=1"
APP = random.Random(1).randbytes(700_000)


def component(data: bytes, type_: int, path: str = PATH, **changes: object) -> dict[str, object]:
    return {
        "name": "App",
        "type": type_,
        "size": len(data),
        "md5": hashlib.md5(data).hexdigest(),
        "sha256": hashlib.sha256(data).hexdigest(),
        # Where the hub is reached, the camera knows itself.
        "url": f"https://hub.example:8443{path}",
        **changes,
    }


def release(*components: dict[str, object], code: int = 7) -> dict[str, object]:
    return {
        "verCode": code,
        "verName": "V3.0.1",
        "description": "",
        "releaseDate": "2025-11-01 08:00:00",
        "componentList": components,
    }


class Scene:
    def __init__(self, nursery: trio.Nursery, identity: CameraIdentity, *faults: str) -> None:
        self.hub = FakeHub(nursery)
        self.hub.files[PATH] = APP
        self.told: list[CameraEvent] = []
        self.camera = Camera(
            identity,
            self.hub,
            population=POPULATION,
            now=lambda: 1764028800.0 + trio.current_time(),
            rng=random.Random(1),
            on_event=self.told.append,
            quirks=quirks_of(faults),
            timing=Timing(restart_seconds=5, upgrade_check_seconds=60),
        )
        nursery.start_soon(self.camera.run)

    async def reports(self, path: str, count: int) -> list[Any]:
        """What it sent there, once it has so often."""
        await self.hub.until(lambda: [p for p, _ in self.hub.reports].count(path) >= count)
        return [json.loads(body) for sent, body in self.hub.reports if sent == path]


@pytest.fixture
def identity(cameras: tuple[CameraIdentity, ...]) -> CameraIdentity:
    return cameras[0]


async def test_2_3_it_downloads_in_pieces_installs_restarts_and_reports(
    nursery: trio.Nursery, identity: CameraIdentity, autojump_clock: MockClock
) -> None:
    scene = Scene(nursery, identity)
    scene.hub.release = release(component(APP, 3))
    before, after = await scene.reports(INFO, 2)
    assert (before["swVer"], after["swVer"]) == (FACTORY_VERSIONS.sw_ver, "V3.0.1")
    assert after["fwVer"] == FACTORY_VERSIONS.fw_ver
    asked = await scene.reports(OTA, 2)
    assert [one["swVer"] for one in asked] == [FACTORY_VERSIONS.sw_ver, "V3.0.1"]
    assert [wanted for _, wanted in scene.hub.fetched] == [
        "bytes=0-262143",
        "bytes=262144-524287",
        "bytes=524288-699999",
    ]
    assert len(scene.hub.sockets) == 2
    assert "upgraded" in [told.kind for told in scene.told]
    # What it has installed is not newer than itself.
    await scene.reports(OTA, 4)
    assert len(scene.hub.fetched) == 3
    await scene.camera.aclose()


async def test_2_3_a_description_says_what_is_reported_then(
    nursery: trio.Nursery, identity: CameraIdentity, autojump_clock: MockClock
) -> None:
    scene = Scene(nursery, identity)
    said = b'{"osVer": "V5.1", "hwVer": "V1.2"}'
    scene.hub.files = {"/f": APP, "/d": said}
    scene.hub.release = release(component(said, 1, "/d"), component(APP, 2, "/f"))
    _, after = await scene.reports(INFO, 2)
    assert (after["fwVer"], after["swVer"]) == ("V3.0.1", FACTORY_VERSIONS.sw_ver)
    assert (after["osVer"], after["hwVer"]) == ("V5.1", "V1.2")
    await scene.camera.aclose()


@pytest.mark.parametrize("field", ["md5", "sha256"])
async def test_2_3_a_file_that_is_not_what_its_digest_says_is_not_installed(
    nursery: trio.Nursery, identity: CameraIdentity, field: str, autojump_clock: MockClock
) -> None:
    scene = Scene(nursery, identity)
    scene.hub.release = release(component(APP, 3, **{field: "0" * 32}))
    asked = await scene.reports(OTA, 3)
    assert {one["swVer"] for one in asked} == {FACTORY_VERSIONS.sw_ver}
    assert len(scene.hub.sockets) == 1
    await scene.camera.aclose()


async def test_never_upgrades_downloads_nothing(
    nursery: trio.Nursery, identity: CameraIdentity, autojump_clock: MockClock
) -> None:
    scene = Scene(nursery, identity, "never-upgrades")
    scene.hub.release = release(component(APP, 3))
    await scene.reports(OTA, 3)
    assert scene.hub.fetched == []
    await scene.camera.aclose()


async def test_fails_upgrade_downloads_and_stays_as_it_was(
    nursery: trio.Nursery, identity: CameraIdentity, autojump_clock: MockClock
) -> None:
    scene = Scene(nursery, identity, "fails-upgrade")
    scene.hub.release = release(component(APP, 3))
    asked = await scene.reports(OTA, 3)
    assert len(scene.hub.fetched) == 2 * 3
    assert {one["swVer"] for one in asked} == {FACTORY_VERSIONS.sw_ver}
    await scene.camera.aclose()
