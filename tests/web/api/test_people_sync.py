"""Where people are on cameras, by the API and in the stream."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
import trio

from hub.live.feed import Change
from hub.store.people.device_people import DevicePeople
from hub.store.people.holdings import ItemResult
from hub.store.people.people import PersonPut
from hub.store.people.person_rows import PersonChange
from hub.store.tables.devices import NewDevice
from tests.services.people.test_register import ADA
from tests.support.clock import FrozenClock
from tests.support.hub_services import HubServices, open_hub_services
from tests.support.simulated_link import SimulatedLink
from tests.support.sse import open_event_stream
from tests.web.api.test_api import Client, refusal
from web.app import create_app


@pytest.fixture
async def hub(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[HubServices]:
    """Camera 1 is managed and refused person 2; camera 2 has an unknown person."""
    async with open_hub_services(tmp_path, clock) as hub:
        for number in (1, 2):
            await hub.services.cameras.devices.add(
                NewDevice(sn=f"SN{number:013d}", code="ABCD1234")
            )
        puts = [
            PersonPut(pid=pid, change=PersonChange(name=f"Person {pid}", photo=b"jpeg"))
            for pid in ("1", "2", "3")
        ]
        people = await hub.services.people.register.put_many(puts, by=ADA)
        assert len(people) == 3
        store = hub.store
        for number, state in ((1, "managed"), (2, "undecided")):
            row = DevicePeople(did=str(number), state=state, must_check=False)
            await store.device_people.save(row, f"SN{number:013d}")
        done = ItemResult(pid="1", revision=1)
        failed = ItemResult(pid="2", revision=0, failed_revision=2, code=420, msg="no face")
        await store.holdings.note("1", f"SN{1:013d}", [done, failed])
        row = msgspec.json.encode({"pid": "77", "name": "A stranger"}).decode()
        await store.device_people.put_unknown("2", f"SN{2:013d}", {"77": row})
        yield hub


async def test_a_person_says_where_it_is(api: Client) -> None:
    assert await api.get("people/2/sync") == {
        "items": [
            {"did": "1", "state": "failed", "code": 420, "msg": "no face"},
            {"did": "2", "state": "pending", "code": None, "msg": ""},
        ],
        "next": None,
    }
    assert (await refusal(await api.raw("GET", "people/9/sync")))[:2] == (404, 426)


async def test_a_camera_says_how_far_it_is_with_its_rows(api: Client) -> None:
    found = await api.get("devices/1/people?limit=2")
    assert {name: found[name] for name in ("did", "state", "should", "is", "pending")} == {
        "did": "1",
        "state": "managed",
        "should": 3,
        "is": 1,
        "pending": 1,
    }
    assert (found["failed"], found["unknown"], found["next"]) == (1, 0, "2")
    assert [(row["pid"], row["state"], row["wanted"]) for row in found["items"]] == [
        ("1", "done", True),
        ("2", "failed", True),
    ]
    rest = await api.get("devices/1/people?after=2")
    assert [(row["pid"], row["state"]) for row in rest["items"]] == [("3", "pending")]
    assert rest["next"] is None


async def test_rows_of_a_state_and_unknown_people_can_be_asked_for(api: Client) -> None:
    failed = await api.get("devices/1/people?state=failed")
    assert [row["pid"] for row in failed["items"]] == ["2"]
    unknown = await api.get("devices/2/people?state=unknown")
    assert unknown["unknown"] == 1
    assert [(row["pid"], row["name"], row["state"]) for row in unknown["items"]] == [
        ("77", "A stranger", "unknown")
    ]


async def test_what_a_camera_refused_is_tried_again(api: Client, hub: HubServices) -> None:
    await api.send("POST", "devices/1/people/retry", {"pid": "2"})
    found = await api.get("devices/1/people")
    assert (found["pending"], found["failed"]) == (2, 0)
    assert (await refusal(await api.raw("POST", "devices/9/people/retry", {})))[:2] == (404, 426)


async def test_a_camera_is_left_alone_and_managed_again(api: Client) -> None:
    assert (await api.send("POST", "devices/2/people/leave-alone"))["state"] == "alone"
    assert [one["did"] for one in (await api.get("people/1/sync"))["items"]] == ["1"]
    assert (await api.send("POST", "devices/2/people/manage"))["state"] == "new"


async def test_the_stream_tells_how_far_a_camera_is(api: Client, hub: HubServices) -> None:
    app, key = create_app(hub.services), await hub.bearer()
    async with open_event_stream(app, "/api/hub/v1/stream", "did=1", key) as reader:
        hub.services.core.changes.publish([Change("sync", "2"), Change("sync", "1")])
        event = await reader.next()
    assert event.name == "sync"
    assert event.data["did"] == "1"
    assert (event.data["should"], event.data["is"], event.data["failed"]) == (3, 1, 1)
    assert "items" not in event.data


async def test_a_comparison_is_a_job(api: Client, hub: HubServices) -> None:
    answer = await refusal(await api.raw("POST", "devices/2/people/compare"))
    assert answer == (409, 409, "the device is offline")
    link = SimulatedLink("2", f"SN{2:013d}", hub.services.core.clock.likely_time)
    hub.registry.attach(link)
    async with trio.open_nursery() as nursery:
        await nursery.start(hub.services.jobs.run)
        job = await api.send("POST", "devices/2/people/compare")
        assert (job["kind"], job["created_by"][:4]) == ("compare", "key ")
        await hub.services.jobs.wait(job["id"])
        (item,) = (await api.get(f"jobs/{job['id']}"))["items"]
        nursery.cancel_scope.cancel()
    known = len(link.state.people)
    assert item["detail"]["did"] == "2"
    assert (item["detail"]["total"], item["detail"]["unknown"]) == (known, known)
    found = await api.get("devices/2/people?state=unknown")
    assert (found["state"], found["unknown"], len(found["items"])) == ("undecided", known, known)
