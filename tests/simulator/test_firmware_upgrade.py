"""A simulated camera upgrades itself (2.3), and reports its new versions (2.2, 2.3)."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable

import pytest
import trio

from hub.simulator.camera import Timing
from hub.simulator.device.state import FACTORY_VERSIONS
from hub.simulator.faults import Quirks, quirks_of
from hub.simulator.identity import CameraIdentity
from tests.simulator.running_camera import RunningCamera
from tests.support.fake_hub import INFO, OTA

pytestmark = pytest.mark.jumping_clock

PATH = "/firmware/token/app.bin?x=1"
APP = random.Random(1).randbytes(700_000)


def component(data: bytes, type_: int, path: str = PATH, **changes: object) -> dict[str, object]:
    return {
        "name": "App",
        "type": type_,
        "size": len(data),
        "md5": hashlib.md5(data).hexdigest(),
        "sha256": hashlib.sha256(data).hexdigest(),
        # The camera uses only the path: it has its own address of the hub.
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


StartCamera = Callable[..., RunningCamera]


@pytest.fixture
def start_camera(nursery: trio.Nursery, cameras: tuple[CameraIdentity, ...]) -> StartCamera:
    """Start a camera with the named faults."""

    def start(*names: str) -> RunningCamera:
        timing = Timing(restart_seconds=5, upgrade_check_seconds=60)
        running = RunningCamera(nursery, cameras[0], quirks_of(names), timing)
        running.hub.files[PATH] = APP
        return running

    return start


async def test_2_3_it_downloads_in_ranges_installs_restarts_and_reports(
    start_camera: StartCamera,
) -> None:
    running = start_camera()
    running.hub.release = release(component(APP, 3))
    before, after = await running.wait_reports(INFO, 2)
    assert (before["swVer"], after["swVer"]) == (FACTORY_VERSIONS.sw_ver, "V3.0.1")
    assert after["fwVer"] == FACTORY_VERSIONS.fw_ver
    queries = await running.wait_reports(OTA, 2)
    assert [query["swVer"] for query in queries] == [FACTORY_VERSIONS.sw_ver, "V3.0.1"]
    assert [wanted for _, wanted in running.hub.fetched] == [
        "bytes=0-262143",
        "bytes=262144-524287",
        "bytes=524288-699999",
    ]
    assert len(running.hub.sockets) == 2
    assert "upgraded" in running.states()
    # The installed release is no longer a newer one.
    await running.wait_reports(OTA, 4)
    assert len(running.hub.fetched) == 3
    await running.camera.aclose()


async def test_2_3_a_description_adds_to_the_reported_versions(start_camera: StartCamera) -> None:
    running = start_camera()
    description = b'{"osVer": "V5.1", "hwVer": "V1.2"}'
    running.hub.files = {"/f": APP, "/d": description}
    running.hub.release = release(component(description, 1, "/d"), component(APP, 2, "/f"))
    _, after = await running.wait_reports(INFO, 2)
    assert (after["fwVer"], after["swVer"]) == ("V3.0.1", FACTORY_VERSIONS.sw_ver)
    assert (after["osVer"], after["hwVer"]) == ("V5.1", "V1.2")
    await running.camera.aclose()


@pytest.mark.parametrize("field", ["md5", "sha256"])
async def test_2_3_a_file_with_a_wrong_digest_is_not_installed(
    start_camera: StartCamera, field: str
) -> None:
    running = start_camera()
    running.hub.release = release(component(APP, 3, **{field: "0" * 32}))
    queries = await running.wait_reports(OTA, 3)
    assert {query["swVer"] for query in queries} == {FACTORY_VERSIONS.sw_ver}
    assert len(running.hub.sockets) == 1
    await running.camera.aclose()


async def test_never_upgrades_downloads_nothing(start_camera: StartCamera) -> None:
    running = start_camera("never-upgrades")
    running.hub.release = release(component(APP, 3))
    await running.wait_reports(OTA, 3)
    assert running.hub.fetched == []
    await running.camera.aclose()


async def test_fails_upgrade_downloads_and_keeps_its_versions(start_camera: StartCamera) -> None:
    running = start_camera("fails-upgrade")
    running.hub.release = release(component(APP, 3))
    queries = await running.wait_reports(OTA, 3)
    assert len(running.hub.fetched) == 2 * 3
    assert {query["swVer"] for query in queries} == {FACTORY_VERSIONS.sw_ver}
    await running.camera.aclose()


VERSION_FILE = b'{"fwVer": "1.1.58_sim"}'


async def test_edition_3_asks_when_it_is_told_to_and_installs_what_is_newer(
    nursery: trio.Nursery, cameras: tuple[CameraIdentity, ...]
) -> None:
    running = RunningCamera(nursery, cameras[0], Quirks(edition=3), Timing(restart_seconds=5))
    hub = running.hub
    hub.files = {"/once/a-ver.bin": VERSION_FILE, PATH.partition("?")[0]: APP}
    hub.release = {
        "verName": "1.1.58",
        "componentList": [
            {"type": 1, "url": "https://hub.example:8443/once/a-ver.bin"},
            {"type": 2, "url": f"https://hub.example:8443{PATH}"},
        ],
    }
    (before,) = await running.wait_reports(INFO, 1)
    assert before["fwVer"] == "1.1.57_sim"
    await trio.sleep(600)
    assert [path for path, _ in hub.reports] == [INFO]
    for _ in range(2):
        await running.command("/system/maintain/update_ota", {"type": 1})
        await trio.sleep(30)
    _, after = await running.wait_reports(INFO, 2)
    assert after["fwVer"] == "1.1.58_sim"
    queries = await running.wait_reports(OTA, 2)
    assert [query["verCode"] for query in queries] == [57, 58]
    assert queries[0] == {"otaId": "", "sn": cameras[0].sn, "did": "", "verCode": 57}
    assert [one.code for one in running.answers()] == [200, 200]
    assert running.states().count("upgraded") == 1
