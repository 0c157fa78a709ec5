"""Devices that download firmware, one after the other file without a pause.

Run as `python -m tests.bench.downloads` with a `Plan` on stdin; says "ready" once all of them
download, stops at the end of stdin, and gives `Downloaded` on stdout.
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

from tests.bench.hubprocess import HOST, Hub

_FILE_BYTES = 64 * 1024 * 1024
_READ_BYTES = 256 * 1024


class Plan(msgspec.Struct):
    """Where each device is given its links: it asks (2.3) with its token."""

    port: int
    tls: bool
    tokens: list[str]


class Downloaded(msgspec.Struct):
    bytes: int
    seconds: float
    broken: int


def give_firmware(hub: Hub, dids: Sequence[str]) -> None:
    """A release for these devices, each in a campaign of its own, so that all may go at once."""
    with TemporaryDirectory(prefix="sitehub-bench-") as directory:
        file = Path(directory) / "firmware.bin"
        file.write_bytes(random.Random(0).randbytes(_FILE_BYTES))
        _command(hub, "add", "--ver-code", "1", "--ver-name", "v1", "--firmware", str(file))
    for did in dids:
        _command(hub, "give", "1", did)


@contextmanager
def downloading(hub: Hub, tokens: Sequence[str]) -> Iterator[list[Downloaded]]:
    """Devices download as long as the context lasts; what they did is in the list then."""
    plan = Plan(hub.web_port, hub.tls, list(tokens))
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.downloads"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    found: list[Downloaded] = []
    process.stdin.write(msgspec.json.encode(plan) + b"\n")
    process.stdin.flush()
    process.stdout.readline()
    try:
        yield found
    finally:
        process.stdin.close()
        found.append(msgspec.json.decode(process.stdout.readline(), type=Downloaded))
        process.stdout.close()
        process.wait(15)


class _Device:
    def __init__(self, plan: Plan, token: str, stop: threading.Event) -> None:
        self.bytes = 0
        self.broken = 0
        self.began = threading.Event()
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
            self.began.set()
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
    plan = msgspec.json.decode(sys.stdin.buffer.readline(), type=Plan)
    stop = threading.Event()
    devices = [_Device(plan, token, stop) for token in plan.tokens]
    threads = [threading.Thread(target=device.run) for device in devices]
    for thread in threads:
        thread.start()
    for device in devices:
        device.began.wait(30)
    print("ready", flush=True)
    begun, before = time.perf_counter(), sum(device.bytes for device in devices)
    sys.stdin.buffer.readline()
    downloaded = sum(device.bytes for device in devices) - before
    seconds = time.perf_counter() - begun
    stop.set()
    for thread in threads:
        thread.join(30)
    broken = sum(device.broken for device in devices)
    print(msgspec.json.encode(Downloaded(downloaded, seconds, broken)).decode())


if __name__ == "__main__":
    main()
