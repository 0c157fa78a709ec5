"""Rows of the register, for tests of the store alone."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping


def add_people(connection: sqlite3.Connection, lists: Mapping[str, int]) -> None:
    """Put people on lists of the register."""
    columns = [
        (name, kind)
        for _, name, kind, not_null, *_ in connection.execute("PRAGMA table_info(person)")
        if not_null and name not in ("pid", "category", "revision")
    ]
    names = ", ".join(name for name, _ in columns)
    blank = ", ".join("''" if kind == "TEXT" else "0" for _, kind in columns)
    sql = f"INSERT INTO person (pid, category, revision, {names}) VALUES (?, ?, ?, {blank})"
    connection.executemany(sql, [(pid, one, n) for n, (pid, one) in enumerate(lists.items())])
