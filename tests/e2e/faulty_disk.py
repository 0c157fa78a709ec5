"""A disk that fails or hangs, for a hub in its own process: a library loaded before it.

The library, `faulty_disk.c`, is compiled by the test. It stands between the program (SQLite and
Python alike) and the C library, so that the hub's own code is as it is on an installation.
"""

from __future__ import annotations

import errno
import mmap
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.hub_process import TIMEOUT_SECONDS

_SOURCE = Path(__file__).with_suffix(".c")
_CONTROL = struct.Struct("=6I232s")
_HITS_AT = 20

FLUSH, READ, WRITE = 1, 2, 4
_PASS, _HANG, _FAIL = range(3)
_ALWAYS = 0xFFFFFFFF


class FaultyDisk:
    """The disk of the processes that are started with `environment`; it works until told not to.

    `path` is a part of the paths of the files that are concerned: "-wal", ".pack".
    """

    def __init__(self, library: Path, directory: Path) -> None:
        control = directory / "disk-control"
        control.write_bytes(bytes(_CONTROL.size))
        self._file = control.open("r+b")
        self._control = mmap.mmap(self._file.fileno(), _CONTROL.size)
        #: Variables for a process that is to have this disk.
        self.environment = {"LD_PRELOAD": str(library), "DISK_CONTROL": str(control)}

    def fail(
        self, calls: int, path: str, error: int = errno.EIO, *, skip: int = 0, times: int = _ALWAYS
    ) -> None:
        """Let calls fail: not the next `skip` of them, but then so many `times`."""
        self._set(_FAIL, calls, path, error, skip, times)

    def hang(self, calls: int, path: str) -> None:
        """Let calls not return until `work` is called."""
        self._set(_HANG, calls, path, 0, 0, _ALWAYS)

    def work(self) -> None:
        """Work again."""
        self._set(_PASS, 0, "", 0, 0, 0)

    @property
    def hits(self) -> int:
        """How many calls failed or hung since the last setting."""
        hits: int = struct.unpack_from("=I", self._control, _HITS_AT)[0]
        return hits

    def wait_for_hit(self, count: int = 1) -> None:
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while self.hits < count:
            assert time.monotonic() < deadline, "the hub did not make the call that is to fail"
            time.sleep(0.01)

    def close(self) -> None:
        self._control.close()
        self._file.close()

    def _set(self, action: int, calls: int, path: str, error: int, skip: int, times: int) -> None:
        # The action comes last, and is taken away first: the other process reads meanwhile.
        self._control[0:4] = bytes(4)
        values = _CONTROL.pack(action, calls, error, skip, times, 0, path.encode())
        self._control[4:] = values[4:]
        self._control[0:4] = values[0:4]


def compile_library(directory: Path) -> Path:
    """Compile the library; skip the test where that is not possible."""
    if sys.platform != "linux":
        pytest.skip("a library is loaded before the hub on Linux only")
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("there is no C compiler: it makes the library that lets the disk fail")
    library = directory / "faulty_disk.so"
    command = [compiler, "-shared", "-fPIC", "-O2", "-o", str(library), str(_SOURCE), "-ldl"]
    subprocess.run([*command, "-lpthread"], check=True)
    return library
