"""Makes a new database once in a test run, and copies it for each other store."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

import hub.store.startup
from hub.store.sqlite.migrate import bring_up_to_date, migrations

#: Each database's log has an id of its own.
_OTHER_LOG = "UPDATE record_log SET log_id = lower(hex(randomblob(16)))"


@contextmanager
def copied_new_databases() -> Iterator[None]:
    """Within the block, stores of this process start with a copy of the first new database.

    An existing database is migrated as ever.
    """
    steps = migrations()
    made = b""

    def bring(path: Path, wanted: dict[int, str]) -> None:
        nonlocal made
        if path.exists() or wanted != steps:
            bring_up_to_date(path, wanted)
        elif made:
            with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
                file.write(made)
            with closing(sqlite3.connect(path, isolation_level=None)) as connection:
                connection.execute(_OTHER_LOG)
        else:
            bring_up_to_date(path, wanted)
            made = path.read_bytes()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hub.store.startup, "bring_up_to_date", bring)
        yield
