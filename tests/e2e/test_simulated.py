"""Simulated cameras: `run --demo`, and `simulate` against a hub anywhere."""

from __future__ import annotations

import signal
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.hub_process import (
    NEW_PROCESS_GROUP,
    SITEHUB,
    TIMEOUT_SECONDS,
    HubProcess,
    copy_certificates,
    terminate,
)
from tests.e2e.load import RECORDS
from tests.e2e.waiting import wait_until

_MONTH = ("/storage/record_by_month", {"year": 2026, "month": 1})
_DAY = {"start_time": "2026-01-01 00:00:00", "end_time": "2026-01-02 00:00:00"}
_RECORDINGS = ("/storage/get_record_list", {**_DAY, "page_size": 10})
_ASK = """[devices]
unsigned = "ask"
unsigned_networks = "127.0.0.0/8"
"""


def test_the_demo_has_cameras_at_once_and_the_same_ones_after_a_restart(
    hub: HubProcess, tmp_path: Path
) -> None:
    data_dir = tmp_path / "data"
    copy_certificates(hub.data_dir, data_dir)
    with closing(HubProcess(data_dir, arguments=("--demo", "6"))) as demo:
        demo.start()
        wait_until(lambda: "6, 6 of them simulated" in demo.out)
        key = demo.add_api_key()
        with demo.sync_client(headers=key) as client:
            wait_until(lambda: [d["state"] for d in devices(client)] == ["online"] * 6)
            first = devices(client)
            wait_until(lambda: bool(client.get(RECORDS).json()["items"]))
            # They also answer commands, and have people in their face library.
            command = {"uri": "/person/list", "param": {"page_size": 5}}
            path = f"/api/hub/v1/devices/{first[0]['did']}/commands"
            people = client.post(path, json=command).json()["result"]
            assert len(people["list"]) == 5 < people["total"]
            # The register has the same people, so the cameras are kept in step from the start.
            register = client.get("/api/hub/v1/people").json()["items"]
            assert len(register) == people["total"]
            path = f"/api/hub/v1/devices/{first[0]['did']}/people"
            wait_until(lambda: client.get(path).json()["state"] == "managed")
            # They speak the editions in turn (D12).
            assert answers(client, *_RECORDINGS) == [0, 404, 0] * 2
            assert answers(client, *_MONTH) == [0, 404, 404] * 2
            assert open_doors(client) == [404, 404, 200, 404, 404, 404]
        assert demo.stop() == 0
        demo.start()
        with demo.sync_client(headers=key) as client:
            wait_until(lambda: [d["state"] for d in devices(client)] == ["online"] * 6)
            assert [d["sn"] for d in devices(client)] == [d["sn"] for d in first]
            assert answers(client, *_MONTH) == [0, 404, 404] * 2
            assert 200 in open_doors(client)
        assert demo.stop() == 0


def test_a_demo_in_the_data_of_another_hub_keeps_to_its_settings(
    hub: HubProcess, tmp_path: Path
) -> None:
    data_dir = tmp_path / "data"
    copy_certificates(hub.data_dir, data_dir)
    file = data_dir / "sitehub.toml"
    # Cameras that were enrolled with a signature never come without one.
    for text in ("[site]\n", _ASK):
        file.write_text(text)
        with closing(HubProcess(data_dir, arguments=("--demo", "3"))) as demo:
            demo.start()
            with demo.sync_client(headers=demo.add_api_key()) as client:
                wait_until(lambda: [d["state"] for d in devices(client)] == ["online"] * 3)
                assert answers(client, *_MONTH) == [0, 404, 0]
            assert demo.stop() == 0
        assert file.read_text() == text


def test_simulated_cameras_with_an_api_key_are_enrolled_and_finally_removed(
    hub: HubProcess, tmp_path: Path
) -> None:
    key_file = tmp_path / "key.json"
    key_file.write_text(hub.cli("apikey", "add", "acceptance"))
    with hub.sync_client(headers=hub.add_api_key()) as client:
        before = {device["did"] for device in devices(client)}
        with simulate(hub, "--cameras", "2", "--rate", "20", "--apikey-file", str(key_file)) as run:
            wait_until(lambda: [d["state"] for d in new(client, before)] == ["online"] * 2)
            for device in new(client, before):
                page = {"did": device["did"]}
                wait_until(lambda page=page: bool(client.get(RECORDS, params=page).json()["items"]))
            terminate(run)
            out, err = run.communicate(timeout=TIMEOUT_SECONDS)
        assert run.returncode == 0, err
        assert out.count(" is online") == 2
        assert "uploads accepted" in out.splitlines()[-1]
        assert not new(client, before)


def test_simulated_cameras_without_a_key_wait_until_their_csv_is_imported(
    hub: HubProcess, tmp_path: Path
) -> None:
    csv = tmp_path / "cameras.csv"
    with hub.sync_client(headers=hub.add_api_key()) as client:
        before = {device["did"] for device in devices(client)}
        with simulate(hub, "--cameras", "2", "--write-csv", str(csv)) as run:
            waiting = "/api/hub/v1/devices/waiting"
            wait_until(lambda: len(client.get(waiting).json()["items"]) >= 2)
            assert hub.cli("device", "import", str(csv)) == "2 devices enrolled\n"
            assert len(new(client, before)) == 2
            terminate(run, signal.SIGINT)
            run.communicate(timeout=TIMEOUT_SECONDS)
        assert run.returncode == 0
        for device in new(client, before):
            hub.cli("device", "remove", device["did"])


def test_an_unreachable_hub_is_reported_in_one_line(tmp_path: Path) -> None:
    key_file = tmp_path / "key.json"
    key_file.write_text('{"appid": "a", "secret": "b"}')
    words = ["simulate", "--hub", "127.0.0.1", "--web-port", "1", "--apikey-file", str(key_file)]
    done = subprocess.run([*SITEHUB, *words], capture_output=True, text=True)
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith("sitehub: cannot reach the hub at https://127.0.0.1:1")


def simulate(hub: HubProcess, *words: str) -> subprocess.Popen[str]:
    ports = ["--web-port", str(hub.web_port), "--device-port", str(hub.device_port)]
    return subprocess.Popen(
        [*SITEHUB, "simulate", "--hub", "127.0.0.1", *ports, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **NEW_PROCESS_GROUP,
    )


def open_doors(client: httpx.Client) -> list[int]:
    """Open the door of each camera; one of the demo has one, at its own HTTP."""
    paths = [f"/api/hub/v1/devices/{one['did']}/relay" for one in devices(client)]
    return [client.post(path).status_code for path in paths]


def answers(client: httpx.Client, uri: str, param: dict[str, Any]) -> list[int]:
    """The codes with which the cameras answer a command."""
    command = {"uri": uri, "param": param}
    paths = [f"/api/hub/v1/devices/{one['did']}/commands" for one in devices(client)]
    return [client.post(path, json=command).json()["code"] for path in paths]


def devices(client: httpx.Client) -> list[dict[str, str]]:
    found: list[dict[str, str]] = client.get("/api/hub/v1/devices").json()["items"]
    return found


def new(client: httpx.Client, before: set[str]) -> list[dict[str, str]]:
    return [device for device in devices(client) if device["did"] not in before]
