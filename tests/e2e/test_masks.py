"""Drawing privacy masks on the last picture of a camera of edition 3 (D12)."""

from __future__ import annotations

import time

import pytest
from selenium.webdriver.common.action_chains import ActionChains

from hub.simulator.faults import Quirks
from hub.simulator.identity import make_cameras
from tests.e2e.browser import PASSWORD, Browser
from tests.e2e.conftest import MakeHub
from tests.e2e.fleet_thread import running_cameras
from tests.e2e.hub_process import TIMEOUT_SECONDS

pytestmark = pytest.mark.browser

_DEVICES = "/api/hub/v1/devices"
_NUMBERS = "return [...document.querySelectorAll('[name$=\"0\"]')].map((one) => Number(one.value))"
_DRAWN = "[data-masks-areas] rect"


def test_an_area_is_drawn_sent_and_cleared(make_hub: MakeHub, browser: Browser) -> None:
    hub = make_hub("devices.unsigned=ask", "devices.unsigned_networks=127.0.0.0/8").start()
    hub.cli("user", "add", "ada", "--role", "admin", "--password-stdin", stdin=PASSWORD)
    (camera,) = make_cameras(1, seed=9)
    quirks = (Quirks(edition=3),)
    with (
        hub.sync_client(headers=hub.add_api_key()) as client,
        running_cameras(hub, [camera], rate=2, quirks=quirks),
    ):
        accept, body = f"{_DEVICES}/waiting/{camera.sn}/accept", {"code": camera.code}
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while client.post(accept, json=body).status_code != 200:
            assert time.monotonic() < deadline, "it cannot be accepted"
            time.sleep(0.2)
        while (device := client.get(_DEVICES).json()["items"][0])["state"] != "online":
            assert time.monotonic() < deadline, "it is not online"
            time.sleep(0.2)
        browser.sign_in(hub, "ada")

        def has_scene() -> bool:
            browser.open(f"{hub.url}/cameras/{device['did']}/device/masks")
            return bool(browser.find_all(".mask-drawable"))

        browser.wait_until(has_scene, "there is no picture to draw on")
        picture = browser.find("[data-masks-areas]")
        drag = ActionChains(browser.driver).move_to_element_with_offset(picture, -80, -40)
        drag.click_and_hold().move_by_offset(160, 80).release().perform()
        x, y, width, height = browser.driver.execute_script(_NUMBERS)
        # In pixels of the stream, which is 2560 wide, whatever the size on the screen is.
        scale = 2560 / picture.size["width"]
        assert x + width / 2 == pytest.approx(1280, abs=2 * scale)
        assert (width, height) == pytest.approx((160 * scale, 80 * scale), abs=2 * scale)
        assert len(browser.find_all(_DRAWN)) == 1
        browser.click('[name="enable"]')
        browser.click("form[data-masks] .button-main")
        browser.wait_for_text("The camera has applied the settings.")
        assert browser.driver.execute_script(_NUMBERS) == [x, y, width, height]
        browser.click("[data-masks-clear]")
        assert browser.find_all(_DRAWN) == []
    assert browser.console_errors() == []
    assert "Traceback" not in hub.err
