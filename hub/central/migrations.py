"""The schema `sitehub` in PostgreSQL: its version, and the steps from each to the next.

`sitehub.version` has one row, the number of the last step. Several centres may start at once.
"""

from __future__ import annotations

from importlib import resources
from typing import Any

from hub.errors import StartFault

_MIN_POSTGRES = 150000
#: "sitehub" as a number: only one process at a time changes the schema.
SCHEMA_LOCK = 0x73697465687562


def migrations() -> dict[int, str]:
    """Return the SQL of each step by its number, in order."""
    folder = resources.files("hub.central") / "schema"
    steps = {
        int(entry.name[:4]): entry.read_text("utf-8")
        for entry in folder.iterdir()
        if entry.name[:4].isdigit() and entry.name.endswith(".sql")
    }
    return dict(sorted(steps.items()))


def bring_up_to_date(connection: Any) -> int:
    """Make or migrate the schema; return its version. Raises StartFault if it is a later one's.

    `connection`: of psycopg, in autocommit mode.
    """
    if connection.info.server_version < _MIN_POSTGRES:
        raise StartFault("PostgreSQL 15 or later is needed")
    steps = migrations()
    latest = max(steps)
    with connection.transaction():
        connection.execute("SET LOCAL statement_timeout = 0")
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (SCHEMA_LOCK,))
        version = _version(connection)
        if version > latest:
            raise StartFault(f"the database is of a later version (schema {version}, not {latest})")
        for number, sql in steps.items():
            if number > version:
                connection.execute(sql)
        if version < latest:
            connection.execute("UPDATE sitehub.version SET number = %s", (latest,))
    return latest


def _version(connection: Any) -> int:
    """Return the number of the last step; make what holds it if this is a new database."""
    if connection.execute("SELECT to_regclass('sitehub.version')").fetchone()[0] is None:
        connection.execute("CREATE SCHEMA IF NOT EXISTS sitehub")
        connection.execute("CREATE TABLE sitehub.version (number int NOT NULL)")
        connection.execute("INSERT INTO sitehub.version VALUES (0)")
    return int(connection.execute("SELECT number FROM sitehub.version").fetchone()[0])
