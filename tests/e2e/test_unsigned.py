"""Cameras without a signature against a real process (D12)."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from hub.simulator.faults import Quirks
from hub.simulator.identity import make_cameras
from tests.e2e.conftest import MakeHub
from tests.e2e.fleet_thread import running_cameras
from tests.e2e.hub_process import TIMEOUT_SECONDS
from tests.e2e.load import RECORDS

_DEVICES = "/api/hub/v1/devices"
_CAMERAS = 3
_ASK = ("devices.unsigned=ask", "devices.unsigned_networks=127.0.0.0/8")


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"still not true after {TIMEOUT_SECONDS} s")
        time.sleep(0.2)


def test_cameras_without_a_signature_are_approved_come_online_and_send_what_they_see(
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

        def senders() -> set[str]:
            records = client.get(RECORDS, params={"limit": 1000}).json()["items"]
            return {one["sn"] for one in records}

        wait_until(lambda: senders() == {camera.sn for camera in cameras})
        # Whoever connects as one of them while it is there is refused, and disturbs nothing.
        with running_cameras(hub, cameras[:1], rate=0.01, quirks=quirks):
            time.sleep(2)
            assert states() == ["online"] * _CAMERAS
    assert "Traceback" not in hub.err
