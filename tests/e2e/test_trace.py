"""A device's frame trace, on the command line and by API."""

from __future__ import annotations

import json
import random
import subprocess
from itertools import islice
from typing import Any

import trio

from tests.e2e.camera import Camera, Capture, encode_request, request, try_connect, upload
from tests.e2e.conftest import MakeHub
from tests.e2e.hub_process import SITEHUB, TIMEOUT_SECONDS, HubProcess


def traced(hub: HubProcess, device: str) -> list[dict[str, Any]]:
    out = hub.cli("device", "trace", device, "--json")
    return [json.loads(line) for line in out.splitlines()]


def is_frame(entry: dict[str, Any]) -> bool:
    """False for uploads: without a token they are traced for every camera at their address."""
    return bool(entry["kind"] != "upload")


async def test_frames_are_traced_before_and_after_enrolment(
    hub: HubProcess, camera: Camera
) -> None:
    trust = hub.trust()
    assert await try_connect(hub.device_url, trust, camera.connect_frame()) == 421
    assert [f["kind"] for f in traced(hub, camera.sn) if is_frame(f)][:2] == ["request", "answer"]
    did = camera.enrol(hub)
    async with (
        camera.connect(hub.device_url, trust, did) as (socket, token),
        hub.client() as client,
    ):
        await request(
            socket, encode_request("/heartbeat", {"did": did, "phone": "13612345678"}, token)
        )
        body = Capture.random(random.Random(1), 500, 500, 500).body()
        assert await upload(client, token, body) == 200
        frames = traced(hub, did)
        by_api = await client.get(f"/api/hub/v1/devices/{did}/trace", headers=hub.add_api_key())
    codes = [f["code"] for f in frames if f["kind"] == "answer"]
    assert codes[0] == 421
    assert codes[-2:] == [200, 200]
    assert frames[-1]["uri"] == "POST /api/v1/adapter/lenfocus/face/capture"
    assert frames[-1]["size"] == len(body)
    assert [item["number"] for item in by_api.json()["items"]] == [f["number"] for f in frames]
    shown = json.dumps(frames) + by_api.text + hub.cli("device", "trace", did)
    assert token not in shown
    assert "13612345678" not in shown


def test_a_trace_can_be_followed_live(hub: HubProcess, camera: Camera) -> None:
    did = camera.enrol(hub)
    words = ("device", "trace", did, "--follow", "--json", "--data", str(hub.data_dir))
    with subprocess.Popen([*SITEHUB, *words], stdout=subprocess.PIPE, encoding="utf-8") as follower:
        assert follower.stdout is not None
        try:
            connect = camera.connect_frame(did)
            assert trio.run(try_connect, hub.device_url, hub.trust(), connect) == 200
            traced_frames = list(islice(filter(is_frame, map(json.loads, follower.stdout)), 2))
        finally:
            follower.kill()
    assert [(one["kind"], one["uri"]) for one in traced_frames] == [
        ("request", "/connect"),
        ("answer", "/connect"),
    ]
    assert traced_frames[1]["matched"] == traced_frames[0]["number"]
    assert traced_frames[1]["duration_ms"] >= 0


def test_a_trace_needs_a_running_hub(make_hub: MakeHub) -> None:
    hub = make_hub()
    done = subprocess.run(
        [*SITEHUB, "device", "trace", "1", "--data", str(hub.data_dir)],
        capture_output=True,
        encoding="utf-8",
        timeout=TIMEOUT_SECONDS,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "no hub runs on" in done.stderr
