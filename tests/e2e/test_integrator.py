"""The clients and receivers of docs/integrator.md, run exactly as they stand there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random

import httpx
import pytest

from tests.e2e.camera import Camera, Capture, upload_sync
from tests.e2e.conftest import MakeHub
from tests.e2e.hub_process import HubProcess
from tests.e2e.test_targets import token_of
from tests.e2e.waiting import wait_until
from tests.support.photographer import photo
from tests.support.ports import free_ports

PAGE = Path(__file__).parents[2] / "docs" / "integrator.md"
LANGUAGES = ("python", "js")
_NODE = 20


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)


@contextmanager
def running(
    language: str, number: int, folder: Path, environment: Mapping[str, str]
) -> Iterator[Path]:
    """Run a block of the page; yield the file of what it writes."""
    if language == "python":
        command, name = [sys.executable], "program.py"
    else:
        node = shutil.which("node")
        if node is None:
            pytest.skip("node is not there")
        version = subprocess.run([node, "--version"], capture_output=True, text=True).stdout
        if int(version.strip("v\n").split(".")[0]) < _NODE:
            pytest.skip(f"node {version.strip()} is older than {_NODE}")
        command, name = [node], "program.mjs"
    (folder / name).write_text(blocks(language)[number], "utf-8")
    shown = folder / "shown"
    with shown.open("ab") as out, (folder / "errors").open("ab") as errors:
        process = subprocess.Popen(
            [*command, name],
            cwd=folder,
            env={**os.environ, "NODE_EXTRA_CA_CERTS": "ca.crt", **environment},
            stdout=out,
            stderr=errors,
        )
    try:
        yield shown
    finally:
        process.kill()
        process.wait()


def key_of(hub: HubProcess, folder: Path) -> dict[str, str]:
    """The environment of a client, whose folder gets what it reads."""
    (folder / "ca.crt").write_bytes(httpx.get(f"{hub.url}/ca.crt", verify=False).content)
    key = json.loads(hub.cli("apikey", "add", "client"))
    return {"HUB": hub.url, "APPID": key["appid"], "SECRET": key["secret"]}


@pytest.mark.skipif(sys.platform == "win32", reason="a file that is read cannot be replaced")
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_client_reads_each_record_once_whatever_stops_it_or_the_hub(
    language: str, make_hub: MakeHub, tmp_path: Path
) -> None:
    hub, rng = make_hub().start(), Random(3)
    folder = tmp_path / "client"
    folder.mkdir()
    (folder / "anna.jpg").write_bytes(photo(size=(300, 400)))
    environment = key_of(hub, folder)
    token = token_of(hub, Camera.make(tmp_path))

    def send(count: int) -> None:
        with hub.sync_client() as client:
            for _ in range(count):
                assert upload_sync(client, token, Capture.random(rng, 9, 9, 9).body()) == 200

    def seen() -> list[str]:
        lines = (folder / "shown").read_text("utf-8").splitlines()
        return [line.split()[0] for line in lines if not line.startswith("added")]

    send(2)
    with running(language, 0, folder, environment) as shown:
        wait_until(lambda: seen() == ["1", "2"])
        hub.kill()
        hub.start()
        send(1)
        wait_until(lambda: seen() == ["1", "2", "3"])
        # That it has the last one is written after the caller is done with it.
        wait_until(lambda: json.loads((folder / "cursor.json").read_text())[1] == 3)
    pid = shown.read_text("utf-8").split()[1]
    send(2)
    hub.cli("person", "remove", pid)
    with running(language, 0, folder, environment):
        wait_until(lambda: seen() == ["1", "2", "3", "4", "5"])
    with hub.sync_client(headers=hub.add_api_key()) as client:
        [person] = client.get("/api/hub/v1/people").json()["items"]
        assert (person["name"], person["work_id"]) == ("Anna", "A-7")
        assert client.get(person["photo"]).status_code == 200


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_receiver_takes_what_the_hub_signed_once_and_nothing_else(
    language: str, hub: HubProcess, tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}/in"
    target = json.loads(hub.cli("target", "add", "webhook", "--url", url, "--kinds", "access"))
    now = str(int(time.time())).encode()
    sent = {b"webhook-id": b"a", b"webhook-timestamp": now, b"webhook-signature": b"v1,A v1,\xe9"}
    environment = {"WEBHOOK_SECRET": target["secret"], "PORT": str(port)}
    with ExitStack() as stack:
        stack.callback(hub.cli, "target", "remove", str(target["id"]))
        shown = stack.enter_context(running(language, 1, tmp_path, environment))
        wait_until(lambda: "delivered" in hub.cli("target", "test", str(target["id"]), check=False))
        for headers in ({}, sent, {**sent, b"webhook-timestamp": b"now"}):
            answer = httpx.post(url, content=b"{}", headers=headers)
            assert answer.status_code == 401
    # Each test is a message of its own.
    [line] = shown.read_text("utf-8").splitlines()
    assert line.startswith("test ")


@pytest.mark.skipif(sys.platform == "win32", reason="the calls need bash")
def test_the_signed_calls_of_a_shell_are_taken(hub: HubProcess, tmp_path: Path) -> None:
    environment = {**os.environ, **key_of(hub, tmp_path)}
    for tool in ("bash", "curl", "openssl"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not there")
    [script] = blocks("sh")
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    assert '"sn":"CAM000000000001"' in done.stdout
    did = re.findall(r'"did":"(\d+)"', done.stdout)[-1]
    hub.cli("device", "remove", did)
