"""A real PostgreSQL for all tests of a process, and a database for each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.postgres import PostgresServer, running_postgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        yield server


@pytest.fixture
def address(postgres: PostgresServer) -> str:
    """Where an empty database is."""
    return postgres.make_database()
