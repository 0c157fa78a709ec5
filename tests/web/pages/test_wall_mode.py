"""The page of a wall screen."""

from __future__ import annotations

import re

from hub.services.audit import COMMAND_LINE
from hub.store.tables.plate_lists import NewPlateList, PlateEntry
from hub.wire.uploads.records import EventDetail, FaceDetail, Plate, VehicleDetail
from tests.support.page_site import PageSite
from tests.support.photographer import Photographer

_CARD = re.compile(r'<article class="card [^>]*data-key="(\d+)"')


def cards(visitor: Photographer) -> list[int]:
    return [int(seq) for seq in _CARD.findall(visitor.text)]


async def test_the_wall_has_the_newest_cards_and_no_navigation(
    hub: PageSite, guard: Photographer
) -> None:
    seqs = await hub.add_records(20)
    await guard.get("/wall")
    assert cards(guard) == sorted(seqs, reverse=True)[:18]
    assert len(seqs) == 20
    assert 'data-theme="dark"' in guard.text
    assert "<nav" not in guard.text
    assert "card-keep" not in guard.text


async def test_the_address_chooses_kind_cameras_groups_look_and_places(
    hub: PageSite, guard: Photographer
) -> None:
    await hub.enrol_many(["Gate", "Yard", "Lobby"])
    by = {did: await hub.add_record("vehicle", VehicleDetail(), did=did) for did in ("1", "2", "3")}
    face = await hub.add_record("face", FaceDetail(), did="1")
    group = await hub.services.people.groups.add("In", ["2", "3"], by=COMMAND_LINE)
    for query, expected in (
        ("did=1", [face, by["1"]]),
        ("did=1&kind=vehicle", [by["1"]]),
        (f"group={group.id}", [by["3"], by["2"]]),
        (f"group={group.id}&did=1&kind=vehicle", [by["3"], by["2"], by["1"]]),
        ("columns=2&rows=1", [face, by["3"]]),
        # A camera or group that is gone shows nothing, rather than everything.
        ("group=99", []),
    ):
        await guard.get(f"/wall?{query}")
        assert cards(guard) == expected
    await guard.get("/wall?look=light&columns=99&rows=x")
    assert 'data-theme="light"' in guard.text
    assert 'data-columns="12" data-rows="3"' in guard.text


async def test_the_most_severe_alarms_are_large_and_the_others_counted(
    hub: PageSite, guard: Photographer
) -> None:
    await hub.enrol_many([f"Camera {number}" for number in range(1, 6)])
    for did in ("1", "2", "3", "4"):
        await hub.add_record("event", EventDetail(type=6), did=did)
    await hub.add_record(detail=FaceDetail(name="Viktor", category=2), did="5")
    await guard.get("/wall/alarms")
    shown = re.findall(r"wall-alarm-(\w+)", guard.text)
    assert len(shown) == 3
    assert shown[0] == "critical"
    assert "<h2>Viktor" in guard.text
    assert "and 2 more new alarms" in guard.text


async def test_the_alarm_of_a_watched_plate_has_the_plate(
    hub: PageSite, guard: Photographer
) -> None:
    await hub.enrol_many(["Gate"])
    stolen = NewPlateList(name="Stolen", entries=(PlateEntry("粤A33K91"),))
    await hub.services.alarms.plate_lists.add(stolen, by=COMMAND_LINE)
    await hub.add_record("vehicle", VehicleDetail(plate=Plate(id="粤A33K91")), did="1")
    await guard.get("/wall/alarms")
    (title,) = re.findall(r"<h2>(.*?)</h2>", guard.text)
    assert "粤A33K91" in title


async def test_a_person_who_opens_the_wall_keeps_a_persons_session(guard: Photographer) -> None:
    await guard.get("/wall")
    assert "sitehub_session" not in guard.response.headers.get("Set-Cookie", "")


async def test_the_wall_needs_a_session(hub: PageSite) -> None:
    stranger = Photographer(hub)
    assert (await stranger.get("/wall")).status_code == 303
    assert (await stranger.get("/wall/alarms")).status_code == 303


async def test_repeats_share_a_place(hub: PageSite, guard: Photographer) -> None:
    first = await hub.add_record()
    seqs = await hub.add_records(3, detail=FaceDetail(name="Chen Wei", uuid="7", category=1))
    await guard.get("/wall?columns=2&rows=1")
    assert cards(guard) == [seqs[-1], first]
    assert "×<b>3</b>" in guard.text
