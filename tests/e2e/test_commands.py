"""The command line: commands to a running hub, and hubs that cannot start."""

from __future__ import annotations

import json
import os
import re
import socket
import ssl
import stat
import subprocess
import sys
import time
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import httpx
import pytest
import trio

from tests.e2e.camera import Camera, read_until_closed
from tests.e2e.conftest import MakeHub
from tests.e2e.hub_process import SITEHUB, TIMEOUT_SECONDS, HubProcess


def fail_to_start(hub: HubProcess) -> str:
    """Run a hub that cannot start; return the only line that it writes to stderr."""
    assert hub.spawn().wait(TIMEOUT_SECONDS) == 1
    lines = [line for line in hub.err.splitlines() if line.startswith("sitehub: ")]
    assert "Traceback" not in hub.err
    assert hub.err.splitlines()[-1:] == lines
    return lines[0]


def test_a_start_prints_addresses_paths_and_fingerprint(make_hub: MakeHub) -> None:
    hub = make_hub().start()
    out = hub.out
    assert f"https://127.0.0.1:{hub.web_port}/" in out
    assert f"wss://127.0.0.1:{hub.device_port}/" in out
    assert str(hub.data_dir) in out
    assert re.search(r"SHA-256 ([0-9A-F]{2}:){31}[0-9A-F]{2}\n", out)
    shown = ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", hub.web_port)))
    in_browsers = sha256(shown).digest().hex(":").upper()
    assert f"in browsers   SHA-256 {in_browsers}\n" in out
    assert f"Certificate SHA-256 {in_browsers}\n" in hub.cli("status")
    answer = httpx.get(hub.setup_link, verify=hub.trust())
    assert answer.status_code == 200
    assert (hub.data_dir / "sitehub.toml").read_text("utf-8").count("# ") > 30
    assert "sitehub.log" in os.listdir(hub.data_dir / "logs")


def test_no_setup_link_is_printed_once_there_is_an_administrator(make_hub: MakeHub) -> None:
    hub = make_hub()
    hub.cli("user", "add", "anna", "--role", "admin", "--password-stdin", stdin="correct horse")
    assert "/setup/" not in hub.start().out


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no file modes")
def test_secret_files_are_readable_by_their_owner_only(make_hub: MakeHub) -> None:
    hub = make_hub().start()
    for name in ("control.json", "hub.key", "hub.sqlite"):
        assert stat.S_IMODE((hub.data_dir / name).stat().st_mode) == 0o600, name
    for key in (hub.data_dir / "tls").glob("*.key"):
        assert stat.S_IMODE(key.stat().st_mode) == 0o600, key
    assert hub.stop() == 0
    assert not (hub.data_dir / "control.json").exists()


async def test_commands_to_a_running_hub_take_effect_at_once(
    hub: HubProcess, camera: Camera
) -> None:
    did = camera.enrol(hub, "--name", "Gate")
    headers = hub.add_api_key()
    async with (
        hub.client(headers=headers) as client,
        camera.connect(hub.device_url, hub.trust(), did) as (connection, _),
    ):
        device = (await client.get(f"/api/hub/v1/devices/{did}")).json()
        assert (device["name"], device["state"]) == ("Gate", "online")
        before = time.monotonic()
        await trio.to_thread.run_sync(hub.cli, "device", "disable", did)
        with trio.fail_after(TIMEOUT_SECONDS):
            await read_until_closed(connection)
        assert (await client.get(f"/api/hub/v1/devices/{did}")).json()["state"] == "disabled"
        assert time.monotonic() - before < TIMEOUT_SECONDS
        [key] = [
            k for k in json.loads(hub.cli("apikey", "list", "--json")) if k["appid"] in str(headers)
        ]
        hub.cli("apikey", "remove", key["appid"])
        assert (await client.get("/api/hub/v1/devices")).status_code in (401, 422)


