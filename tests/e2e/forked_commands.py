"""Commands of the hub in processes of their own that need not import it: they are forked.

A command imports for half a second, and works for a few hundredths.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

_OWN_NAME = "tests.e2e.forked_commands"
#: What a forked command finds imported, besides what this module imports itself.
_IMPORTED = (
    "hub.__main__",
    "hub.cli.requests",
    "hub.process.control.access",
    "hub.process.control.devices",
    "pytest",
)


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
        handle = os.open(path, os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT, 0o600)
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
