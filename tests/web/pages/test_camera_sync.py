"""The tab People of a camera, and where a person stands on each camera."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

import msgspec
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from hub.services.audit import COMMAND_LINE
from hub.services.people.sync import device_check
from hub.simulator.faults import Quirks
from hub.store.people.device_people import DevicePeople
from hub.store.people.person_rows import PersonChange
from hub.wire.commands.answers import Person as PersonRow
from tests.support.page_site import PageSite
from tests.support.photographer import Photographer, photo
from tests.support.simulated_link import SimulatedLink

PORTRAIT = photo(size=(200, 240))
STRANGER = {"pid": "55", "name": "<Old>", "category": 1}


@pytest.fixture
async def running(hub: PageSite, nursery: trio.Nursery) -> PageSite:
    await nursery.start(hub.services.jobs.run)
    await nursery.start(hub.services.people.sync.run)
    return hub


async def connect(
    hub: PageSite, name: str = "Gate", did: str = "1", **quirks: object
) -> SimulatedLink:
    link = await hub.connect(name, Quirks(**quirks), did=did)  # type: ignore[arg-type]
    link.state.people.clear()
    return link


async def until(is_so: Callable[[], Awaitable[bool]]) -> None:
    """Wait until it is so: the clock stands, so changes are told once only."""
    while not await is_so():
        await wait_all_tasks_blocked()


async def settle(hub: PageSite, pid: str = "7") -> None:
    """Wait until nothing is pending for a person."""

    async def is_settled() -> bool:
        found = await hub.services.people.sync.of_person(pid)
        return bool(found) and all(one.state != "pending" for one in found)

    await until(is_settled)


async def add_person(hub: PageSite, pid: str = "7") -> None:
    change = PersonChange(name="王芳", photo=PORTRAIT)
    await hub.services.people.register.add(change, by=COMMAND_LINE, pid=pid)


async def test_a_person_page_shows_where_they_are(running: PageSite, guard: Photographer) -> None:
    await connect(running)
    await connect(running, "Bay", "2", refuses_photo=1)
    await running.enrol("Yard", did="3")
    await add_person(running)
    sync = running.services.people.sync

    async def is_tried() -> bool:
        states = {one.did: one.state for one in await sync.of_person("7")}
        return (states.get("1"), states.get("2")) == ("done", "failed")

    await until(is_tried)
    for path in ("/people/7", "/people/7/cameras"):
        await guard.get(path)
        for text in ("1 of 3 cameras", "In sync", "Refused by the camera", "Not in sync yet"):
            assert text in guard.text, text
        assert "(code 4" in guard.text
        # What failed comes first.
        assert re.findall(r'<tr data-key="(\d)">', guard.text) == ["2", "3", "1"]
    await guard.get("/people?state=failed")
    assert re.findall(r'<tr data-key="(\d+)">', guard.text) == ["7"]
    await guard.get("/people/7")
    await guard.send("/people/7/retry")
    assert guard.goes_to == "/people/7?done=people-retried"


async def test_the_tab_counts_and_lists_who_is_on_a_camera(
    running: PageSite, guard: Photographer
) -> None:
    await connect(running)
    await add_person(running)
    await settle(running)
    for path in ("/cameras/1/people", "/cameras/1/people/state"):
        await guard.get(path)
        for text in ("<b>1</b><span>assigned", "<b>1</b><span>on the camera", "王芳", "1 of 1"):
            assert text in guard.text, text
    for state in ("pending", "failed", "unknown"):
        await guard.get(f"/cameras/1/people?show={state}")
        assert "王芳" not in guard.text
    assert "/decide/" not in guard.text


async def test_each_camera_has_a_bar(running: PageSite, guard: Photographer) -> None:
    await connect(running)
    await connect(running, "Bay", "2", refuses_photo=1)
    await add_person(running)
    await settle(running)
    await guard.get("/people")
    assert 'href="/people/cameras"' in guard.text
    await guard.get("/people/cameras")
    for text in ("1 of 1", "0 of 1", "1 refused", 'href="/cameras/2/people?show=failed"'):
        assert text in guard.text, text
    await guard.get("/people/cameras", X_Part="1")
    assert "<html" not in guard.text
    assert re.findall(r'<tr data-key="(\d)">', guard.text) == ["2", "1"]


async def test_unknown_people_wait_for_a_decision(
    running: PageSite, admin: Photographer, guard: Photographer
) -> None:
    link = await connect(running)
    link.state.people.add(msgspec.convert(STRANGER, PersonRow), b"")
    sync = running.services.people.sync

    async def is_undecided() -> bool:
        return sync.state_of("1") == "undecided"

    await until(is_undecided)
    await guard.get("/people/undecided")
    assert "1 camera has people on it" in guard.text
    assert 'href="/cameras/1/people">Gate' in guard.text
    await admin.get("/cameras/1/people?show=unknown")
    for text in ("&lt;Old&gt;", "Not in the register", "until someone decides"):
        assert text in admin.text, text
    await admin.get("/cameras/1/people/decide/leave-alone")
    await admin.send("/cameras/1/people/decide/leave-alone")
    assert sync.state_of("1") == "alone"
    await admin.get("/cameras/1/people")
    assert "Syncing was stopped for this camera" in admin.text
    await admin.get("/cameras/1/people/decide/manage")
    await admin.send("/cameras/1/people/decide/manage")
    await until(is_undecided)
    await admin.get("/cameras/1/people/decide/remove-unknown")
    assert "The camera deletes 1 person" in admin.text
    await admin.send("/cameras/1/people/decide/remove-unknown")
    await running.services.jobs.wait(int(admin.goes_to.rpartition("/")[2]))
    assert len(link.state.people) == 0


async def test_the_page_says_where_people_are_put_who_are_taken_over(
    hub: PageSite, admin: Photographer
) -> None:
    sn = await hub.enrol("Gate", did="1")
    await hub.hub.store.device_people.put_unknown("1", sn, {"55": '{"pid":"55"}'})
    await admin.get("/cameras/1/people/decide/take-over")
    assert "and then sent to all other cameras" in admin.text
    await hub.services.people.groups.add("Building B", ["1"], by=COMMAND_LINE)
    await admin.get("/cameras/1/people/decide/take-over")
    assert "to the other cameras of its groups: Building B" in admin.text


async def test_a_camera_whose_list_was_not_read_whole_says_so(
    hub: PageSite, admin: Photographer
) -> None:
    sn = await hub.enrol("Gate", did="1")
    row = DevicePeople(did="1", state="undecided", must_check=False)
    await hub.hub.store.device_people.save(row, sn)
    await admin.get("/cameras/1/people")
    assert "could not read the whole list of people" in admin.text
    assert "Sync anyway…" in admin.text
    assert "Add to the register" not in admin.text
    for decision in ("take-over", "remove-unknown"):
        await admin.get(f"/cameras/1/people/decide/{decision}")
        for text in ("Sync the people on Gate anyway?", "As far as the hub could read the list"):
            assert text in admin.text, text


async def test_a_comparison_is_a_job_that_says_what_it_found(
    running: PageSite, guard: Photographer
) -> None:
    link = await connect(running)
    await add_person(running)
    await settle(running)
    link.state.people.clear()
    await guard.get("/cameras/1/people")
    await guard.send("/cameras/1/people/compare")
    job = guard.goes_to
    await running.services.jobs.wait(int(job.rpartition("/")[2]))
    await guard.get(job)
    for text in ("Comparison of people on a camera", "1 missing", "Completed"):
        assert text in guard.text, text


async def test_a_comparison_of_half_a_list_says_so(
    running: PageSite, guard: Photographer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device_check, "MAX_LISTED", 1)
    link = await connect(running)
    for pid in range(100):
        link.state.people.add(PersonRow(pid=str(100 + pid), name="A"), b"")
    await guard.get("/cameras/1/people")
    await guard.send("/cameras/1/people/compare")
    job = guard.goes_to
    await running.services.jobs.wait(int(job.rpartition("/")[2]))
    await guard.get(job)
    assert "The list could not be read completely, so nobody counts as missing." in guard.text


async def test_a_camera_that_is_offline_cannot_be_compared(
    running: PageSite, guard: Photographer
) -> None:
    await running.enrol("Gate")
    await guard.get("/cameras/1/people")
    await guard.send("/cameras/1/people/compare")
    assert guard.response.status_code == 409
    assert "The camera is not connected" in guard.text


async def test_there_are_no_other_decisions(hub: PageSite, admin: Photographer) -> None:
    await hub.enrol("Gate")
    await admin.get("/cameras/1/people/decide/x")
    assert admin.response.status_code == 404
