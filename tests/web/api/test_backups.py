"""GET /backups."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.clock import FrozenClock
from tests.support.page_site import PageSite, open_page_site
from web.app import create_app


@pytest.fixture
async def hub(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[PageSite]:
    async with open_page_site(tmp_path, clock) as hub:
        yield hub


async def test_a_program_reads_when_the_last_good_backup_was_made(hub: PageSite) -> None:
    client = create_app(hub.services).test_client(use_cookies=False)
    headers = await hub.hub.bearer(read_only=True)
    found = await (await client.get("/api/hub/v1/backups", headers=headers)).get_json()
    assert (found["items"], found["last_good"], found["running"]) == ([], None, False)
    await hub.add_record(pictures=("face",))
    await hub.services.upkeep.backups._back_up()
    found = await (await client.get("/api/hub/v1/backups", headers=headers)).get_json()
    (item,) = found["items"]
    assert found["last_good"] == item["made_at"] == "2026-11-25T12:00:00.000Z"
    assert (item["verified"], item["problem"], item["records"]) == (True, "", 1)
    assert found["folder"].endswith("backups")
