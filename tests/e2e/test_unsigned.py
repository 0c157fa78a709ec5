"""Cameras without a signature against a real process (D12)."""

from __future__ import annotations

import re
import time
from contextlib import ExitStack
from typing import Any

import httpx

from hub.simulator.faults import Quirks
from hub.simulator.identity import make_cameras
from tests.e2e.browser import PASSWORD
from tests.e2e.conftest import MakeHub
from tests.e2e.fleet_thread import running_cameras
from tests.e2e.hub_process import HubProcess
from tests.e2e.load import RECORDS
from tests.e2e.waiting import wait_until

_DEVICES = "/api/hub/v1/devices"
_CAMERAS = 3
_TOKEN = re.compile(r'name="csrf_token" value="([0-9a-f]+)"')
#: On the page of a camera that came back by its secret address.
_OWN_ADDRESS = "Its serial number is refused elsewhere."
_ASK = ("devices.unsigned=ask", "devices.unsigned_networks=127.0.0.0/8")


class Administrator:
    """An administrator's session, over plain requests."""

    def __init__(self, hub: HubProcess, client: httpx.Client) -> None:
        hub.cli("user", "add", "ada", "--role", "admin", "--password-stdin", stdin=PASSWORD)
        self._client = client
        assert self.send("/sign-in", name="ada", password=PASSWORD) == 303

    def page(self, path: str) -> str:
        return self._client.get(path).text

    def send(self, path: str, **form: str) -> int:
        """Send a form with the token of the page that has it; return the status."""
        token = _TOKEN.findall(self.page(path))[0]
        return self._client.post(path, data={"csrf_token": token, **form}).status_code


def test_cameras_without_a_signature_are_approved_given_addresses_and_send_what_they_see(
    make_hub: MakeHub,
) -> None:
    hub = make_hub(*_ASK).start()
    cameras = make_cameras(_CAMERAS, seed=9)
    with ExitStack() as stack:
        client = stack.enter_context(hub.sync_client(headers=hub.add_api_key()))
        quirks = (Quirks(edition=3),)
        stack.enter_context(running_cameras(hub, cameras, rate=2, quirks=quirks))

        def accept(sn: str, code: str) -> int:
            """Accept it; 404 while it is between two connections."""
            return client.post(f"{_DEVICES}/waiting/{sn}/accept", json={"code": code}).status_code

        for camera in cameras:
            wait_until(lambda sn=camera.sn: accept(sn, "WRONG123") == 422)
            wait_until(lambda one=camera: accept(one.sn, one.code) == 200)

        def states() -> list[str]:
            return [one["state"] for one in client.get(_DEVICES).json()["items"]]

        wait_until(lambda: states() == ["online"] * _CAMERAS)

        def dids() -> list[str]:
            return [one["did"] for one in client.get(_DEVICES).json()["items"]]

        def newest() -> int:
            items = client.get(RECORDS, params={"limit": 1, "order": "desc"}).json()["items"]
            return int(items[0]["seq"])

        def senders(after: int = 0) -> set[str]:
            params = {"limit": 1000, "after": after}
            return {one["sn"] for one in client.get(RECORDS, params=params).json()["items"]}

        wait_until(lambda: senders() == {camera.sn for camera in cameras})
        ada = Administrator(hub, stack.enter_context(hub.sync_client()))
        for did in dids():
            # The next one only when this one is back.
            wait_until(
                lambda did=did: ada.send(f"/cameras/{did}/unsigned/address", confirmed="1") == 303
            )
            wait_until(lambda did=did: _OWN_ADDRESS in ada.page(f"/cameras/{did}/manage"))
        before = newest()
        wait_until(lambda: senders(after=before) == {camera.sn for camera in cameras})
        # Whoever connects as one of them while it is there is refused, and disturbs nothing.
        with running_cameras(hub, cameras[:1], rate=0.01, quirks=quirks):
            time.sleep(2)
            assert states() == ["online"] * _CAMERAS
    assert "Traceback" not in hub.err


def test_a_camera_that_is_sent_to_another_address_comes_back_there(make_hub: MakeHub) -> None:
    hub = make_hub(*_ASK).start()
    (camera,) = make_cameras(1, seed=9)
    with ExitStack() as stack:
        client = stack.enter_context(hub.sync_client(headers=hub.add_api_key()))
        stack.enter_context(running_cameras(hub, [camera], rate=1, quirks=(Quirks(edition=3),)))
        accept = f"{_DEVICES}/waiting/{camera.sn}/accept"
        wait_until(lambda: client.post(accept, json={"code": camera.code}).status_code == 200)

        def the_camera() -> Any:
            (found,) = client.get(_DEVICES).json()["items"]
            return found

        wait_until(lambda: the_camera()["state"] == "online")
        ada = Administrator(hub, stack.enter_context(hub.sync_client()))
        page = f"/cameras/{the_camera()['did']}/device/address"
        wired = {"dhcp": "0", "addr": "127.0.0.77", "mask": "255.0.0.0"}
        form = {**wired, "gateway": "0.0.0.0", "dns": "0.0.0.0"}
        assert ada.send(page, **form) == 200
        assert "The hub is waiting" not in ada.page(page)
        assert ada.send(page, **form, confirmed="1") == 303
        assert "The hub is waiting for the camera to reconnect through it." in ada.page(
            f"{page}/state"
        )
        wait_until(lambda: "The camera is back" in ada.page(f"{page}/state"))
        wait_until(lambda: the_camera()["state"] == "online")
        assert (the_camera()["ip"], the_camera()["suspect"]) == ("127.0.0.77", None)
        # What it sees comes from its new address, too.
        newest = client.get(RECORDS, params={"limit": 1, "order": "desc"}).json()["items"]
        params = {"after": newest[0]["seq"] if newest else 0}
        wait_until(lambda: bool(client.get(RECORDS, params=params).json()["items"]))
        # It is not expected where nobody has sent it: DHCP gives it another address.
        assert ada.send(page, **{**form, "dhcp": "1"}, confirmed="1") == 303
        wait_until(lambda: the_camera()["suspect"] == "address")
        assert "gets nothing until you accept its new address" in ada.page(f"{page}/state")
    assert "Traceback" not in hub.err
