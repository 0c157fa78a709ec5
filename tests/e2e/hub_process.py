"""A hub in its own process, on free ports, as it runs on an installation."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from contextlib import closing
from http.client import HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.forked_commands import ForkedProcess, can_fork, run_forked, start_forked
from tests.support.new_data import make_data
from tests.support.ports import free_ports

#: Generous, since many tests may run at once. No test measures it.
TIMEOUT_SECONDS = 30.0
_POLL_SECONDS = 0.02
#: Whether the certificate is right is asked by tests of it.
_UNVERIFIED = ssl._create_unverified_context()

#: The command under test: the executable named by $SITEHUB, or the package in this tree.
SITEHUB = (
    [str(Path(os.environ["SITEHUB"]).absolute())]
    if "SITEHUB" in os.environ
    else [sys.executable, "-m", "hub"]
)


#: The executable is tested as it is.
_CAN_FORK = can_fork() and "SITEHUB" not in os.environ
_WINDOWS = sys.platform == "win32"
#: Popen options for a process that `terminate` can signal: Windows signals whole groups.
NEW_PROCESS_GROUP: dict[str, Any] = (
    {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP} if _WINDOWS else {}
)


def terminate(
    process: subprocess.Popen[Any] | ForkedProcess, posix_signal: int = signal.SIGTERM
) -> None:
    """Send the signal; on Windows Ctrl-Break."""
    process.send_signal(signal.CTRL_BREAK_EVENT if _WINDOWS else posix_signal)


class HubProcess:
    """A hub with a data directory and settings; `start()` and `stop()` may alternate.

    `environment` is added to that of its processes, the commands included.
    """

    def __init__(
        self,
        data_dir: Path,
        settings: Sequence[str] = (),
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
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
        self.environment = dict(environment or {})
        self._process: subprocess.Popen[bytes] | ForkedProcess | None = None
        self.out_file = data_dir.with_suffix(".out")
        self.err_file = data_dir.with_suffix(".err")

    def command(self) -> list[str]:
        settings = [word for setting in self._settings for word in ("--set", setting)]
        data = ["--data", str(self.data_dir)]
        return [*SITEHUB, "run", *data, *settings, *self._arguments]

    def spawn(self, stderr: int | None = None) -> subprocess.Popen[bytes] | ForkedProcess:
        """Start the process without waiting until it serves."""
        if stderr is None and self._may_fork and self.command()[: len(SITEHUB)] == SITEHUB:
            words = self.command()[len(SITEHUB) :]
            self._process = start_forked(words, os.environ, self.out_file, self.err_file)
            return self._process
        with self.out_file.open("ab") as out, self.err_file.open("ab") as err:
            self._process = subprocess.Popen(
                self.command(),
                # As a service has none: in a terminal, SIGHUP ends the hub.
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err if stderr is None else stderr,
                env={**os.environ, **self.environment},
                **NEW_PROCESS_GROUP,
            )
        return self._process

    def start(self, stderr: int | None = None, *, accept_unwell: bool = False) -> HubProcess:
        """Start the process, and wait until /healthz answers 200, or is not "starting" any more."""
        process = self.spawn(stderr)
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while not (self.is_serving() if accept_unwell else self.is_healthy()):
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the hub did not start:\n{self.err}")
            time.sleep(_POLL_SECONDS)
        return self

    def stop(self, seconds: float = TIMEOUT_SECONDS) -> int:
        """Terminate the process; return its exit status."""
        terminate(self.process)
        return self.process.wait(seconds)

    def kill(self) -> None:
        """End the process with SIGKILL."""
        self.process.kill()
        self.process.wait(TIMEOUT_SECONDS)

    def close(self) -> None:
        """Kill the process if it still runs."""
        if self._process is not None and self._process.poll() is None:
            self.kill()

    @property
    def _may_fork(self) -> bool:
        # The libraries that some environments name are loaded when a program starts.
        return _CAN_FORK and not self.environment

    @property
    def process(self) -> subprocess.Popen[bytes] | ForkedProcess:
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
        """The setup link printed by the last start."""
        return re.findall(r"https?://\S+/setup/\S+", self.out)[-1]

    def trust(self) -> ssl.SSLContext:
        """A client context that trusts only this hub's own CA, as downloaded from /ca.crt."""
        answer = httpx.get(f"{self.url}/ca.crt", verify=False, timeout=TIMEOUT_SECONDS)
        return ssl.create_default_context(cadata=answer.text)

    def client(self, **options: Any) -> httpx.AsyncClient:
        options.setdefault("timeout", TIMEOUT_SECONDS)
        return httpx.AsyncClient(base_url=self.url, verify=self.trust(), **options)

    def sync_client(self, **options: Any) -> httpx.Client:
        """A synchronous client. Leaving a stream before its end fails in httpx under trio."""
        options.setdefault("timeout", TIMEOUT_SECONDS)
        return httpx.Client(base_url=self.url, verify=self.trust(), **options)

    def is_healthy(self) -> bool:
        status, _ = self._ask_healthz()
        return status == 200

    def is_serving(self) -> bool:
        status, text = self._ask_healthz()
        return status == 200 or (status != 0 and "starting" not in text)

    def _ask_healthz(self) -> tuple[int, str]:
        """The status and the text of the answer; 0 if there is none.

        By no client of httpx: it would be made and thrown away every 20 ms of a start.
        """
        with warnings.catch_warnings():
            # Python 3.11 leaves a socket open that is reset before its TLS handshake, as happens
            # while a hub starts or ends.
            warnings.simplefilter("ignore", ResourceWarning)
            try:
                with closing(
                    HTTPSConnection("127.0.0.1", self.web_port, timeout=5, context=_UNVERIFIED)
                ) as connection:
                    connection.request("GET", "/healthz")
                    answer = connection.getresponse()
                    return answer.status, answer.read().decode()
            except (OSError, HTTPException):
                return 0, ""

    def cli(self, *words: str, stdin: str = "", check: bool = True) -> str:
        """Run a command on the same data directory; return what it wrote to stdout."""
        words = (*words, "--data", str(self.data_dir))
        if self._may_fork:
            done = run_forked(words, os.environ, stdin, TIMEOUT_SECONDS)
        else:
            done = subprocess.run(
                [*SITEHUB, *words],
                input=stdin,
                capture_output=True,
                encoding="utf-8",
                timeout=TIMEOUT_SECONDS,
                env={**os.environ, **self.environment},
            )
        if check:
            assert done.returncode == 0, done.stderr
        return done.stdout

    def add_device(self, sn: str, code: str, key_pem: Path, *more: str) -> str:
        """Enrol a device; return its did."""
        words = ("--sn", sn, "--code", code, "--key", str(key_pem))
        return self.cli("device", "add", *words, *more).strip()

    def add_api_key(self, *words: str) -> dict[str, str]:
        """Add an API key; return the header that authenticates with it."""
        key = json.loads(self.cli("apikey", "add", "tests", *words))
        return {"Authorization": f"Bearer {key['appid']}:{key['secret']}"}


def copy_certificates(source: Path, data_dir: Path) -> None:
    """Reuse the certificates of another hub: generating RSA keys is slow."""
    data_dir.parent.mkdir(parents=True, exist_ok=True)
    make_data(data_dir)
    shutil.copytree(source / "tls", data_dir / "tls")
