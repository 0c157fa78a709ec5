"""Run the executable as if on another machine, and print its size, start time, memory and CPU use.

    python packaging/smoke.py dist/sitehub

It runs from a directory of its own, with an empty environment, as another user (if we are root),
in a read-only current directory, and with blanks and Chinese characters in the path of its data.
The exit status is 1 if it does not work, or needs too much space on disk or in memory. Times and
CPU use above their limits are only marked: they depend on what else the machine does. 1 MB is a
million bytes.
"""

from __future__ import annotations

import math
import os
import random
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

MAX_MB = 30.0
MAX_START_SECONDS = 1.5
MAX_RESIDENT_MB = 75.0
MAX_RESIDENT_WITH_CAMERAS_MB = 88.0
#: Also with what browsers and programs ask, which is loaded when the first of them does.
MAX_RESIDENT_WITH_PAGES_MB = 99.0
MAX_CPU_PERCENT = 1.0
CAMERAS = 64

_WINDOWS = sys.platform == "win32"
_TIMEOUT_SECONDS = 60.0
_POLL_SECONDS = 0.01
_STARTS = 3
#: What the log says of a camera that has connected.
_IS_ONLINE = b" is online from "
#: After its connect, each camera uploads a capture.
_SETTLING_SECONDS = 10.0
#: Longer than an idle HTTP connection stays open (web/http).
_MEASURED_SECONDS = 80.0
#: The hub gives unused memory back so often (hub/process/memory.py), and a moment.
_RELEASING_SECONDS = 32.0
_TRUSTING = ssl._create_unverified_context()


class Figure(NamedTuple):
    what: str
    value: float
    limit: float
    unit: str
    #: Whether it depends on the build alone, and not on the load of the machine.
    is_certain: bool = False

    @property
    def is_met(self) -> bool:
        return self.value <= self.limit

    def __str__(self) -> str:
        verdict = "" if self.is_met else "   MISSED"
        return f"{self.what:<42} {self.value:8.2f} {self.unit:<4} at most {self.limit:g}{verdict}"


class Site:
    """A copy of the executable, with data and ports of its own."""

    def __init__(self, executable: Path, folder: Path) -> None:
        self.executable = folder / f"a copy of {executable.name}"
        self.data = folder / "现场 数据" / "data of the hub"
        self.nowhere = folder / "read-only"
        self.key_file = folder / "key.json"
        self.log_file = folder / "log"
        self.web_port, self.device_port = _free_ports()
        shutil.copy2(executable, self.executable)
        self.data.parent.mkdir()
        self.nowhere.mkdir(mode=0o555)
        self._user = _unprivileged_user()
        if self._user:
            for path in (folder, self.data.parent):
                os.chown(path, self._user["user"], self._user["group"])

    def options(self) -> dict[str, Any]:
        """Return an environment without our variables, except for two that Windows needs."""
        kept = {name: os.environ[name] for name in ("SYSTEMROOT", "TMP") if _WINDOWS}
        return {"env": {"PATH": "", **kept}, "cwd": self.nowhere, **self._user}

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        with self.log_file.open("ab") as log:
            streams = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
            return subprocess.Popen([str(self.executable), *words], **self.options(), **streams)

    def output_of(self, *words: str) -> str:
        """Run a command to its end, and return its output."""
        command = [str(self.executable), *words, "--data", str(self.data)]
        done = subprocess.run(command, **self.options(), capture_output=True, check=True)
        return done.stdout.decode()

    @contextmanager
    def hub(self) -> Iterator[tuple[subprocess.Popen[bytes], float]]:
        """Run a hub; yields its process, and the seconds until /healthz responded."""
        ports = (f"web.port={self.web_port}", f"devices.port={self.device_port}")
        settings = [word for setting in ports for word in ("--set", setting)]
        begin = time.monotonic()
        with _running(self.start("run", "--data", str(self.data), *settings)) as process:
            while not self._is_healthy():
                if process.poll() is not None or time.monotonic() - begin > _TIMEOUT_SECONDS:
                    raise SystemExit(f"the hub did not start:\n{self.log_file.read_text('utf-8')}")
                time.sleep(_POLL_SECONDS)
            yield process, time.monotonic() - begin

    @contextmanager
    def cameras(self) -> Iterator[None]:
        """Run connected cameras that are practically idle: their next captures are hours away.

        When the hub is started again, they connect again.
        """
        self.key_file.write_text(self.output_of("apikey", "add", "smoke"))
        self.key_file.chmod(0o644)
        words = ("simulate", "--hub", "127.0.0.1", "--cameras", str(CAMERAS), "--rate", "0.0001")
        ports = ("--web-port", str(self.web_port), "--device-port", str(self.device_port))
        key = ("--apikey-file", str(self.key_file))
        with _running(self.start(*words, *ports, *key)):
            self.wait_for_cameras(0)
            yield

    def wait_for_cameras(self, start: int) -> None:
        """Wait until the log says from byte `start` on that all are online, and a little longer."""
        deadline = time.monotonic() + _TIMEOUT_SECONDS
        while (online := self.log_file.read_bytes()[start:].count(_IS_ONLINE)) < CAMERAS:
            if time.monotonic() > deadline:
                raise SystemExit(f"{online} of {CAMERAS} cameras are online")
            time.sleep(0.2)
        time.sleep(_SETTLING_SECONDS)

    def _is_healthy(self) -> bool:
        try:
            self.get("/healthz")
        except OSError:
            return False
        return True

    def get(self, path: str) -> None:
        """Raises OSError if the answer is a refusal, or there is none."""
        url = f"https://127.0.0.1:{self.web_port}{path}"
        with urllib.request.urlopen(url, context=_TRUSTING, timeout=5) as answer:
            answer.read()


