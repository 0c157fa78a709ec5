"""The data of every earlier version is served, to programs and to people."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from hub.app import open_services
from hub.config import Config, StoreConfig, WebConfig
from hub.config_sources import Loaded, Sources
from hub.services import Services
from hub.services.access.audit import COMMAND_LINE
from tests.store.databases import SCHEMAS, unpack
from tests.store.databases import write as written
from tests.support.browsing import Visitor
from tests.support.page_site import PASSWORD

CONFIG = Config(web=WebConfig(tls=False), store=StoreConfig(min_free_gb=0))
BEARER = f"Bearer {written.API_KEY.appid}:{written.API_SECRET}"


@pytest.fixture(params=SCHEMAS, ids=lambda number: f"schema {number}")
async def services(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Services]:
    unpack(tmp_path, request.param)
    now = written.NOW + 60.0
    loaded = Loaded(CONFIG, Sources(tmp_path))
    async with open_services(loaded, tmp_path, closing=trio.Event(), now=lambda: now) as services:
        yield services


async def test_programs_get_records_pictures_and_devices(services: Services) -> None:
    program = Visitor(services)  # type: ignore[arg-type]
    page = await program.get("/api/hub/v1/records", Authorization=BEARER)
    assert page.status_code == 200
    items = (await page.get_json())["items"]
    assert [item["seq"] for item in items] == [1, 2, 3, 4, 5]
    for item, upload in zip(items[:4], written.UPLOADS, strict=False):
        assert item["kind"] == upload.kind
        for picture in upload.pictures:
            answer = await program.get(item["images"][picture.name], Authorization=BEARER)
            assert await answer.get_data(as_text=False) == picture.data
    devices = await (await program.get("/api/hub/v1/devices", Authorization=BEARER)).get_json()
    assert [device["sn"] for device in devices["items"]][:2] == ["SN1", "SN2"]


async def test_people_sign_in_and_see_them(services: Services) -> None:
    # The archives contain no password that anybody knows.
    await services.users.set_password(written.USER.name, PASSWORD, by=COMMAND_LINE)
    visitor = Visitor(services)  # type: ignore[arg-type]
    await visitor.sign_in(written.USER.name)
    await visitor.get("/")
    assert "Li Wei" in visitor.text
    await visitor.get("/cameras")
    assert "North gate" in visitor.text
    for path in ("/site/users", "/site/audit", "/firmware"):
        assert (await visitor.get(path)).status_code == 200, path
