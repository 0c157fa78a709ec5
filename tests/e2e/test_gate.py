"""A gate is opened in a real Chromium, from wherever its camera is seen, and back to there."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from queue import SimpleQueue
from urllib.parse import urlsplit

import pytest
import trio

from hub.simulator.camera_web import CameraWeb, Pulse
from tests.e2e.browser import Browser
from tests.e2e.camera import Camera
from tests.e2e.hub_process import HubProcess
from tests.e2e.test_alarm_pages import Gate

pytestmark = pytest.mark.browser

_USER, _PASSWORD = "operator", "Kl9-gate"
_ASKS = 'button[name="switch"]'
_CANCEL = f"{_ASKS} + a.button"


@contextmanager
def _at_the_gate(hub: HubProcess, camera: Camera, did: str) -> Iterator[tuple[str, CameraWeb]]:
    """Keep a camera online within the block, with its own HTTP; yield its token and this."""
    scope, web = trio.CancelScope(), CameraWeb(_USER, _PASSWORD)
    begun: SimpleQueue[tuple[str, trio.lowlevel.TrioToken]] = SimpleQueue()

    async def run() -> None:
        with scope:
            async with (
                trio.open_nursery() as nursery,
                camera.connect(hub.device_url, hub.trust(), did) as (_, token),
            ):
                await nursery.start(web.serve)
                begun.put((token, trio.lowlevel.current_trio_token()))
                await trio.sleep_forever()

    thread = threading.Thread(target=trio.run, args=(run,), daemon=True)
    thread.start()
    token, loop = begun.get(timeout=60)
    try:
        yield token, web
    finally:
        trio.from_thread.run_sync(scope.cancel, trio_token=loop)
        thread.join()


@pytest.fixture
def gate(staffed_data: Path, tmp_path: Path) -> Iterator[tuple[Gate, str, CameraWeb]]:
    """A camera with a gate, its did, and its own HTTP. A demo lets it be of this computer."""
    shutil.copytree(staffed_data, tmp_path / "data")
    camera = Camera.make(tmp_path)
    with closing(HubProcess(tmp_path / "data", arguments=("--demo", "1"))) as hub:
        hub.start()
        did = camera.enrol(hub, "--name", "Car park")
        with _at_the_gate(hub, camera, did) as (token, web):
            relay = {"name": "Car park gate", "username": _USER, "password": _PASSWORD}
            with hub.sync_client(headers=hub.add_api_key()) as client:
                path = f"/api/hub/v1/devices/{did}/relay"
                assert client.put(path, json={**relay, "port": web.port}).is_success
            yield Gate(hub, token), did, web


def _where(browser: Browser) -> str:
    url = urlsplit(browser.driver.current_url)
    return url.path + (f"?{url.query}" if url.query else "")


def test_a_gate_is_opened_from_a_record_and_an_alarm_and_the_way_leads_back(
    gate: tuple[Gate, str, CameraWeb], browser: Browser
) -> None:
    camera, did, web = gate
    browser.sign_in(camera.hub)
    live = f"/?did={did}"
    browser.open(camera.hub.url + live)
    browser.find("[data-live-sign]:not([hidden])")
    # It comes while the page is open, so its card is the one that the stream brings.
    camera.sees("Ada")
    opens = f'a[href^="/cameras/{did}/relay?"]'

    browser.click("#wall .card-link")
    browser.click(f"#record-dialog {opens}")
    browser.wait_for_text("not a live one")
    assert web.relay == []
    browser.click(f'{_ASKS}[value="on"]')
    browser.wait_for_text("The camera confirmed it")
    record = _where(browser)
    assert record.startswith("/records/")
    assert record.endswith(f"?did={did}&done=relay-on&of={did}")
    assert web.relay == [Pulse(True, 5)]
    browser.click("[data-close]")
    browser.wait_until(lambda: _where(browser) == live, "not back on Live")

    browser.click(f".alarm {opens}")
    browser.click(_CANCEL)
    browser.wait_until(lambda: _where(browser) == live, "not back at the alarms")
    browser.click(".alarm h2 a")
    browser.click(f".alarm-now {opens}")
    browser.click(f'{_ASKS}[value="off"]')
    browser.wait_for_text("was switched off")
    assert _where(browser).startswith("/alarms/")

    browser.open(camera.hub.url + live)
    browser.click(f".wall-camera {opens}")
    browser.click(f'{_ASKS}[value="off"]')
    browser.wait_for_text("was switched off")
    assert _where(browser) == f"{live}&done=relay-off&of={did}"
    assert web.relay == [Pulse(True, 5), Pulse(False, 5), Pulse(False, 5)]
    assert browser.console_errors() == []
