"""Real NATS servers on the loopback address, and what is in their streams.

The one with batches comes with the extra `servers`; one without them (2.11 or earlier,
e.g. Debian's) is found in the search path, or named by `SITEHUB_OLD_NATS_SERVER`. A test that needs
one that is not there is skipped.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import msgspec
import pytest
from nats.aio.client import Client
from nats.js.api import AckPolicy, ConsumerConfig

from tests.support.listening import wait_for_port
from tests.support.ports import free_port, free_ports

_START_SECONDS = 20.0
_SIGNAL = getattr(signal, "SIGKILL", signal.SIGTERM)


class Stored(msgspec.Struct):
    """A message of a stream."""

    seq: int
    subject: str
    headers: dict[str, str]
    data: bytes

    @property
    def kind(self) -> str:
        return self.subject.rsplit(".", 1)[1]

    @property
    def record_seq(self) -> int:
        return int(self.headers["Sitehub-Seq"])


class NatsServer:
    """A server with JetStream in `folder`, always on the same port."""

    def __init__(
        self, program: str, folder: Path, config: str = "", max_file_store: str = ""
    ) -> None:
        self.port = free_port()
        self._folder = folder
        self._program = program
        self._most = f", max_file_store: {max_file_store}" if max_file_store else ""
        self._config = folder / "nats.conf"
        self._process: subprocess.Popen[bytes] | None = None
        self.configure(config)

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def configure(self, config: str = "") -> None:
        """Set what comes beside the port and JetStream; for the next start."""
        store = (self._folder / "js").as_posix()
        self._config.write_text(
            f'listen: "127.0.0.1:{self.port}"\n'
            f'jetstream {{ store_dir: "{store}", sync_interval: always{self._most} }}\n'
            f"{config}\n"
        )

    def start(self) -> None:
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, "-c", str(self._config)], stdout=log, stderr=log
            )
        wait_for_port(self.port, _START_SECONDS)

    def kill(self) -> None:
        """End it as a power cut does."""
        if self._process is not None:
            self._process.send_signal(_SIGNAL)
            self._process.wait()
            self._process = None

    def stop_answering(self) -> None:
        """Let it run no more, with its connections open."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def read(self, stream: str, **login: str) -> list[Stored]:
        """Return all messages of a stream. Not in trio."""
        return asyncio.run(_read(self.url, stream, login))

    def take(self, stream: str, consumer: str, count: int) -> None:
        """Take messages for a consumer, and do not acknowledge them. Not in trio."""
        asyncio.run(_take(self.url, stream, consumer, count))

    def ask(self, subject: str, body: object = None, **login: str) -> dict[str, object]:
        """Return what the API of JetStream answers. Not in trio."""
        payload = b"" if body is None else msgspec.json.encode(body)
        return msgspec.json.decode(asyncio.run(_ask(self.url, subject, payload, login)))


async def _read(url: str, stream: str, login: dict[str, str]) -> list[Stored]:
    client = await _connected(url, login)
    try:
        js = client.jetstream()
        consumer = ConsumerConfig(ack_policy=AckPolicy.NONE)
        pull = await js.pull_subscribe("", stream=stream, config=consumer)
        found: list[Stored] = []
        # Asked each time: what expires meanwhile never comes.
        while len(found) < (await js.stream_info(stream)).state.messages:
            with suppress(TimeoutError):
                for message in await pull.fetch(500, timeout=1):
                    seq = message.metadata.sequence.stream
                    found.append(
                        Stored(seq, message.subject, dict(message.headers or {}), message.data)
                    )
        return found
    finally:
        await client.close()


async def _take(url: str, stream: str, consumer: str, count: int) -> None:
    client = await _connected(url, {})
    try:
        pull = await client.jetstream().pull_subscribe_bind(consumer, stream)
        await pull.fetch(count, timeout=30)
    finally:
        await client.close()


async def _ask(url: str, subject: str, payload: bytes, login: dict[str, str]) -> bytes:
    client = await _connected(url, login)
    try:
        return (await client.request(subject, payload, timeout=5)).data
    finally:
        await client.close()


async def _connected(url: str, login: dict[str, str]) -> Client:
    client = Client()
    await client.connect(url, allow_reconnect=False, **login)  # type: ignore[arg-type]
    return client


@contextmanager
def running_nats(
    folder: Path, *, old: bool = False, config: str = "", max_file_store: str = ""
) -> Iterator[NatsServer]:
    """Run a server; skip the test if there is none. `old`: one without batches."""
    program = _old_program() if old else _new_program()
    if program is None:
        version = "before 2.12" if old else "2.12 or later (extra 'servers')"
        pytest.skip(f"there is no nats-server {version}")
    folder.mkdir(exist_ok=True)
    server = NatsServer(program, folder, config, max_file_store)
    server.start()
    try:
        yield server
    finally:
        server.kill()


@cache
def _new_program() -> str | None:
    program = shutil.which("nats-server", path=sysconfig.get_path("scripts"))
    return program if program is not None and _version(program) >= (2, 12) else None


@cache
def _old_program() -> str | None:
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"])
    program = os.environ.get("SITEHUB_OLD_NATS_SERVER") or shutil.which("nats-server", path=path)
    return program if program is not None and _version(program) < (2, 12) else None


def _version(program: str) -> tuple[int, int]:
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    found = re.search(r"v(\d+)\.(\d+)", told.stdout)
    assert found is not None
    return int(found[1]), int(found[2])


@contextmanager
def running_cluster(folder: Path) -> Iterator[list[NatsServer]]:
    """Run three servers that replicate streams; skip the test if there is no server."""
    program = _new_program()
    if program is None:
        pytest.skip("there is no nats-server 2.12 or later (extra 'servers')")
    folder.mkdir(exist_ok=True)
    ports = free_ports(3)
    routes = ", ".join(f'"nats://127.0.0.1:{port}"' for port in ports)
    servers = []
    for number, port in enumerate(ports):
        (folder / f"{number}").mkdir()
        config = (
            f"server_name: n{number}\n"
            f'cluster {{ name: c, listen: "127.0.0.1:{port}", routes: [{routes}] }}'
        )
        servers.append(NatsServer(program, folder / f"{number}", config))
    try:
        for server in servers:
            server.start()
        yield servers
    finally:
        for server in servers:
            server.kill()
