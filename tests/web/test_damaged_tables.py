"""Whatever a failing disk left in a row: the hub starts, and no page and no list fails.

For each kind of junk one database is made, in which every column of every table is damaged in a
row of its own.
"""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import trio
from werkzeug.routing import Rule

from hub.app import open_hub
from hub.config import Config, StoreConfig, WebConfig
from hub.config_sources import Loaded, Sources
from hub.outside import Outside
from hub.services import Services
from hub.services.audit import COMMAND_LINE
from hub.services.forwarding.webhooks.picture_links import PREFIX as LINKS
from tests.support.browsing import Visitor
from tests.support.full_store import NOW as FULL_AT
from tests.support.full_store import fill_directory
from tests.support.page_site import PASSWORD

CONFIG = Config(web=WebConfig(tls=False), store=StoreConfig(min_free_gb=0))
NOW = FULL_AT + 60.0

JUNK: dict[str, object] = {
    "nothing": None,
    "the largest number": 2**63 - 1,
    "bytes that are no text": b"\xff\xfe\x00\x80",
}
#: Without them nobody can tell what was acknowledged: the hub must not start then.
VITAL = {
    ("record_log", "log_id"),
    ("record_log", "last_group"),
    ("record_log", "checkpointed"),
    ("day", "day"),
    ("day", "bytes"),
}
#: Views that do not end, or need a device.
_ENDLESS = re.compile(
    "stream|/trace|/captures|(cameras|devices)/<[^/]*>/people|/recordings|/search|/settings/face"
)
_WORKS = (200, 302, 303, 304, 308, 400, 403, 404, 409, 410, 503)


class Column:
    """A column of a table, and whether it may be NULL."""

    def __init__(self, table: str, row: tuple[Any, ...]) -> None:
        _, self.name, self.type, self.not_null, _, self.key = row
        self.table = table

    @property
    def is_rowid(self) -> bool:
        return bool(self.key) and self.type == "INTEGER" and self.table not in ("hold_record",)

    def takes(self, junk: object) -> bool:
        if self.is_rowid and not isinstance(junk, int):
            return False
        return junk is not None or not (self.not_null or self.key)

    def damaged(self, junk: object) -> str:
        """The SQL of the junk, as a value of the column's own type where bytes can be one."""
        is_text = isinstance(junk, bytes) and self.type == "TEXT"
        return "CAST(? AS TEXT)" if is_text else "?"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with rows in every table."""
    folder = tmp_path_factory.mktemp("sound")
    fill_directory(folder)
    return folder


def columns_of(connection: sqlite3.Connection) -> list[Column]:
    tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    return [
        Column(table, row)
        for (table,) in tables
        if not table.startswith("sqlite_")
        for row in connection.execute(f"PRAGMA table_info({table})")
    ]


def open_lax(path: Path) -> sqlite3.Connection:
    """Open a database so that every column takes every value."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA writable_schema = ON")
    for name, sql in connection.execute(
        "SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND sql LIKE '%STRICT%'"
    ).fetchall():
        lax = re.sub(r"\) STRICT\b,?", ")", sql)
        lax = re.sub(r"\b(TEXT|INTEGER|REAL)\b(?! PRIMARY KEY)", "BLOB", lax)
        connection.execute("UPDATE sqlite_schema SET sql = ? WHERE name = ?", (lax, name))
    connection.close()
    connection = sqlite3.connect(path, isolation_level=None)
    connection.text_factory = lambda data: data.decode(errors="replace")
    return connection


def restore_schema(path: Path, sound: Path) -> None:
    with closing(sqlite3.connect(sound / "hub.sqlite")) as connection:
        schema = connection.execute("SELECT sql, name FROM sqlite_schema").fetchall()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.executemany("UPDATE sqlite_schema SET sql = ? WHERE name = ?", schema)


def damage_copies(path: Path, junk: object) -> None:
    """Add to each table a copy of its first row for each of its columns, with the junk there."""
    with closing(open_lax(path)) as connection:
        connection.execute("INSERT INTO dropped_day VALUES (100000, 100001, '2020-01-01')")
        columns = columns_of(connection)
        for number, column in enumerate(columns):
            if (column.table, column.name) in VITAL or column.table == "record_log":
                continue
            if column.takes(junk):
                add_damaged_copy(connection, columns, column, junk, number)


