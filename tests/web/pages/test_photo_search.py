"""Search all cameras by a photo: the form, the result and its address."""

from __future__ import annotations

import re

import pytest
import trio

from hub.errors import DeviceSilent
from hub.services.audit import COMMAND_LINE
from hub.store.people.person_rows import PersonChange
from tests.support.page_site import PageSite
from tests.support.photographer import Photographer, photo
from tests.support.simulated_link import ok_answer

PORTRAIT = photo(size=(200, 240))
FORM = {"from": "2026-01-01T00:00", "to": "2027-01-01T00:00:00", "threshold": "80"}


@pytest.fixture
async def running(hub: PageSite, nursery: trio.Nursery) -> PageSite:
    await nursery.start(hub.services.jobs.run)
    return hub


def hits(*scores: int, **more: object) -> object:
    rows = [
        {"time": f"2026-05-01 08:00:{n:02}", "score": n, "jpeg_url_face": f"sd/{n}.jpg", **more}
        for n in scores
    ]
    return ok_answer(total=len(rows), face_list=rows)


async def search(hub: PageSite, guard: Photographer, **fields: str) -> str:
    """Search, wait for the end, and open the result; return its path."""
    await guard.get("/search/photo")
    await guard.send_photo("/search/photo", PORTRAIT, **{**FORM, **fields})
    path = guard.goes_to
    await hub.services.jobs.wait(int(path.rpartition("/")[2]))
    await guard.get(path)
    return path


async def test_the_registers_name_of_today_is_shown_beside_the_cameras(
    running: PageSite, guard: Photographer
) -> None:
    gate = await running.connect("Gate")
    gate.outcome = hits(85, pid="7", name="Ann S", category=1)  # type: ignore[assignment]
    path = await search(running, guard)
    assert "<p>Ann S</p>" in guard.text
    assert "In the register" not in guard.text
    change = PersonChange(name="Ann Smith", category=2)
    await running.services.people.register.put("7", change, by=COMMAND_LINE)
    await guard.get(path)
    assert "In the register: </span><span>Ann Smith<" in guard.text
    assert "Blacklist" in guard.text
    assert '<a href="/people/7">Show person</a>' in guard.text


@pytest.mark.parametrize(
    ("period", "since"),
    [
        ("day", "2026-11-24 20:00:00"),
        ("week", "2026-11-18 20:00:00"),
        ("month", "2026-11-01 00:00:00"),
    ],
)
async def test_a_usual_period_needs_one_click(
    running: PageSite, guard: Photographer, period: str, since: str
) -> None:
    gate = await running.connect("Gate")
    gate.outcome = hits(85)  # type: ignore[assignment]
    await search(running, guard, period=period)
    ((_, asked),) = gate.asked[:1]
    assert (asked["start_time"], asked["end_time"]) == (since, "2026-11-25 20:00:00")


async def test_a_cameras_page_leads_to_the_search_of_that_camera_alone(
    running: PageSite, guard: Photographer
) -> None:
    await running.connect("Gate")
    await running.connect("Lobby", did="2")
    await guard.get("/cameras/2/recordings")
    assert 'href="/search/photo?did=2"' in guard.text
    await guard.get("/search/photo?did=2")
    assert re.findall('name="(?:where|did-.)" value="(\\w+)" checked', guard.text) == ["some", "1"]


async def test_without_cameras_the_page_says_what_to_do_next(admin: Photographer) -> None:
    await admin.get("/search/photo")
    assert 'href="/cameras/connect"' in admin.text


