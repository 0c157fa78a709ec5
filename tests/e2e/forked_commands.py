"""Commands and hubs in processes of their own that need not import the hub: they are forked.

A command imports for half a second, and works for a few hundredths. A hub imports for a second,
and starts in a tenth.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

_APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND
_OWN_NAME = "tests.e2e.forked_commands"
#: What a forked command finds imported, besides what this module imports itself.
_IMPORTED = (
    "hub.__main__",
    "hub.cli.requests",
    "hub.process.control.access",
    "hub.app",
    "web.app",
    "web.server",
    "pytest",
)


class ForkedProcess:
    """What tests use of a subprocess.Popen."""

    def __init__(self, process: Any, words: Sequence[str]) -> None:
        self._process = process
        self._words = list(words)

    @property
    def pid(self) -> int:
        pid: int = self._process.pid
        return pid

    def poll(self) -> int | None:
        """Return the status with which it ended; a negative one is a signal."""
        status: int | None = self._process.exitcode
        return status

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        status = self.poll()
        if status is None:
            raise subprocess.TimeoutExpired(self._words, timeout or 0)
        return status

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def start_forked(
    words: Sequence[str], environment: Mapping[str, str], out: Path, err: Path
) -> ForkedProcess:
    """Start the command `sitehub`, which appends what it writes to files."""
    for path in (out, err):
        path.touch()
    streams = [os.devnull, str(out), str(err)]
    call = (list(words), dict(environment), os.getcwd(), streams)
    # Nothing waits for a daemon that a test has forgotten.
    process = _forks().Process(target=_execute, args=call, daemon=True)
    process.start()
    return ForkedProcess(process, words)


def run_forked(
    words: Sequence[str], environment: Mapping[str, str], stdin: str, seconds: float
) -> subprocess.CompletedProcess[str]:
    """As subprocess.run() of the command `sitehub`. Its environment is in force, except TZ."""
    with tempfile.TemporaryDirectory() as folder:
        streams = [Path(folder) / name for name in ("in", "out", "err")]
        streams[0].write_text(stdin, "utf-8")
        call = (list(words), dict(environment), os.getcwd(), [str(path) for path in streams])
        process = _forks().Process(target=_execute, args=call)
        process.start()
        process.join(seconds)
        status = process.exitcode
        if status is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(list(words), seconds)
        process.close()
        out, err = (path.read_text("utf-8") for path in streams[1:])
    return subprocess.CompletedProcess(list(words), status, out, err)


def can_fork() -> bool:
    return "forkserver" in multiprocessing.get_all_start_methods()


@cache
def _forks() -> Any:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([_OWN_NAME, *_IMPORTED])
    return context


def _execute(
    words: list[str], environment: dict[str, str], folder: str, streams: list[str]
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    for number, path in enumerate(streams):
        handle = os.open(path, os.O_RDONLY if number == 0 else _APPEND, 0o600)
        if handle != number:
            os.dup2(handle, number)
            os.close(handle)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - until the process ends
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    # A newer version of the program takes the command over from there.
    sys.argv[1:] = words
    from hub.__main__ import main

    main(words)