def test_a_command_that_the_running_hub_refuses_prints_one_line_and_exits_1(
    hub: HubProcess,
) -> None:
    done = subprocess.run(
        [*SITEHUB, "device", "remove", "4711", "--data", str(hub.data_dir)],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "sitehub: there is no device with did 4711\n"


def test_the_control_channel_refuses_clients_without_the_secret(hub: HubProcess) -> None:
    port = json.loads((hub.data_dir / "control.json").read_bytes())["port"]
    for secret in ("", "x", "é"):
        request = {"secret": secret, "operation": {"operation": "user.list"}}
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(json.dumps(request).encode() + b"\n")
            assert client.makefile().read() == '{"fault":"not authorised"}\n'
    for rubbish in (b"\n", b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 500 + b"\n", b"[" * 500 + b"\n"):
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(rubbish)
            assert client.makefile().read() == '{"fault":"not authorised"}\n'
    assert hub.is_healthy()


def test_a_second_hub_on_the_same_data_directory_is_refused(make_hub: MakeHub) -> None:
    first = make_hub().start()
    second = make_hub(data_dir=first.data_dir)
    second.err_file = first.err_file.with_suffix(".second")
    fault = fail_to_start(second)
    # An executable has two processes; the message may name the inner one.
    assert f"a hub is already running on {first.data_dir} (process " in fault
    assert first.is_healthy()


def test_a_bad_setting_stops_the_start(make_hub: MakeHub) -> None:
    fault = fail_to_start(make_hub("web.max_body_mb=lots"))
    assert fault == (
        "sitehub: bad setting web.max_body_mb = lots (from --set): "
        "allowed is a whole number from 1 to 256"
    )


@pytest.mark.parametrize("port", ["web", "devices"])
def test_a_port_in_use_is_reported_with_the_process_that_has_it(
    make_hub: MakeHub, port: str
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        fault = fail_to_start(make_hub(f"{port}.port={number}"))
    assert f"port {number}" in fault
    if sys.platform == "linux":
        assert str(os.getpid()) in fault


@pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() == 0, reason="root may write everywhere"
)
def test_a_data_directory_without_write_permission_is_reported(
    make_hub: MakeHub, tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir(mode=0o500)
    fault = fail_to_start(make_hub(data_dir=tmp_path / "data"))
    assert "cannot write to the data directory" in fault


def test_an_invalid_certificate_is_reported(make_hub: MakeHub, tmp_path: Path) -> None:
    broken = tmp_path / "cert.pem"
    broken.write_text("nothing")
    fault = fail_to_start(make_hub(f"tls.cert={broken}", f"tls.key={broken}"))
    assert str(broken) in fault


def test_a_corrupt_database_stops_the_start(make_hub: MakeHub) -> None:
    hub = make_hub()
    (hub.data_dir / "hub.sqlite").write_bytes(b"this is no database at all" * 100)
    fault = fail_to_start(hub)
    assert "hub.sqlite" in fault


def test_a_signal_during_the_start_ends_the_hub(make_hub: MakeHub) -> None:
    hub = make_hub()
    hub.spawn()
    while not (hub.data_dir / "hub.sqlite").exists():
        assert hub.process.poll() is None
        time.sleep(0.005)
    assert hub.stop() == 0


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX calls fill the pipe")
def test_a_full_console_pipe_blocks_neither_the_hub_nor_its_shutdown(
    make_hub: MakeHub,
) -> None:
    reading, writing = os.pipe()
    try:
        os.set_blocking(writing, False)
        with suppress(BlockingIOError):
            while True:
                os.write(writing, b"." * 4096)
        os.set_blocking(writing, True)
        hub = make_hub("log.level=debug").start(stderr=writing)
        assert hub.stop(10) == 0
        assert "the hub has stopped" in (hub.data_dir / "logs" / "sitehub.log").read_text("utf-8")
    finally:
        os.close(reading)
        os.close(writing)
