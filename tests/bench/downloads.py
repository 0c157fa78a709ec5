"""Devices that download firmware, one file after another without a pause.

Run as `python -m tests.bench.downloads` with a `DownloadPlan` on stdin. It prints "ready" once all
devices download, stops at the end of stdin, and prints a `DownloadResult`.
"""

from __future__ import annotations

import http.client
import random
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from tests.bench.hub_process import HOST, Hub

_FILE_BYTES = 64 * 1024 * 1024
_READ_BYTES = 256 * 1024


class DownloadPlan(msgspec.Struct):
    """Which devices download, by their tokens; they query (2.3) on this port."""

    port: int
    tls: bool
    tokens: list[str]


class DownloadResult(msgspec.Struct):
    bytes: int
    seconds: float
    broken: int


def start_campaigns(hub: Hub, dids: Sequence[str]) -> None:
    """Add a release, and start one campaign per device, so that all download at once."""
    with TemporaryDirectory(prefix="sitehub-bench-") as directory:
        file = Path(directory) / "firmware.bin"
        file.write_bytes(random.Random(0).randbytes(_FILE_BYTES))
        _command(hub, "add", "--ver-code", "1", "--ver-name", "v1", "--firmware", str(file))
    for did in dids:
        _command(hub, "give", "1", did)


@contextmanager
def downloading(hub: Hub, tokens: Sequence[str]) -> Iterator[list[DownloadResult]]:
    """Devices download while the context lasts; its result is in the list afterwards."""
    plan = DownloadPlan(hub.web_port, hub.tls, list(tokens))
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.downloads"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    found: list[DownloadResult] = []
    process.stdin.write(msgspec.json.encode(plan) + b"\n")
    process.stdin.flush()
    process.stdout.readline()
    try:
        yield found
    finally:
        process.stdin.close()
        found.append(msgspec.json.decode(process.stdout.readline(), type=DownloadResult))
        process.stdout.close()
        process.wait(15)


class _Device:
    def __init__(self, plan: DownloadPlan, token: str, stop: threading.Event) -> None:
        self.bytes = 0
        self.broken = 0
        self.has_begun = threading.Event()
        self._plan = plan
        self._token = token
        self._stop = stop

    def run(self) -> None:
        while not self._stop.is_set():
            try:
                self._download(self._link())
            except (OSError, http.client.HTTPException, msgspec.DecodeError):
                self.broken += 1

    def _link(self) -> str:
        connection = self._connection()
        headers = {"Authorization": f"Bearer {self._token}"}
        connection.request("POST", "/api/v1/ota/query", b"{}", headers)
        answer = msgspec.json.decode(connection.getresponse().read())
        connection.close()
        url: str = answer["data"]["componentList"][0]["url"]
        return url[url.index("/api/") :]

    def _download(self, path: str) -> None:
        connection = self._connection()
        connection.request("GET", path)
        answer = connection.getresponse()
        if answer.status != 200:
            raise ConnectionRefusedError(answer.status)
        buffer = memoryview(bytearray(_READ_BYTES))
        while not self._stop.is_set() and (size := answer.readinto(buffer)):
            self.bytes += size
            self.has_begun.set()
        connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        if not self._plan.tls:
            return http.client.HTTPConnection(HOST, self._plan.port, timeout=30)
        context = ssl._create_unverified_context()
        return http.client.HTTPSConnection(HOST, self._plan.port, context=context, timeout=30)


def _command(hub: Hub, *words: str) -> None:
    command = [sys.executable, "-m", "hub", "firmware", *words, "--data", str(hub.data)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    plan = msgspec.json.decode(sys.stdin.buffer.readline(), type=DownloadPlan)
    stop = threading.Event()
    devices = [_Device(plan, token, stop) for token in plan.tokens]
    threads = [threading.Thread(target=device.run) for device in devices]
    for thread in threads:
        thread.start()
    for device in devices:
        device.has_begun.wait(30)
    print("ready", flush=True)
    started, before = time.perf_counter(), sum(device.bytes for device in devices)
    sys.stdin.buffer.readline()
    downloaded = sum(device.bytes for device in devices) - before
    seconds = time.perf_counter() - started
    stop.set()
    for thread in threads:
        thread.join(30)
    broken = sum(device.broken for device in devices)
    print(msgspec.json.encode(DownloadResult(downloaded, seconds, broken)).decode())


if __name__ == "__main__":
    main()
