"""The pages that only later cameras have, in a real Chromium (D12).

A camera is turned by mouse and keyboard, and always stops.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from hub.simulator.faults import Quirks
from hub.simulator.identity import make_cameras
from tests.e2e.browser import Browser
from tests.e2e.conftest import MakeHub
from tests.e2e.fleet_thread import running_cameras
from tests.e2e.hub_process import HubProcess
from tests.e2e.waiting import wait_until

pytestmark = pytest.mark.browser

_DEVICES = "/api/hub/v1/devices"
_ASK = ("devices.unsigned=ask", "devices.unsigned_networks=127.0.0.0/8")
_DIRECTIONS = {(1, 0): "up", (0, 1): "left", (0, -1): "right", (-1, 0): "down"}


@pytest.fixture
def asking_hub(make_hub: MakeHub, staffed_data: Path, tmp_path: Path) -> HubProcess:
    shutil.copytree(staffed_data, tmp_path / "data")
    return make_hub(*_ASK).start()


@pytest.fixture
def client(asking_hub: HubProcess) -> Iterator[httpx.Client]:
    """Calls the API of a hub with one camera of edition 3 online, whose did is 1."""
    hub = asking_hub
    with closing(hub.sync_client(headers=hub.add_api_key())) as client:
        (camera,) = make_cameras(1, seed=3)
        path, body = f"{_DEVICES}/waiting/{camera.sn}/accept", {"code": camera.code}
        with running_cameras(hub, [camera], rate=0.01, quirks=[Quirks(edition=3)]):
            wait_until(lambda: client.post(path, json=body).is_success)
            wait_until(lambda: client.get(f"{_DEVICES}/1").json()["state"] == "online")
            yield client


def told(client: httpx.Client) -> list[str]:
    """What the camera was told, in turn: directions, and "stop"."""
    found = []
    for frame in client.get(f"{_DEVICES}/1/trace").json()["items"]:
        if frame["direction"] == "out" and frame["uri"] == "/ptz/move_stop":
            found.append("stop")
        if frame["direction"] == "out" and frame["uri"] == "/ptz/move_start":
            param = json.loads(frame["text"])["data"]["param"]
            signs = tuple((param[name] > 0) - (param[name] < 0) for name in ("tiltUp", "panLeft"))
            found.append(_DIRECTIONS[signs])
    return found


def test_a_button_or_an_arrow_key_turns_the_camera_as_long_as_it_is_held(
    browser: Browser, asking_hub: HubProcess, client: httpx.Client
) -> None:
    browser.sign_in(asking_hub)
    browser.open(f"{asking_hub.url}/cameras/1/pan-tilt")
    browser.wait_for_text("Hold a button")
    mouse = ActionChains(browser.driver)
    mouse.click_and_hold(browser.find(".pad-left")).perform()
    wait_until(lambda: told(client) == ["left"])
    time.sleep(0.7)
    assert told(client) == ["left"]
    mouse.release().perform()
    wait_until(lambda: told(client) == ["left", "stop"])
    # The button has the focus now, so the arrow keys work.
    keys = ActionChains(browser.driver)
    keys.key_down(Keys.ARROW_UP).perform()
    wait_until(lambda: told(client)[2:] == ["up"])
    keys.key_up(Keys.ARROW_UP).perform()
    wait_until(lambda: told(client)[2:] == ["up", "stop"])
    # Who leaves the page lets go.
    mouse.click_and_hold(browser.find(".pad-down")).perform()
    wait_until(lambda: told(client)[4:] == ["down"])
    browser.open(f"{asking_hub.url}/cameras")
    wait_until(lambda: told(client)[4:] == ["down", "stop"])
    assert browser.console_errors() == []


def test_a_camera_stops_although_the_browser_can_not_tell_it(
    browser: Browser, asking_hub: HubProcess, client: httpx.Client
) -> None:
    browser.sign_in(asking_hub)
    browser.open(f"{asking_hub.url}/cameras/1/pan-tilt")
    browser.wait_for_text("Hold a button")
    browser.block("*/pan-tilt/release")
    mouse = ActionChains(browser.driver)
    mouse.click_and_hold(browser.find(".pad-right")).perform()
    wait_until(lambda: told(client) == ["right"])
    mouse.release().perform()
    wait_until(lambda: told(client) == ["right", "stop"])
    browser.wait_for_text("The camera is stopped automatically")


def test_a_camera_stops_when_the_finger_leaves_the_button_or_another_one_comes(
    browser: Browser, asking_hub: HubProcess, client: httpx.Client
) -> None:
    browser.sign_in(asking_hub)
    browser.open(f"{asking_hub.url}/cameras/1/pan-tilt")
    browser.wait_for_text("Hold a button")
    place = "const {x, y} = document.querySelector('.pad-left').getBoundingClientRect();"
    x, y = browser.driver.execute_script(f"{place} return [x + 20, y + 20]")

    def touch(kind: str, *fingers: tuple[int, int]) -> None:
        points = [{"x": x + dx, "y": y + dy, "id": n} for n, (dx, dy) in enumerate(fingers)]
        browser.driver.execute_cdp_cmd(
            "Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": points}
        )

    for number, (kind, *fingers) in enumerate(
        (
            ("End",),
            # Elsewhere on the page.
            ("Start", (0, 0), (250, 0)),
            ("Move", (0, 150)),
            ("Cancel",),
        )
    ):
        touch("Start", (0, 0))
        wait_until(lambda so_far=number: told(client)[2 * so_far :] == ["left"])
        # As a thumb does that lies there.
        touch("Move", (6, -4))
        touch(kind, *fingers)
        wait_until(lambda so_far=number: told(client)[2 * so_far :] == ["left", "stop"])
        if fingers:
            touch("End")
    assert told(client) == ["left", "stop"] * 4
    assert browser.console_errors() == []


def test_who_opens_a_page_that_waits_for_the_camera_is_told_so(
    browser: Browser, asking_hub: HubProcess, client: httpx.Client
) -> None:
    browser.sign_in(asking_hub, "ada")
    browser.open(f"{asking_hub.url}/cameras/1/settings")
    # As if the page were long in coming.
    browser.driver.execute_script("addEventListener('click', (event) => event.preventDefault())")
    assert not browser.has_text("Asking the camera")
    browser.click('.tabs a[href$="/manage"]')
    browser.click('.camera-parts a[href$="/device"]')
    browser.wait_for_text("Asking the camera")
    browser.open(f"{asking_hub.url}/cameras/1/device")
    assert not browser.has_text("Asking the camera")
    assert len(browser.find_all("a[data-waits]")) == 6
