"""A hub as an installer has it: the command in a process of its own, on free ports."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

import httpx

#: Generous: a machine that runs many tests at once is slow. Nothing is measured by it.
PATIENCE_SECONDS = 30.0
_POLL_SECONDS = 0.02

#: The command under test: the executable that $SITEHUB names, else what lies here.
SITEHUB = (
    [str(Path(os.environ["SITEHUB"]).absolute())]
    if "SITEHUB" in os.environ
    else [sys.executable, "-m", "hub"]
)


_WINDOWS = sys.platform == "win32"
#: How a process is started that `end` shall end: on Windows a signal goes to all of a group.
APART: dict[str, Any] = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP} if _WINDOWS else {}


def end(process: subprocess.Popen[Any], number: int = signal.SIGTERM) -> None:
    """By that signal, or what Windows has."""
    process.send_signal(signal.CTRL_BREAK_EVENT if _WINDOWS else number)


class HubProcess:
    """Start it with `start()`, stop it with `stop()`; in between it is like any hub."""

    def __init__(
        self, data_dir: Path, settings: Sequence[str] = (), arguments: Sequence[str] = ()
    ) -> None:
        self.data_dir = data_dir
        self.web_port, self.device_port = free_ports(2)
        self._settings = (
            f"web.port={self.web_port}",
            f"devices.port={self.device_port}",
            "web.bind=127.0.0.1",
            "devices.bind=127.0.0.1",
            "store.min_free_gb=0",
            *settings,
        )
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None
        self.out_file = data_dir.with_suffix(".out")
        self.err_file = data_dir.with_suffix(".err")

    def command(self) -> list[str]:
        settings = [word for setting in self._settings for word in ("--set", setting)]
        data = ["--data", str(self.data_dir)]
        return [*SITEHUB, "run", *data, *settings, *self._arguments]

    def spawn(self, stderr: int | None = None) -> subprocess.Popen[bytes]:
        """Start the process, and do not wait for anything."""
        with self.out_file.open("ab") as out, self.err_file.open("ab") as err:
            self._process = subprocess.Popen(
                self.command(), stdout=out, stderr=err if stderr is None else stderr, **APART
            )
        return self._process

    def start(self, stderr: int | None = None) -> HubProcess:
        """Start it, and wait until /healthz says that it serves."""
        process = self.spawn(stderr)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self.is_healthy():
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the hub did not start:\n{self.err}")
            time.sleep(_POLL_SECONDS)
        return self

    def stop(self, seconds: float = PATIENCE_SECONDS) -> int:
        """SIGTERM, or what Windows has; gives the exit status."""
        end(self.process)
        return self.process.wait(seconds)

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait(PATIENCE_SECONDS)

    def close(self) -> None:
        """At the end of a test, whatever became of it."""
        if self._process is not None and self._process.poll() is None:
            self.kill()

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    @property
    def out(self) -> str:
        return self.out_file.read_text("utf-8")

    @property
    def err(self) -> str:
        return self.err_file.read_text("utf-8")

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.web_port}"

    @property
    def device_url(self) -> str:
        return f"wss://127.0.0.1:{self.device_port}/"

    @property
    def setup_link(self) -> str:
        """The one-time link that the last start printed."""
        return re.findall(r"https?://\S+/setup/\S+", self.out)[-1]

    def trust(self) -> ssl.SSLContext:
        """A client's context that trusts this hub's authority alone, as /ca.crt gives it."""
        ca_pem = httpx.get(f"{self.url}/ca.crt", verify=False).text
        return ssl.create_default_context(cadata=ca_pem)

    def client(self, **options: Any) -> httpx.AsyncClient:
        options.setdefault("timeout", PATIENCE_SECONDS)
        return httpx.AsyncClient(base_url=self.url, verify=self.trust(), **options)

    def blocking_client(self, **options: Any) -> httpx.Client:
        """For streams that are left before their end, which httpx cannot do well under trio."""
        options.setdefault("timeout", PATIENCE_SECONDS)
        return httpx.Client(base_url=self.url, verify=self.trust(), **options)

    def is_healthy(self) -> bool:
        try:
            return httpx.get(f"{self.url}/healthz", verify=False, timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def cli(self, *words: str, stdin: str = "", check: bool = True) -> str:
        """A command beside the hub; gives what it wrote to stdout."""
        done = subprocess.run(
            [*SITEHUB, *words, "--data", str(self.data_dir)],
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            timeout=PATIENCE_SECONDS,
        )
        if check:
            assert done.returncode == 0, done.stderr
        return done.stdout

    def add_device(self, sn: str, code: str, key_pem: Path, *more: str) -> str:
        """Enrol a device; gives its did."""
        words = ("--sn", sn, "--code", code, "--key", str(key_pem))
        return self.cli("device", "add", *words, *more).strip()

    def add_api_key(self) -> dict[str, str]:
        """Make a key; gives the header that it authenticates with."""
        key = json.loads(self.cli("apikey", "add", "tests"))
        return {"Authorization": f"Bearer {key['appid']}:{key['secret']}"}


def free_ports(count: int) -> list[int]:
    """Ports at which nobody listens; each is given once."""
    return list(islice(filter(_is_free, _PORTS), count))


def _candidates() -> Iterator[int]:
    """Below those that a system gives to whoever asks for any: nobody gets one before its use.

    Test runs that go on side by side begin at places of their own.
    """
    first, last = 10_000, 32_000
    start = random.randrange(first, last)
    return chain(range(start, last), range(first, start))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


_PORTS = _candidates()


def lend_certificates(source: Path, data_dir: Path) -> None:
    """Making RSA keys takes its time; one authority does for all hubs of a test run."""
    data_dir.mkdir(mode=0o700, parents=True)
    shutil.copytree(source / "tls", data_dir / "tls")
