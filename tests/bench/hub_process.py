"""A real hub in a temporary directory, and the process with its cameras."""

from __future__ import annotations

import http.client
import os
import secrets
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.bench.cameras import (
    AnsweredResult,
    ConnectedResult,
    HeartbeatResult,
    Identity,
    PeopleResult,
    Plan,
)
from tests.support.new_data import make_data
from tests.support.ports import free_port

HOST = "127.0.0.1"
CODE = "12345678"
_START_SECONDS = 30.0


class Hub:
    """A hub with its data directory, in which devices are enrolled.

    `program`: the command to start it with; `settings`: those that differ from the usual ones.
    """

    def __init__(
        self,
        directory: Path,
        *,
        tls: bool,
        devices: int,
        program: Sequence[str] = (),
        settings: Mapping[str, object] | None = None,
    ) -> None:
        self._program = tuple(program) or (sys.executable, "-m", "hub")
        self._settings = dict(settings or {})
        self.data = directory / "data"
        make_data(self.data)
        self.tls = tls
        self.web_port = free_port()
        self.device_port = free_port()
        self._log_path = directory / "hub.log"
        self._log = self._log_path.open("wb")
        self._process: subprocess.Popen[bytes] | None = None
        # One key for all devices, as vendors use for a series (D2).
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=1024)
        self.identities = [
            Identity(str(number), f"BENCH{number:010d}") for number in range(1, devices + 1)
        ]
        self._enrol(directory)

    def start(self) -> float:
        """Start the hub; return the seconds until /healthz answers."""
        settings = {
            "web.bind": HOST,
            "web.port": self.web_port,
            "web.tls": str(self.tls).lower(),
            "devices.bind": HOST,
            "devices.port": self.device_port,
            "devices.tls": str(self.tls).lower(),
            "devices.max_connections_per_address": 4096,
            "store.min_free_gb": 0,
            "log.level": "warning",
            **self._settings,
        }
        options = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
        started = time.perf_counter()
        self._process = subprocess.Popen(
            [*self._program, "run", "--data", str(self.data), *options],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )
        while not self._is_healthy():
            if self._process.poll() is not None or time.perf_counter() - started > _START_SECONDS:
                raise SystemExit(f"the hub did not start:\n{self._log_path.read_text()}")
            time.sleep(0.005)
        return time.perf_counter() - started

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(15)
            self._process = None

    def close(self) -> None:
        self.stop()
        self._log.close()

    def open_files(self) -> int:
        """The number of its descriptors (Linux)."""
        assert self._process is not None
        return len(os.listdir(f"/proc/{self._process.pid}/fd"))

    def resident_kib(self) -> int:
        """The resident memory of the process (Linux)."""
        assert self._process is not None
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1])

    def cpu_seconds(self) -> float:
        """The CPU time that the process has used, in user and kernel mode."""
        assert self._process is not None
        # proc(5): fields 14 and 15, counted after the name in brackets, which may contain spaces.
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def plan(self, cameras: int, *, first: int = 0) -> Plan:
        key = self._key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        identities = self.identities[first : first + cameras]
        return Plan(HOST, self.device_port, self.tls, key.decode(), CODE, identities)

    def bearer(self, *, read_only: bool = False) -> str:
        """Add an API key; return the value of the Authorization header."""
        words = ["apikey", "add", f"bench{secrets.token_hex(4)}", *["--read-only"] * read_only]
        key = msgspec.json.decode(self.run(*words), type=dict[str, str])
        return f"Bearer {key['appid']}:{key['secret']}"

    def administrator(self) -> tuple[str, str]:
        """Add an administrator; return name and password."""
        name, password = f"admin{secrets.token_hex(4)}", secrets.token_hex(8)
        words = ("user", "add", name, "--role", "admin", "--password-stdin")
        self.run(*words, stdin=password.encode())
        return name, password

    def _enrol(self, directory: Path) -> None:
        public = directory / "site.pem"
        public.write_bytes(
            self._key.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )
        rows = [f"{one.sn},{CODE},{one.did},," for one in self.identities]
        table = directory / "devices.csv"
        table.write_text("\n".join(["sn,code,did,name,key", *rows, ""]))
        self.run("site-key", str(public))
        self.run("device", "import", str(table))

    def run(self, *words: str, stdin: bytes = b"") -> bytes:
        """Run a command of `sitehub` on its data; return what it prints."""
        command = [*self._program, *words, "--data", str(self.data)]
        return subprocess.run(
            command, check=True, input=stdin, stdout=subprocess.PIPE, stderr=self._log
        ).stdout

    def _is_healthy(self) -> bool:
        context = ssl._create_unverified_context()
        connection = (
            http.client.HTTPSConnection(HOST, self.web_port, context=context, timeout=5)
            if self.tls
            else http.client.HTTPConnection(HOST, self.web_port, timeout=5)
        )
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()


@contextmanager
def running_hub(
    *,
    tls: bool,
    devices: int,
    program: Sequence[str] = (),
    settings: Mapping[str, object] | None = None,
) -> Iterator[Hub]:
    with TemporaryDirectory(prefix="sitehub-bench-") as directory:
        hub = Hub(Path(directory), tls=tls, devices=devices, program=program, settings=settings)
        try:
            hub.start()
            yield hub
        finally:
            hub.close()


class Cameras:
    """Controls the process that runs the cameras of a plan."""

    def __init__(self, plan: Plan) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.cameras"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._requests, self._results = self._process.stdin, self._process.stdout
        self._request(msgspec.json.encode(plan))

    def connect(self) -> ConnectedResult:
        return msgspec.json.decode(self._request(b"connect"), type=ConnectedResult)

    def beat(self, seconds: float) -> HeartbeatResult:
        return msgspec.json.decode(self._request(b"beat %f" % seconds), type=HeartbeatResult)

    def start_answering(self, seconds: float) -> None:
        """Let the cameras answer commands for so long; `answered` waits for the end."""
        self._send(b"answer %f" % seconds)

    def answered(self) -> int:
        return msgspec.json.decode(self._results.readline(), type=AnsweredResult).commands

    def start_taking_people(self, count: int, seconds: float) -> None:
        """Let the cameras connect and take so many people each; `taken` waits for the end."""
        self._send(b"people %d %f" % (count, seconds))

    def taken(self) -> PeopleResult:
        return msgspec.json.decode(self._results.readline(), type=PeopleResult)

    def tokens(self) -> list[str]:
        return msgspec.json.decode(self._request(b"tokens"), type=list[str])

    def close(self) -> None:
        self._requests.close()
        self._process.wait(15)
        self._results.close()

    def _request(self, line: bytes) -> bytes:
        self._send(line)
        return self._results.readline()

    def _send(self, line: bytes) -> None:
        self._requests.write(line + b"\n")
        self._requests.flush()


@contextmanager
def cameras_of(hub: Hub, count: int, *, first: int = 0) -> Iterator[Cameras]:
    cameras = Cameras(hub.plan(count, first=first))
    try:
        yield cameras
    finally:
        cameras.close()


def raise_limit_of_open_files() -> None:
    """A thousand cameras need a thousand sockets on each side."""
    if os.name == "posix":
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
