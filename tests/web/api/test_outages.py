"""GET /devices/{did}/outages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub.store.tables.devices import NewDevice
from hub.store.tables.outages import HubRun, Outage
from tests.support.clock import FrozenClock
from tests.support.hub_services import HubServices, open_hub_services
from tests.web.api.test_api import Client, refusal

MINUTE = 60_000


@pytest.fixture
async def hub(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[HubServices]:
    async with open_hub_services(tmp_path, clock) as hub:
        await hub.services.cameras.devices.add(NewDevice(sn="SN1", code="CODE0001", did="1"))
        clock.advance(86_400)
        now = clock.ms
        outages = [
            Outage(
                id=n,
                did="1",
                began_at=now - n * 100 * MINUTE,
                ended_at=now - n * 100 * MINUTE + 10 * MINUTE,
                cause="lost",
            )
            for n in range(1, 6)
        ]
        await hub.store.outages.save(outages, HubRun(1, now - 86_400_000, now))
        yield hub


@pytest.fixture
async def client(hub: HubServices) -> Client:
    return Client(hub, await hub.bearer(read_only=True))


async def test_outages_are_listed_with_the_availability_of_the_whole_range(
    client: Client, hub: HubServices
) -> None:
    found = await client.get("devices/1/outages?limit=1")
    assert found["items"] == [
        {
            "id": 1,
            "from": "2026-11-26T10:20:00.000Z",
            "until": "2026-11-26T10:30:00.000Z",
            "cause": "lost",
            "hub_off_seconds": 0.0,
        }
    ]
    assert found["next"] == 1
    assert (found["outages"], found["out_seconds"]) == (5, 50 * 60.0)
    assert found["watched_seconds"] == 86_400
    assert found["availability"] == 96.528
    rest = await client.get("devices/1/outages?after=1")
    assert [one["id"] for one in rest["items"]] == [2, 3, 4, 5]


async def test_the_newest_come_first_if_wanted(client: Client) -> None:
    found = await client.get("devices/1/outages?order=desc&limit=2")
    assert ([one["id"] for one in found["items"]], found["next"]) == ([5, 4], 4)
    found = await client.get("devices/1/outages?order=desc&before=4")
    assert ([one["id"] for one in found["items"]], found["next"]) == ([3, 2, 1], None)


async def test_a_range_has_what_touches_it(client: Client) -> None:
    range = "since=2026-11-26T08:45:00Z&until=2026-11-26T10:25:00Z"
    found = await client.get(f"devices/1/outages?{range}")
    assert [one["id"] for one in found["items"]] == [1, 2]
    assert (found["out_seconds"], found["watched_seconds"]) == (600.0, 6000.0)


async def test_what_is_wrong_is_named(client: Client) -> None:
    status, code, message = await refusal(await client.raw("GET", "devices/1/outages?since=x"))
    assert (status, code) == (400, 420)
    assert "since" in message
    assert (await refusal(await client.raw("GET", "devices/7/outages")))[:2] == (404, 426)
