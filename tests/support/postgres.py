"""A real PostgreSQL on the loopback address, with databases that a test has for itself.

It is found in the search path, where Debian puts it, or where `SITEHUB_POSTGRES` says (the folder
of `initdb`). A test that needs one that is not there is skipped.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.support.ports import free_port

_START_SECONDS = 30.0
_DEBIAN = Path("/usr/lib/postgresql")
#: It does not run as root.
_USER = "nobody"


class PostgresServer:
    """A server with its files in `folder`, always on the same port."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self.port = free_port()
        self._programs = programs
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = 0
        self._as_user: dict[str, Any] = {"cwd": folder}
        if os.name == "posix" and os.geteuid() == 0:
            shutil.chown(folder, _USER)
            self._as_user |= {"user": _USER, "group": "nogroup", "extra_groups": []}
        options = ["-U", "owner", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C"]
        subprocess.run(
            [programs / "initdb", "-D", folder / "data", *options],
            check=True,
            capture_output=True,
            **self._as_user,
        )

    def address(self, database: str) -> str:
        return f"postgresql://owner@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        settings = {
            "port": str(self.port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(self._folder),
            # Nothing of it stays in memory when it is killed.
            "dynamic_shared_memory_type": "mmap",
        }
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    self._programs / "postgres",
                    *("-D", self._folder / "data"),
                    *(f"--{name}={value}" for name, value in settings.items()),
                ],
                stdout=log,
                stderr=log,
                **self._as_user,
            )
        self._wait_ready()

    def kill(self) -> None:
        """End it as a power cut does, with all of its processes."""
        if self._process is not None:
            # The others end when they see that the first one has gone.
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """End it, and wait for its processes."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait()
            self._process = None

    def make_database(self) -> str:
        """Make an empty database; return its address."""
        import psycopg

        self._databases += 1
        name = f"test{self._databases}"
        with psycopg.connect(self.address("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.address(name)

    def _wait_ready(self) -> None:
        import psycopg

        until = time.monotonic() + _START_SECONDS
        while True:
            try:
                psycopg.connect(self.address("postgres"), connect_timeout=5).close()
                return
            except psycopg.OperationalError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """Run a server; skip the test if there is none, or no psycopg."""
    pytest.importorskip("psycopg", reason="psycopg is not installed (extra 'central')")
    programs = _programs()
    if programs is None:
        pytest.skip("there is no PostgreSQL 15 or later")
    # Not in the folder of the test, which other users may not enter.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="sitehub-pg-", dir=memory) as folder:
        server = PostgresServer(programs, Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.stop()


def rows(address: str, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
    """Return what a query finds."""
    import psycopg

    with psycopg.connect(address, autocommit=True) as connection:
        return connection.execute(sql, parameters).fetchall()


@cache
def _programs() -> Path | None:
    """Return the folder of the newest version."""
    if asked := os.environ.get("SITEHUB_POSTGRES"):
        return Path(asked)
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).resolve().parent
    versions = [path for path in _DEBIAN.glob("*/bin") if (path / "initdb").exists()]
    return max(versions, key=lambda path: float(path.parent.name), default=None)
