"""GET /status."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub.services.problems import HealthReason
from tests.support.clock import FrozenClock
from tests.support.page_site import PageSite, open_page_site
from web.app import create_app

PATH = "/api/hub/v1/status"


@pytest.fixture
async def hub(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[PageSite]:
    async with open_page_site(tmp_path, clock) as hub:
        yield hub


async def read(hub: PageSite, *, read_only: bool = True) -> dict[str, object]:
    client = create_app(hub.services).test_client(use_cookies=False)
    headers = await hub.hub.bearer(read_only=read_only)
    response = await client.get(PATH, headers=headers)
    assert response.status_code == 200
    found: dict[str, object] = await response.get_json()
    return found


async def test_a_hub_that_is_well_tells_what_it_holds(hub: PageSite, clock: FrozenClock) -> None:
    await hub.connect("Gate", did="1")
    await hub.enrol("Door", did="2")
    await hub.enrol("Yard", did="3", enabled=False)
    hub.pend("NEW")
    first = await hub.add_record(pictures=("face",))
    clock.advance(60)
    last = await hub.add_record()
    found = await read(hub)
    assert found["state"] == "ok"
    assert found["site"] == "Harbour East"
    assert found["since"] == "2026-11-25T12:00:00.000Z"
    assert found["cameras"] == {"online": 1, "offline": 1, "disabled": 1, "waiting": 1}
    assert found["backups"]["last_good"] is None  # type: ignore[index]
    assert found["records"] == {
        "log": hub.services.records.log.log_id,
        "last_seq": last,
        "oldest": "2026-11-25T12:00:00.000Z",
        "newest": "2026-11-25T12:01:00.000Z",
        "days": 1,
        "keep_days": 30,
    }
    assert first < last
    disk = found["disk"]
    assert isinstance(disk, dict)
    assert disk["pictures"] > 0
    assert disk["database"] > 0
    assert found["problems"] == []


async def test_what_is_not_well_is_told_with_what_to_do(hub: PageSite) -> None:
    hub.health_reasons = [HealthReason("disk-low", {"free": "1", "wanted": "2"})]
    found = await read(hub)
    assert found["state"] == "ok"  # a notice does not keep the hub from working
    (problem,) = found["problems"]  # type: ignore[misc]
    assert (problem["code"], problem["severity"]) == ("disk-low", "notice")
    assert problem["advice"].startswith("Delete files")
    hub.health_reasons = [HealthReason("cannot-store", {"reason": "x"})]
    assert (await read(hub))["state"] == "unwell"
    hub.health_reasons = [HealthReason("starting")]
    assert (await read(hub))["state"] == "starting"


async def test_an_empty_log_has_no_times(hub: PageSite) -> None:
    records = (await read(hub))["records"]
    assert isinstance(records, dict)
    assert (records["last_seq"], records["oldest"], records["newest"]) == (0, None, None)


async def test_without_authentication_nothing_is_told(hub: PageSite) -> None:
    client = create_app(hub.services).test_client(use_cookies=False)
    assert (await client.get(PATH)).status_code == 401
