"""Settings that are made while the hub runs: a few keys with text."""

from __future__ import annotations

import sqlite3

from hub.store.rows import DamagedRows
from hub.store.tables.table import Engine, RowSource, Table

_ALL = "SELECT key, value FROM setting"
_PUT = "INSERT OR REPLACE INTO setting (key, value) VALUES (?, ?)"
_REMOVE = "DELETE FROM setting WHERE key = ?"


def load_settings(connection: sqlite3.Connection, damaged: DamagedRows) -> dict[str, str]:
    """One that cannot be read counts as not set."""
    settings = {}
    for key, value in connection.execute(_ALL):
        if type(key) is str and type(value) is str:
            settings[key] = value
        else:
            damaged.note("setting", key)
    return settings


def save_setting(connection: sqlite3.Connection, key: str, value: str | None) -> None:
    """Set a value in the database only; None removes the key."""
    if value is None:
        connection.execute(_REMOVE, (key,))
    else:
        connection.execute(_PUT, (key, value))


class SettingTable(Table[dict[str, str]]):
    """All settings, in memory. Changes are durable on return."""

    def __init__(self, engine: Engine, loaded: dict[str, str]) -> None:
        super().__init__(engine, loaded)
        self._values = loaded

    @classmethod
    def load(cls, source: RowSource) -> dict[str, str]:
        return load_settings(source.connection, source.damaged)

    def get(self, key: str) -> str | None:
        return self._values.get(key)

    async def set(self, key: str, value: str | None) -> None:
        """Set a value; None removes the key."""

        def saved(_: None) -> None:
            if value is None:
                self._values.pop(key, None)
            else:
                self._values[key] = value

        await self._writer.write(lambda c: save_setting(c, key, value), saved)
