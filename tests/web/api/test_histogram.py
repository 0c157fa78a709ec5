"""GET /records/histogram."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from quart.testing import QuartClient

from hub.services.audit import COMMAND_LINE
from tests.support.clock import FrozenClock
from tests.support.hub_services import HubServices, face, open_hub_services

PATH = "/api/hub/v1/records/histogram"
RANGE = "since=2026-11-25T12:00:00Z&until=2026-11-25T14:30:00Z"


@pytest.fixture
async def hub(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[HubServices]:
    async with open_hub_services(tmp_path, clock) as hub:
        for name, did in (("Ann", "1"), ("Bob", "2"), ("Ann", "2")):
            await hub.add(replace(face(name), occurred_at=clock.ms), did=did)
            clock.advance(3600)
        yield hub


async def read(hub: HubServices, client: QuartClient, query: str) -> dict[str, object]:
    response = await client.get(f"{PATH}?{query}", headers=await hub.bearer(read_only=True))
    assert response.status_code == 200, await response.get_data(as_text=True)
    found: dict[str, object] = await response.get_json()
    return found


async def test_a_histogram_has_a_start_and_a_count_for_each_bucket(
    hub: HubServices, client: QuartClient
) -> None:
    assert await read(hub, client, f"{RANGE}&bucket=1h") == {
        "since": "2026-11-25T12:00:00.000Z",
        "until": "2026-11-25T14:30:00.000Z",
        "bucket": "1h",
        "exact": True,
        "total": 3,
        "starts": [f"2026-11-25T{hour}:00:00.000Z" for hour in (12, 13, 14)],
        "counts": [1, 1, 1],
    }


async def test_it_takes_the_filters_of_the_list(hub: HubServices, client: QuartClient) -> None:
    group = await hub.services.people.groups.add("Gate", (), by=COMMAND_LINE)
    for filter, total in (
        ("name=an", 2),
        ("name=a?n&did=2", 1),
        ("did=1,2", 3),
        (f"group={group.id}", 0),
        ("kind=vehicle", 0),
        ("pictures=yes", 0),
    ):
        found = await read(hub, client, f"{RANGE}&{filter}")
        assert (filter, found["total"]) == (filter, total)


async def test_the_length_of_a_bucket_is_chosen_by_the_range(
    hub: HubServices, client: QuartClient
) -> None:
    assert (await read(hub, client, RANGE))["bucket"] == "1m"
    assert (await read(hub, client, ""))["total"] == 3


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("bucket=2h", "bucket"),
        ("since=2026-11-25T12:00:00Z&until=2026-11-25T12:00:00Z", "since"),
        ("since=2020-01-01T00:00:00Z&bucket=1m", "bucket"),
        ("since=1970-01-01T00:00:00Z", "since"),
        ("since=1970-01-01T00:00:00Z&bucket=1w", "since"),
        ("since=today", "since"),
        ("after=1", "after"),
        ("group=77", "group"),
    ],
)
async def test_bad_parameters_are_named(
    query: str, named: str, hub: HubServices, client: QuartClient
) -> None:
    response = await client.get(f"{PATH}?{query}", headers=await hub.bearer(read_only=True))
    assert response.status_code == 400
    assert named in (await response.get_json())["msg"]
