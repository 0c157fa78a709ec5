"""Firmware against a real process: added, queried (2.3), downloaded and installed."""

from __future__ import annotations

import hashlib
import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from selenium.webdriver.support.ui import Select

from hub.simulator.camera import Camera as SimulatedCamera
from hub.simulator.camera import Timing
from hub.simulator.endpoint import HubEndpoint
from hub.simulator.faults import quirks_of
from hub.simulator.identity import CameraIdentity, make_cameras
from hub.simulator.scenario.population import make_population
from tests.e2e.browser import Browser
from tests.e2e.camera import Camera
from tests.e2e.conftest import MakeHub
from tests.e2e.hub_process import TIMEOUT_SECONDS, HubProcess
from tests.support.ports import free_port

OTA = "/api/v1/ota/query"
INFO = "/api/v1/device/report/info"
FILE = random.Random(0).randbytes(1_500_000)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "app.bin"
    path.write_bytes(FILE)
    return path


def add_release(hub: HubProcess, file: Path, *more: str) -> str:
    words = ("--ver-code", "453523", "--ver-name", "V2.0", "--app", str(file))
    return hub.cli("firmware", "add", *words, "--reports", "swVer=V2.0", *more).strip()


def campaign(hub: HubProcess, number: str) -> Any:
    return json.loads(hub.cli("firmware", "campaign", number, "--json"))


def states(client: httpx.Client, number: str) -> dict[str, str]:
    found = client.get(f"/api/hub/v1/firmware/campaigns/{number}").json()
    return {one["did"]: one["state"] for one in found["devices"]}


def ask(client: httpx.Client, token: str, path: str, **fields: str) -> Any:
    headers = {"Authorization": f"Bearer {token}"}
    return client.post(path, json=fields, headers=headers).json()


async def test_a_camera_is_upgraded_even_if_the_hub_is_killed_meanwhile(
    make_hub: MakeHub, camera: Camera, file: Path
) -> None:
    plain_port = free_port()
    hub = make_hub(f"devices.plain_http_port={plain_port}").start()
    did = camera.enrol(hub)
    async with camera.connect(hub.device_url, hub.trust(), did) as (_, token):
        release = add_release(hub, file, "--least", "hwVer=1.0")
        with hub.sync_client() as client:
            assert ask(client, token, OTA, swVer="V1.0")["code"] == 426
            number = hub.cli("firmware", "give", release, did).strip()
            assert ask(client, token, OTA, hwVer="0.9")["code"] == 425
            answer = ask(client, token, OTA, swVer="V1.0", hwVer="1.0")
        (component,) = answer["data"]["componentList"]
        assert component["url"].startswith(f"https://127.0.0.1:{hub.web_port}/api/v1/firmware/")
        begun = fetch(hub, component["url"], 0, 600_000)
        assert begun.status_code == 206
        hub.kill()
    hub.start()
    rest = fetch(hub, component["url"], 600_000, len(FILE), If_Range=begun.headers["etag"])
    assert rest.status_code == 206
    assert begun.content + rest.content == FILE
    with httpx.Client(base_url=f"http://127.0.0.1:{plain_port}") as client:
        answer = ask(client, token, OTA, swVer="V1.0")
        assert answer["data"]["componentList"][0]["url"].startswith(
            f"http://127.0.0.1:{plain_port}/api/v1/firmware/"
        )
        assert ask(client, token, INFO, swVer="2.0")["code"] == 200
        assert ask(client, token, OTA, swVer="2.0") == {"code": 200, "msg": "OK"}
    assert campaign(hub, number)["state"] == "done"
    assert hub.stop() == 0


def fetch(hub: HubProcess, url: str, start: int, end: int, **headers: str) -> httpx.Response:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    wanted = {"Range": f"bytes={start}-{end - 1}", **given}
    return httpx.get(url, headers=wanted, verify=hub.trust(), timeout=TIMEOUT_SECONDS)


async def test_a_campaign_updates_one_simulated_camera_and_then_the_others(
    make_hub: MakeHub, file: Path, tmp_path: Path
) -> None:
    hub = make_hub().start()
    # The second camera downloads the release, but does not install it.
    cameras, dids = enrolled(hub, tmp_path, 4, failing=1)
    given = hub.cli("firmware", "give", add_release(hub, file), *dids).strip()
    with hub.sync_client(headers=hub.add_api_key()) as client:
        async with trio.open_nursery() as nursery:
            first, failing, *others = cameras
            for other in (failing, *others):
                nursery.start_soon(live, other)
            await until(lambda: online(client) == 3)
            # They query at once, and are offered nothing yet.
            assert set(states(client, given).values()) == {"waiting"}
            nursery.start_soon(live, first)
            await until(lambda: set(states(client, given).values()) == {"done", "downloaded"})
            assert states(client, given)[dids[1]] == "downloaded"
            assert campaign(hub, given)["state"] == "rest"
            nursery.cancel_scope.cancel()
    downloads = json.loads(hub.cli("firmware", "downloads", "--json"))
    assert {one["did"] for one in downloads} == set(dids)
    assert hub.stop() == 0


