"""A real hub in a directory of its own, as a user would run it."""

from __future__ import annotations

import http.client
import os
import secrets
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.bench.cameras import Answered, Beaten, Connected, Identity, Plan

HOST = "127.0.0.1"
CODE = "12345678"
_START_SECONDS = 30.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


class Hub:
    """One data directory with enrolled devices, and the hub that runs on it."""

    def __init__(self, directory: Path, *, tls: bool, devices: int) -> None:
        self.data = directory / "data"
        self.tls = tls
        self.web_port = free_port()
        self.device_port = free_port()
        self._log_path = directory / "hub.log"
        self._log = self._log_path.open("wb")
        self._process: subprocess.Popen[bytes] | None = None
        # One key for all of them, as vendors burn one key pair into a series (D2).
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=1024)
        self.identities = [
            Identity(str(number), f"BENCH{number:010d}") for number in range(1, devices + 1)
        ]
        self._enrol(directory)

    def start(self) -> float:
        """Seconds until /healthz answers."""
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
        }
        options = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
        begun = time.perf_counter()
        self._process = subprocess.Popen(
            [*_command("run"), "--data", str(self.data), *options],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )
        while not self._is_well():
            if self._process.poll() is not None or time.perf_counter() - begun > _START_SECONDS:
                raise SystemExit(f"the hub did not start:\n{self._log_path.read_text()}")
            time.sleep(0.005)
        return time.perf_counter() - begun

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(15)
            self._process = None

    def close(self) -> None:
        self.stop()
        self._log.close()

    def resident_kib(self) -> int:
        """The memory that the process has, as Linux counts it."""
        assert self._process is not None
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1])

    def cpu_seconds(self) -> float:
        """What the process has used of the processors, in user and kernel mode."""
        assert self._process is not None
        # After the name in brackets, which may hold anything: utime and stime are 14 and 15.
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def plan(self, cameras: int) -> Plan:
        key = self._key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        identities = self.identities[:cameras]
        return Plan(HOST, self.device_port, self.tls, key.decode(), CODE, identities)

    def bearer(self) -> str:
        """A new API key, as it goes into a header."""
        key = msgspec.json.decode(self._run("apikey", "add", "bench"), type=dict[str, str])
        return f"Bearer {key['appid']}:{key['secret']}"

    def administrator(self) -> tuple[str, str]:
        """Name and password of a new one."""
        name, password = f"admin{secrets.token_hex(4)}", secrets.token_hex(8)
        words = ("user", "add", name, "--role", "admin", "--password-stdin")
        self._run(*words, said=password.encode())
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
        self._run("site-key", str(public))
        self._run("device", "import", str(table))

    def _run(self, *words: str, said: bytes = b"") -> bytes:
        command = [*_command(*words), "--data", str(self.data)]
        return subprocess.run(
            command, check=True, input=said, stdout=subprocess.PIPE, stderr=self._log
        ).stdout

    def _is_well(self) -> bool:
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
def running_hub(*, tls: bool, devices: int) -> Iterator[Hub]:
    with TemporaryDirectory(prefix="sitehub-bench-") as directory:
        hub = Hub(Path(directory), tls=tls, devices=devices)
        try:
            hub.start()
            yield hub
        finally:
            hub.close()


class Cameras:
    """The process with the cameras of a plan."""

    def __init__(self, plan: Plan) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.cameras"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._questions, self._answers = self._process.stdin, self._process.stdout
        self._ask(msgspec.json.encode(plan))

    def connect(self) -> Connected:
        return msgspec.json.decode(self._ask(b"connect"), type=Connected)

    def beat(self, seconds: float) -> Beaten:
        return msgspec.json.decode(self._ask(b"beat %f" % seconds), type=Beaten)

    def start_answering(self, seconds: float) -> None:
        """Let them answer commands; `answered` waits for the end of it."""
        self._tell(b"answer %f" % seconds)

    def answered(self) -> int:
        return msgspec.json.decode(self._answers.readline(), type=Answered).commands

    def tokens(self) -> list[str]:
        return msgspec.json.decode(self._ask(b"tokens"), type=list[str])

    def close(self) -> None:
        self._questions.close()
        self._process.wait(15)
        self._answers.close()

    def _ask(self, line: bytes) -> bytes:
        self._tell(line)
        return self._answers.readline()

    def _tell(self, line: bytes) -> None:
        self._questions.write(line + b"\n")
        self._questions.flush()


@contextmanager
def cameras_of(hub: Hub, count: int) -> Iterator[Cameras]:
    cameras = Cameras(hub.plan(count))
    try:
        yield cameras
    finally:
        cameras.close()


def _command(*words: str) -> Sequence[str]:
    return [sys.executable, "-m", "hub", *words]


def raise_limit_of_open_files() -> None:
    """A thousand cameras are a thousand sockets on either side."""
    if os.name == "posix":
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
