"""GET /reports/{kind}."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from hub.services.audit import COMMAND_LINE
from hub.store.tables.devices import NewDevice
from tests.support.clock import FrozenClock
from tests.support.hub_services import HubServices, face, open_hub_services
from tests.web.api.test_api import Client, refusal


@pytest.fixture
async def hub(
    tmp_path: Path, clock: FrozenClock, nursery: trio.Nursery
) -> AsyncIterator[HubServices]:
    async with open_hub_services(tmp_path, clock) as hub, trio.open_nursery() as running:
        await hub.services.cameras.devices.add(NewDevice(sn="SN1", code="CODE0001", did="1"))
        await running.start(hub.services.reports.maker.run)
        yield hub
        running.cancel_scope.cancel()


@pytest.fixture
async def client(hub: HubServices) -> Client:
    return Client(hub, await hub.bearer(read_only=True))


async def test_a_report_has_tables_of_raw_values(
    client: Client, hub: HubServices, clock: FrozenClock
) -> None:
    await hub.add(face("Mei", at=clock.ms - 60_000))
    found = await client.get("reports/attendance?date=2026-11-25")
    assert (found["kind"], found["first_day"], found["is_exact"]) == (
        *("attendance", "2026-11-25", True),
    )
    (table,) = found["tables"]
    names = [column["name"] for column in table["columns"]]
    (row,) = table["rows"]
    cells = dict(zip(names, row, strict=True))
    assert cells["first_seen"] == "2026-11-25T11:59:00.000Z"
    assert (cells["name"], cells["first_camera"], cells["sightings"]) == ("Mei", "1", 1)
    assert found["charts"][0]["series"][0] == {"name": "people", "values": [1.0]}


async def test_each_report_is_answered(client: Client) -> None:
    for kind in ("captures", "attendance", "plates", "alarms", "availability"):
        for period in ("day", "week", "month"):
            found = await client.get(f"reports/{kind}?period={period}")
            assert (found["kind"], found["period"]) == (kind, period)


async def test_groups_are_given_or_those_that_were_chosen(client: Client, hub: HubServices) -> None:
    group = await hub.services.people.groups.add("In", ["1"], by=COMMAND_LINE)
    found = await client.get(f"reports/plates?entrance={group.id}&exit={group.id}")
    assert [one["name"] for one in found["tables"]] == ["summary", "stays"]
    found = await client.get(f"reports/attendance?group={group.id}&group={group.id}")
    assert found["tables"][0]["rows"] == []


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("nothing", (404, 426), "captures"),
        ("captures?date=yesterday", (400, 420), "date"),
        ("captures?period=year", (400, 420), "period"),
        ("captures?group=1", (400, 420), "group"),
        ("attendance?group=99", (400, 420), "group"),
        ("attendance?entrance=1", (400, 420), "entrance"),
    ],
)
async def test_what_is_wrong_is_named(
    client: Client, path: str, status: tuple[int, int], words: str
) -> None:
    http, code, message = await refusal(await client.raw("GET", f"reports/{path}"))
    assert (http, code) == status
    assert words in message