async def test_hits_of_all_cameras_are_merged_by_score(
    running: PageSite, guard: Photographer
) -> None:
    gate, bay = await running.connect("Gate"), await running.connect("Bay", did="2")
    gate.outcome, bay.outcome = hits(85, 99), hits(92)  # type: ignore[assignment]
    await running.enrol("Yard", did="3")
    path = await search(running, guard)
    assert "In the register" not in guard.text
    assert re.findall(r"<h3>(\d+)% match", guard.text) == ["99", "92", "85"]
    for text in (
        "3 captures match the photo",
        "2 matches",
        "1 gave no result",
        "could not be reached",
        "/media/device/2?path=sd%2F92.jpg",
        "/search/photo?from_did=2&amp;from_path=sd%2F92.jpg",
    ):
        assert text in guard.text, text
    assert "Add to people" not in guard.text
    (_, asked) = gate.asked[0]
    assert (asked["threshold"], asked["start_time"]) == (80, "2026-01-01 00:00:00")
    await guard.get(f"{path}/state")
    assert "3 captures" in guard.text
    await guard.get(f"{path}/photo")
    assert (await guard.response.get_data())[:2] == b"\xff\xd8"
    await guard.get("/search/photo")
    assert f'href="{path}"' in guard.text


async def test_an_administrator_adds_a_hit_to_people(
    running: PageSite, admin: Photographer
) -> None:
    gate = await running.connect("Gate")
    gate.outcome = hits(99)  # type: ignore[assignment]
    await search(running, admin)
    (link,) = re.findall(r'href="(/people/add\?[^"]+)"', admin.text)
    await admin.get(link.replace("&amp;", "&"))
    assert 'data-source="/media/device/1?path=sd%2F99.jpg"' in admin.text


async def test_a_hit_of_somebody_in_the_register_leads_there(
    running: PageSite, admin: Photographer
) -> None:
    await running.services.people.register.put("7", PersonChange(name="Ann"), by=COMMAND_LINE)
    gate = await running.connect("Gate")
    gate.outcome = hits(99, pid="7", name="Ann")  # type: ignore[assignment]
    await search(running, admin)
    assert '<a href="/people/7">Show person</a>' in admin.text
    assert "Add to people" not in admin.text


async def test_some_cameras_are_asked_by_name_or_group(
    running: PageSite, guard: Photographer
) -> None:
    links = [await running.connect(f"Camera {did}", did=did) for did in ("1", "2", "3")]
    for link in links:
        link.outcome = hits()  # type: ignore[assignment]
    group = await running.services.people.groups.add("Gate", ("1",), by=COMMAND_LINE)
    await search(running, guard, **{"where": "some", "did-3": "1", f"group-{group.id}": "1"})
    assert [len(link.asked) for link in links] == [1, 0, 1]
    assert "No camera captured a similar face" in guard.text


async def test_a_camera_that_does_not_answer_is_named(
    running: PageSite, guard: Photographer
) -> None:
    gate = await running.connect("Gate")
    gate.outcome = DeviceSilent("x")
    await search(running, guard)
    assert "1 gave no result" in guard.text
    assert "did not respond" in guard.text


async def test_a_person_of_the_register_is_searched_without_a_file(
    running: PageSite, guard: Photographer
) -> None:
    gate = await running.connect("Gate")
    gate.outcome = hits(90)  # type: ignore[assignment]
    change = PersonChange(name="Ann", photo=PORTRAIT)
    await running.services.people.register.add(change, by=COMMAND_LINE, pid="7")
    await guard.get("/people/7")
    assert 'href="/search/photo?from_person=7"' in guard.text
    await guard.get("/search/photo?from_person=7")
    assert 'data-source="/people/7/photo"' in guard.text
    await guard.send_photo("/search/photo", **FORM, from_person="7")
    assert guard.goes_to.startswith("/search/photo/")


@pytest.mark.parametrize(
    ("fields", "data", "says"),
    [
        ({"threshold": "101"}, PORTRAIT, "Threshold"),
        ({"from": ""}, PORTRAIT, "Enter two times"),
        ({"from": "2028-01-01T00:00"}, PORTRAIT, "Enter two times"),
        ({"where": "some"}, PORTRAIT, "Choose at least one camera."),
        ({}, b"", "Choose a photo."),
        ({}, b"text", "cannot be used"),
    ],
)
async def test_a_wrong_form_searches_nothing(
    running: PageSite, guard: Photographer, fields: dict[str, str], data: bytes, says: str
) -> None:
    gate = await running.connect("Gate")
    await guard.get("/search/photo")
    await guard.send_photo("/search/photo", data, **{**FORM, **fields})
    assert guard.response.status_code == 400
    assert says in guard.text
    assert gate.asked == []