def _unprivileged_user() -> dict[str, Any]:
    if _WINDOWS or os.geteuid() != 0:
        return {}
    import pwd

    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _free_ports() -> list[int]:
    """Two ports below the ephemeral range, so that no client gets one, and above those of tests."""
    return list(islice(filter(_is_free, random.sample(range(32_000, 32_768), 100)), 2))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@contextmanager
def _running(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    try:
        yield process
    finally:
        if _WINDOWS:
            process.terminate()
        else:
            process.send_signal(signal.SIGTERM)
        process.wait(_TIMEOUT_SECONDS)


def _family(pid: int) -> list[int]:
    """Return the process ids of the bootloader and of the hub, its child."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(int(child) for child in children)]


def _resident_mb(pids: list[int]) -> float:
    """Return what the hub, the last of `pids`, and its bootloader use. A page counts once.

    All pages of the hub, and those of the bootloader that are its own: the rest of the bootloader's
    are the C library's, which the hub uses too.
    """
    pages = int(Path(f"/proc/{pids[-1]}/statm").read_text().split()[1])
    own_kb = sum(
        int(line.split()[1])
        for pid in pids[:-1]
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        if line.startswith("Private_")
    )
    return (pages * os.sysconf("SC_PAGE_SIZE") + own_kb * 1024) / 1e6


def _cpu_seconds(pids: list[int]) -> float:
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _started_again(site: Site) -> Figure:
    """Measure the fastest of a few starts; slower ones are due to the machine."""
    fastest = math.inf
    for _ in range(_STARTS):
        with site.hub() as (_, seconds):
            fastest = min(fastest, seconds)
    return Figure("/healthz after a second start", fastest, MAX_START_SECONDS, "s")


def _idle(site: Site) -> Iterator[Figure]:
    if not Path("/proc/self/statm").exists():
        print("memory and CPU are measured only on Linux")
        return
    with ExitStack() as cameras:
        with site.hub() as (process, _):
            pids = _family(process.pid)
            yield Figure("resident, no cameras", _resident_mb(pids), MAX_RESIDENT_MB, "MB", True)
            # Their enrolment is by the API.
            cameras.enter_context(site.cameras())
            site.get("/sign-in")
            time.sleep(_RELEASING_SECONDS)
            what = f"resident, {CAMERAS} cameras, and pages"
            yield Figure(what, _resident_mb(pids), MAX_RESIDENT_WITH_PAGES_MB, "MB", True)
        start = site.log_file.stat().st_size
        with site.hub() as (process, _):
            pids = _family(process.pid)
            site.wait_for_cameras(start)
            before = _cpu_seconds(pids)
            time.sleep(_MEASURED_SECONDS)
            percent = 100 * (_cpu_seconds(pids) - before) / _MEASURED_SECONDS
            load = f"idle with {CAMERAS} cameras"
            resident = _resident_mb(pids)
            yield Figure(f"resident, {load}", resident, MAX_RESIDENT_WITH_CAMERAS_MB, "MB", True)
            yield Figure(f"CPU, {load}", percent, MAX_CPU_PERCENT, "%")
            cameras.close()


def measure(executable: Path) -> Iterator[Figure]:
    """Yield each figure as soon as it is known."""
    yield Figure("size of the file", executable.stat().st_size / 1e6, MAX_MB, "MB", True)
    # The folder must be one that another user can enter. On Windows the hub may keep its files open
    # for a moment after its bootloader was terminated.
    with tempfile.TemporaryDirectory(
        prefix="sitehub-smoke-", ignore_cleanup_errors=_WINDOWS
    ) as folder:
        site = Site(executable, Path(folder).resolve())
        print(f"{'version':<42} {site.output_of('version').strip()}")
        with site.hub() as (_, seconds):
            # The first start makes keys and certificates, and has no limit.
            print(f"{'/healthz after the first start':<42} {seconds:8.2f} s")
        yield _started_again(site)
        yield from _idle(site)


def main() -> int:
    status = 0
    for figure in measure(Path(sys.argv[1]).resolve()):
        print(figure, flush=True)
        if figure.is_certain and not figure.is_met:
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
