"""status, doctor and logs of real processes: beside a hub under load, killed, and stopped."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.e2e.camera import Camera
from tests.e2e.conftest import MakeHub
from tests.e2e.hub_process import SITEHUB, TIMEOUT_SECONDS, HubProcess
from tests.e2e.load import UploadLoad


def examine(hub: HubProcess, *words: str) -> dict[str, list[dict[str, Any]]]:
    """The findings of the doctor by their check. It gets the hub's settings as its environment."""
    settings = {
        "SITEHUB_WEB_PORT": str(hub.web_port),
        "SITEHUB_DEVICES_PORT": str(hub.device_port),
        "SITEHUB_STORE_MIN_FREE_GB": "0",
    }
    done = subprocess.run(
        [*SITEHUB, "doctor", "--json", *words, "--data", str(hub.data_dir)],
        capture_output=True,
        encoding="utf-8",
        timeout=TIMEOUT_SECONDS,
        env={**os.environ, **settings},
    )
    assert done.stderr == ""
    found: dict[str, list[dict[str, Any]]] = {}
    for finding in json.loads(done.stdout):
        found.setdefault(finding["check"], []).append(finding)
    has_failed = any(one["state"] == "failed" for some in found.values() for one in some)
    assert done.returncode == (1 if has_failed else 0)
    return found


def failures(found: dict[str, list[dict[str, Any]]]) -> list[str]:
    return [one["code"] for some in found.values() for one in some if one["state"] == "failed"]


async def test_the_doctor_reads_beside_a_hub_under_load_and_after_kill_9(
    make_hub: MakeHub, camera: Camera
) -> None:
    hub = make_hub().start()
    did = camera.enrol(hub)
    headers = hub.add_api_key()
    async with camera.connect(hub.device_url, hub.trust(), did) as (_, token):
        with UploadLoad(hub, token, senders=1) as load:
            await trio.to_thread.run_sync(load.wait_acknowledged, 30)
            found = await trio.to_thread.run_sync(examine, hub)
            more = len(load.acknowledged) + 5
            await trio.to_thread.run_sync(load.wait_acknowledged, more)
            hub.kill()
    assert failures(found) == []
    assert found["hub"][0]["code"] == "hub-running"
    assert {one["code"] for one in found["ports"]} == {"port-open"}
    found = examine(hub)
    assert failures(found) == []
    assert found["hub"][0]["code"] == "hub-stopped"
    assert int(found["records"][0]["args"]["count"]) >= len(load.acknowledged)
    # What it read with is no obstacle to the start, and nothing is lost.
    hub.start()
    async with hub.client(headers=headers) as client:
        await load.check_stored(client)
    assert hub.stop() == 0
    before = {path.name: path.read_bytes() for path in hub.data_dir.glob("hub.*")}
    assert failures(examine(hub)) == []
    assert {path.name: path.read_bytes() for path in hub.data_dir.glob("hub.*")} == before


def test_the_doctor_names_what_keeps_a_hub_from_starting(make_hub: MakeHub) -> None:
    hub = make_hub().start()
    assert hub.stop() == 0
    (hub.data_dir / "hub.key").write_text("00" * 32)
    with socket.create_server(("0.0.0.0", hub.web_port)):
        found = examine(hub, "--quick")
    assert failures(found) == ["port-unusable", "key-wrong"]
    assert str(hub.web_port) in found["ports"][0]["text"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot stop a process for a while")
def test_a_hub_that_does_not_respond_is_told(make_hub: MakeHub) -> None:
    hub = make_hub().start()
    os.kill(hub.process.pid, signal.SIGSTOP)
    try:
        status = json.loads(hub.cli("status", "--json", check=False))
        assert status["state"] == "not responding"
    finally:
        os.kill(hub.process.pid, signal.SIGCONT)


async def test_the_status_is_the_same_by_command_and_api(hub: HubProcess) -> None:
    async with hub.client(headers=hub.add_api_key()) as client:
        by_api = (await client.get("/api/hub/v1/status")).json()
    by_command = json.loads(hub.cli("status", "--json", check=False))
    assert set(by_api) == set(by_command)
    for field in ("state", "version", "since", "site", "dashboard", "devices"):
        assert by_api[field] == by_command[field]


def test_a_stopped_hub_is_not_running(make_hub: MakeHub) -> None:
    hub = make_hub()
    assert json.loads(hub.cli("status", "--json", check=False))["state"] == "not running"
    hub.start()
    assert json.loads(hub.cli("status", "--json"))["state"] == "ok"
    hub.kill()
    assert json.loads(hub.cli("status", "--json", check=False))["state"] == "not running"


def test_the_log_of_a_real_hub_is_followed(make_hub: MakeHub) -> None:
    hub = make_hub().start()
    command = [*SITEHUB, "logs", "--follow", "--lines", "9", "--data", str(hub.data_dir)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as follower:
        assert follower.stdout is not None
        assert hub.stop() == 0
        assert any(b"the hub has stopped" in line for line in iter(follower.stdout.readline, b""))
        follower.terminate()
    assert "the hub has stopped" in hub.cli("logs", "--level", "info")


def test_a_log_folder_without_files_is_told(tmp_path: Path) -> None:
    hub = HubProcess(tmp_path / "data")
    assert hub.cli("logs", check=False) == ""
