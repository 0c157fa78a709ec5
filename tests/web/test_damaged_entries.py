"""Damaged rows of other tables than the records' are marked in their place, as records are."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
import trio

from hub.app import open_services
from hub.config import Config, StoreConfig, WebConfig
from hub.config_sources import Loaded, Sources
from hub.services import Services
from hub.services.access.audit import COMMAND_LINE
from tests.support.browsing import Visitor
from tests.support.full_store import NOW as FULL_AT
from tests.support.full_store import fill_directory
from tests.support.page_site import PASSWORD

CONFIG = Config(web=WebConfig(tls=False), store=StoreConfig(min_free_gb=0))
NOW = FULL_AT + 60.0

#: Statements that damage the first row of a table, and the pages and calls that show it.
ENTRIES: dict[str, tuple[str, tuple[str, ...], str]] = {
    "a camera": (
        "UPDATE device SET created_at = -7",
        ("/cameras", "/cameras/1"),
        "/api/hub/v1/devices",
    ),
    "a camera's code": (
        "UPDATE device SET code = x'00'",
        ("/cameras", "/cameras/1"),
        "/api/hub/v1/devices",
    ),
    "a user": ("UPDATE user SET created_at = -7", ("/site/users",), ""),
    "an API key": ("UPDATE api_key SET created_at = -7", ("/site/api-keys",), ""),
    "the secret of an API key": ("UPDATE api_key SET secret = x'00'", ("/site/api-keys",), ""),
    "the audit log": ("UPDATE audit SET at = -7", ("/site/audit",), "/api/hub/v1/audit"),
    "a hold": (
        "UPDATE hold SET created_at = -7",
        ("/evidence", "/evidence/1"),
        "/api/hub/v1/holds",
    ),
    "an erasure": (
        "UPDATE erasure SET created_at = -7",
        ("/site/erasures", "/site/erasures/1"),
        "/api/hub/v1/erasures",
    ),
    "a campaign": (
        "UPDATE campaign SET started_at = -7",
        ("/firmware", "/firmware/campaigns/1"),
        "/api/hub/v1/firmware/campaigns",
    ),
    "a camera of a campaign": (
        "UPDATE campaign_device SET offered_at = -7",
        ("/firmware", "/firmware/campaigns/1"),
        "/api/hub/v1/firmware/campaigns",
    ),
    "a release, which is not shown": (
        "UPDATE firmware_release SET least = '{'",
        ("/firmware",),
        "",
    ),
}


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A data directory with rows in every table."""
    fill_directory(tmp_path)
    return tmp_path


def damage(data_dir: Path, statement: str) -> None:
    with closing(sqlite3.connect(data_dir / "hub.sqlite", isolation_level=None)) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        assert connection.execute(statement).rowcount > 0


@asynccontextmanager
async def visited(data_dir: Path) -> AsyncIterator[tuple[Services, Visitor]]:
    """A hub on a data directory, and an administrator who is signed in."""
    loaded = Loaded(CONFIG, Sources(data_dir))
    async with open_services(loaded, data_dir, closing=trio.Event(), now=lambda: NOW) as services:
        await services.certificates.load()
        assert services.health is not None
        services.health.mark_serving()
        await services.users.add("visitor", "admin", PASSWORD, by=COMMAND_LINE)
        visitor = Visitor(services)  # type: ignore[arg-type]
        await visitor.sign_in("visitor")
        yield services, visitor


@pytest.mark.parametrize("what", ENTRIES)
async def test_it_is_marked_where_it_stands(what: str, data_dir: Path) -> None:
    statement, pages, call = ENTRIES[what]
    damage(data_dir, statement)
    async with visited(data_dir) as (_, visitor):
        for path in pages:
            assert (await visitor.get(path)).status_code == 200
            main = visitor.text.partition("<main")[2]
            assert "damaged" in main.lower(), path
            assert "1970" not in main, path
        if call:
            await visitor.get(call)
            items = json.loads(visitor.text)["items"]
            assert [item.get("damaged") for item in items if "damaged" in item]
            assert all(item.get("damaged", True) for item in items)


async def test_nothing_is_marked_in_sound_tables(data_dir: Path) -> None:
    async with visited(data_dir) as (_, visitor):
        for _, pages, call in ENTRIES.values():
            for path in (*pages, *((call,) if call else ())):
                assert (await visitor.get(path)).status_code == 200
                assert "damaged" not in visitor.text.lower(), path


async def test_a_camera_is_sound_again_once_its_code_is_entered_again(data_dir: Path) -> None:
    from hub.services.devices.directory import DeviceChange

    damage(data_dir, "UPDATE device SET code = x'00', secret = secret")
    async with visited(data_dir) as (services, _):
        (device, *_) = services.devices.list()
        assert device.damaged
        await services.devices.change(device.did, DeviceChange(code="12345678"))
        assert not services.devices.get(device.did).damaged
