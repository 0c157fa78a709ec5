"""A real mosquitto on the loopback address; a test that needs one that is not there is skipped."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.listening import wait_for_port
from tests.support.ports import free_port

_START_SECONDS = 20.0
_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"])


class Mosquitto:
    """A broker that can be killed and started again, always on the same port."""

    def __init__(self, program: str, folder: Path, config: str) -> None:
        self.port = free_port()
        self._program = program
        self._folder = folder
        self._config = folder / "mosquitto.conf"
        self._config.write_text(
            # Started by root, it would run as another user, who may not read its files.
            f"user {getpass.getuser()}\nlistener {self.port} 127.0.0.1\nallow_anonymous true\n"
            f"{config}\n",
            "utf-8",
        )
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> None:
        with (self._folder / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, "-c", str(self._config)], stdout=log, stderr=log
            )
        wait_for_port(self.port, _START_SECONDS)

    def kill(self) -> None:
        """End it as a power cut does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextmanager
def running_mosquitto(folder: Path, config: str = "") -> Iterator[Mosquitto]:
    """Run a broker; skip the test if there is none."""
    program = shutil.which("mosquitto", path=_PATH)
    if program is None:
        pytest.skip("there is no mosquitto (Debian: apt-get install mosquitto)")
    folder.mkdir(exist_ok=True)
    broker = Mosquitto(program, folder, config)
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()
