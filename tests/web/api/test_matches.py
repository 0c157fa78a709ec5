"""GET /records/matches."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from quart.testing import QuartClient

from hub.wire.uploads.records import FaceDetail, Plate, VehicleDetail
from tests.support.clock import FrozenClock
from tests.support.hub_services import HubServices, open_hub_services
from tests.support.stores import batch_of, upload

PATH = "/api/hub/v1/records/matches"


@pytest.fixture
async def hub(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[HubServices]:
    async with open_hub_services(tmp_path, clock) as hub:
        for number, plate in enumerate(("B88", "A-88 1", "A881", "A77", "b88", "B88")):
            entry = upload(clock, kind="vehicle", detail=VehicleDetail(Plate(plate)), pictures=0)
            did = "1" if number < 3 else "2"
            await hub.store.records.append(batch_of(clock, [entry], seed=number, did=did))
        for number, name in enumerate(("Ann", "Anna")):
            entry = upload(clock, detail=FaceDetail(name=name), pictures=0)
            await hub.store.records.append(batch_of(clock, [entry], seed=10 + number, did="1"))
        yield hub


async def read(
    hub: HubServices, client: QuartClient, query: str, status: int = 200
) -> dict[str, object]:
    response = await client.get(f"{PATH}?{query}", headers=await hub.bearer(read_only=True))
    assert response.status_code == status, await response.get_data(as_text=True)
    found: dict[str, object] = await response.get_json()
    return found


async def test_a_part_of_a_plate_tells_which_cars_have_it(
    hub: HubServices, client: QuartClient
) -> None:
    """Blanks and hyphens make no other car; case neither."""
    assert await read(hub, client, "plate=88") == {
        "field": "plate",
        "matches": [
            {"text": "B88", "records": 3, "last_seq": 6},
            {"text": "A-88 1", "records": 2, "last_seq": 3},
        ],
        "more": 0,
        "exact": True,
    }
    found = await read(hub, client, "plate=88&did=1")
    assert [one["text"] for one in found["matches"]] == ["A-88 1", "B88"]  # type: ignore[attr-defined]


async def test_a_part_of_a_name_tells_which_people_have_it(
    hub: HubServices, client: QuartClient
) -> None:
    found = await read(hub, client, "name=an")
    assert found["field"] == "name"
    assert [one["text"] for one in found["matches"]] == ["Anna", "Ann"]  # type: ignore[attr-defined]


@pytest.mark.parametrize("query", ["did=1", 'plate="B88"', "name="])
async def test_a_part_is_required(query: str, hub: HubServices, client: QuartClient) -> None:
    refused = await read(hub, client, query, 400)
    assert "a part of a name or plate is expected" in str(refused["msg"])


async def test_a_whole_plate_in_quotes_is_no_part(hub: HubServices, client: QuartClient) -> None:
    for query, count in (
        ("plate=A88", 1),
        ('plate="A88"', 0),
        ('plate="A881"', 1),
        ('name="ann"', 1),
    ):
        response = await client.get(
            f"/api/hub/v1/records?{query}", headers=await hub.bearer(read_only=True)
        )
        assert len((await response.get_json())["items"]) == count