def enrolled(
    hub: HubProcess, tmp_path: Path, count: int, *, failing: int | None = None
) -> tuple[list[SimulatedCamera], list[str]]:
    """Enrol simulated cameras; return them and their dids."""
    identities = make_cameras(count, seed=3, one_key=True)
    key = tmp_path / "site.pem"
    key.write_text(identities[0].public_pem())
    hub.cli("site-key", str(key))
    dids = [
        hub.cli("device", "add", "--sn", one.sn, "--code", one.code).strip() for one in identities
    ]
    cameras = [
        simulated(one, hub, number, ("fails-upgrade",) if number == failing else ())
        for number, one in enumerate(identities)
    ]
    return cameras, dids


def simulated(
    identity: CameraIdentity, hub: HubProcess, number: int, faults: tuple[str, ...]
) -> SimulatedCamera:
    return SimulatedCamera(
        identity,
        HubEndpoint("127.0.0.1", ws_port=hub.device_port, http_port=hub.web_port),
        population=make_population(0),
        now=time.time,
        rng=random.Random(number),
        on_event=lambda event: None,
        quirks=quirks_of(faults),
        timing=Timing(connect_retry_seconds=0.2, restart_seconds=0.1, upgrade_check_seconds=0.2),
    )


async def live(camera: SimulatedCamera) -> None:
    """Run until cancelled; then close the connections, however the test ends."""
    try:
        await camera.run()
    finally:
        await camera.aclose()


def online(client: httpx.Client) -> int:
    devices = client.get("/api/hub/v1/devices").json()["items"]
    return sum(one["state"] == "online" for one in devices)


async def until(condition: Callable[[], bool]) -> None:
    with trio.fail_after(TIMEOUT_SECONDS):
        while not await trio.to_thread.run_sync(condition):  # noqa: ASYNC110 - another process
            await trio.sleep(0.05)


@pytest.mark.browser
async def test_a_campaign_is_started_and_watched_on_its_page(
    staffed_hub: HubProcess, browser: Browser, tmp_path: Path
) -> None:
    large = tmp_path / "app.bin"
    large.write_bytes(FILE * 8)
    cameras, dids = enrolled(staffed_hub, tmp_path, 3)
    async with trio.open_nursery() as nursery:
        for camera in cameras:
            nursery.start_soon(live, camera)
        with staffed_hub.sync_client(headers=staffed_hub.add_api_key()) as client:
            await until(lambda: online(client) == 3)
            await trio.to_thread.run_sync(start_and_watch, browser, staffed_hub, large, dids)
            assert states(client, "1") == dict.fromkeys(dids, "done")
        nursery.cancel_scope.cancel()


def start_and_watch(browser: Browser, hub: HubProcess, file: Path, dids: list[str]) -> None:
    browser.sign_in(hub, "ada")
    browser.open(f"{hub.url}/cameras")
    browser.click('.tabs a[href="/cameras/firmware"]')
    browser.wait_for_text("No firmware yet")
    browser.fill("ver_name", "V2.0")
    browser.fill("ver_code", "453523")
    browser.fill("reports.swVer", "V2.0")
    Select(browser.find('[name="type_1"]')).select_by_visible_text("App")
    browser.find('[name="file_1"]').send_keys(str(file))
    browser.click(".form .button-main")
    browser.wait_for_text("The release was added.")
    browser.wait_for_text(hashlib.sha256(FILE * 8).hexdigest())

    browser.click('.head .button-main[href="#give"]')
    Select(browser.find('[name="first"]')).select_by_value(dids[1])
    browser.click("[data-select-all]")
    browser.click(".campaign-start .button-main")
    browser.wait_for_text("the hub cannot restore the old one")
    browser.click(".actions .button-bad")
    browser.wait_for_text("The campaign has started.")
    # From here on the page updates itself.
    steps = watch(browser, dids[1])
    browser.wait_for_text("Updating the others")
    assert steps[0] in ("Waiting", "Offered", "Downloading")
    assert "Downloading" in steps
    assert steps[-1] == "Done"
    browser.wait_for_text("All cameras in this campaign are updated.")
    browser.wait_for_text("3 of 3")
    assert not browser.find_all('form [formaction$="/pause"]')

    browser.open(f"{hub.url}/cameras/{dids[0]}")
    browser.wait_for_text("Firmware V2.0")
    browser.open(f"{hub.url}/cameras/firmware")
    browser.wait_for_text("Installed on 3 of 3 cameras")
    assert browser.console_errors() == []


def watch(browser: Browser, did: str) -> list[str]:
    """Return the states that a camera's row shows, up to Done."""
    steps: list[str] = []
    script = f"return document.querySelector('tr[data-key=\"{did}\"] .state').innerText"

    def is_done() -> bool:
        state = str(browser.driver.execute_script(script))
        if steps[-1:] != [state]:
            steps.append(state)
        return state == "Done"

    browser.wait_until(is_done, "the first camera does not finish")
    return steps
