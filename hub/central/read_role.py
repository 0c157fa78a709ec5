"""A role of PostgreSQL that reads the views, as for Grafana, and nothing else."""

from __future__ import annotations

import secrets
from typing import Any

import psycopg
from psycopg import sql

from hub.errors import StartFault

ROLE = "sitehub_reader"
_GRANTS = f"""
GRANT USAGE ON SCHEMA sitehub TO {ROLE};
GRANT SELECT ON sitehub.records, sitehub.alarms, sitehub.hub, sitehub.gap TO {ROLE}
"""
_EXISTS = "SELECT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = %s)"


def make_read_role(connection: Any) -> str:
    """Make the role, or give it a new password; return its line of a .pgpass file.

    Raises StartFault if the user may not.
    """
    password, info = secrets.token_urlsafe(24), connection.info
    # Not as it is: the server may write statements to its log.
    hidden = connection.pgconn.encrypt_password(
        password.encode(), ROLE.encode(), b"scram-sha-256"
    ).decode()
    try:
        with connection.transaction():
            ((is_there,),) = connection.execute(_EXISTS, (ROLE,)).fetchall()
            words = "ALTER" if is_there else "CREATE"
            connection.execute(
                sql.SQL(f"{words} ROLE {ROLE} LOGIN PASSWORD {{}}").format(sql.Literal(hidden))
            )
            connection.execute(_GRANTS)
    except psycopg.errors.InsufficientPrivilege as error:
        raise StartFault(f"PostgreSQL: the role {ROLE} cannot be made: {error}") from error
    return f"{info.host}:{info.port}:{info.dbname}:{ROLE}:{password}"