def add_damaged_copy(
    connection: sqlite3.Connection, columns: list[Column], wrong: Column, junk: object, number: int
) -> None:
    mine = [column for column in columns if column.table == wrong.table]
    row = connection.execute(f"SELECT * FROM {wrong.table} LIMIT 1").fetchone()
    assert row is not None, wrong.table
    unique = {column.name for column in mine if column.key}
    for _, index, is_unique, *_ in connection.execute(f"PRAGMA index_list({wrong.table})"):
        if is_unique:
            unique |= {info[2] for info in connection.execute(f"PRAGMA index_info({index})")}
    values, marks = [], []
    for column, value in zip(mine, row, strict=True):
        if column is wrong:
            values.append(junk)
            marks.append(column.damaged(junk))
        else:
            values.append(another(value, number) if column.name in unique else value)
            if values[-1] == 2**63 - 1:
                values[-1] = number
            marks.append("?")
    connection.execute(f"INSERT OR IGNORE INTO {wrong.table} VALUES ({', '.join(marks)})", values)


def another(value: object, number: int) -> object:
    """A value that no other row has."""
    match value:
        case int():
            return value - 1000 - number if value > 2**62 else value + 1000 + number
        case bytes():
            return value[:-2] + number.to_bytes(2, "big")
        case str() if value.isdecimal():
            return str(int(value) + 1000 + number)
        case str():
            return f"{value[:-4]}{number:04x}"
    return value


async def try_everything(data_dir: Path) -> None:
    """Start the hub on a data directory, get every page and list, and let its tasks run."""
    loaded = Loaded(CONFIG, Sources(data_dir))
    async with open_hub(
        loaded, data_dir, closing=trio.Event(), outside=Outside(now=lambda: NOW)
    ) as services:
        await services.upkeep.certificates.load()
        await run_tasks(services)
        await get_everything(services)
        assert services.upkeep.health is not None
        list(services.upkeep.health.reasons())


async def run_tasks(services: Services) -> None:
    """Run the tasks of the background for a moment: none of them may fail."""
    async with trio.open_nursery() as nursery:
        for part in (
            services.cameras.devices,
            services.core.clock,
            services.upkeep.maintenance,
            services.upkeep.forecasts,
            services.records.holds,
            services.records.erasures,
            services.firmware.downloads,
            services.upkeep.updates,
            services.upkeep.backups,
            services.upkeep.health,
        ):
            await nursery.start(part.run)
        await trio.sleep(0.2)
        nursery.cancel_scope.cancel()


async def get_everything(services: Services) -> None:
    await services.access.users.add("visitor", "admin", PASSWORD, by=COMMAND_LINE)
    visitor = Visitor(services)  # type: ignore[arg-type]
    await visitor.sign_in("visitor")
    rules = [rule for rule in visitor.app.url_map.iter_rules() if "GET" in (rule.methods or ())]
    for rule in rules:
        for path in paths_of(rule):
            response = await visitor.get(path)
            # A link to a picture is refused unless it is signed.
            works = (*_WORKS, 401) if path.startswith(LINKS) else _WORKS
            assert response.status_code in works, f"{path}: {visitor.text[-2000:]}"
            if response.content_type == "application/json":
                json.loads(visitor.text)


def paths_of(rule: Rule) -> Iterator[str]:
    """Addresses of a view, with the first values of its parts."""
    if _ENDLESS.search(rule.rule):
        return
    samples = ("1", "2") if rule.arguments else ("",)
    for sample in samples:
        yield re.sub(r"<[^>]*>", sample, rule.rule)


@pytest.fixture(params=JUNK)
def damaged(request: pytest.FixtureRequest, sound: Path, tmp_path: Path) -> Path:
    data_dir = tmp_path / "data"
    shutil.copytree(sound, data_dir)
    damage_copies(data_dir / "hub.sqlite", JUNK[request.param])
    restore_schema(data_dir / "hub.sqlite", sound)
    return data_dir


@pytest.mark.long
async def test_no_start_page_list_or_task_fails(
    damaged: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await try_everything(damaged)
    assert "Traceback" not in caplog.text
    caplog.clear()  # it says what is damaged
