"""A real PostgreSQL for all tests of a process, a database for each, and a real NATS server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.__main__ import run as command
from hub.central.folder import make_folder
from tests.support.nats_server import NatsServer, running_nats
from tests.support.postgres import PostgresServer, running_postgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        yield server


@pytest.fixture
def address(postgres: PostgresServer) -> str:
    """Where an empty database is."""
    return postgres.make_database()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    """It takes messages that are larger than a centre asks for at a time."""
    with running_nats(tmp_path / "nats", config="max_payload: 8MB") as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path, server: NatsServer) -> Path:
    """The centre's, with streams that are made."""
    folder = tmp_path / "central"
    make_folder(folder, server.url, with_passwords=False)
    assert command(["central", "prepare", "--folder", str(folder)]) == 0
    return folder
