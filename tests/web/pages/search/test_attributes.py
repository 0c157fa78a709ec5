"""Searching by what people wear and what vehicles look like, on real services."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub.wire.uploads.records import EventDetail, FaceDetail, Plate, Vehicle, VehicleDetail
from hub.wire.uploads.searchable import SEARCHABLE
from tests.support.browsing import Visitor
from tests.support.clock import FrozenClock
from tests.support.page_site import PageSite, open_page_site
from tests.web.pages.search.test_exports import read_csv
from tests.web.pages.search.test_search import ask, chips, titles


@pytest.fixture
async def site(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[PageSite]:
    async with open_page_site(tmp_path, clock) as site:
        await site.enrol("Main gate")
        await site.enrol("Yard", did="2")
        yield site


async def capable(site: PageSite, did: str, edition: str) -> None:
    """Say that a camera uploads as cameras of this edition do."""
    await site.services.cameras.capabilities.override(did, "uploads", edition)


def offered(visitor: Visitor) -> set[str]:
    """The attributes that the form asks for."""
    (form,) = re.findall(r'<form class="sheet search-form.*?</form>', visitor.text, re.S)
    return {one for one in re.findall(r'name="(\w+)"', form) if one in SEARCHABLE}


async def test_a_man_with_a_red_jacket_and_a_backpack(site: PageSite, guard: Visitor) -> None:
    for name, gender, garment, colour, bag in (
        ("Ann", 2, "jacket", "red", "backpack"),
        ("Ben", 1, "jacket", "red", "backpack"),
        ("Cai", 1, "jacket", "blue", "backpack"),
        ("Dan", 1, "coat", "red", "backpack"),
        ("Eli", 1, "jacket", "red", "none"),
        ("Fu", 1, "jacket", "orange", "backpack"),
    ):
        worn = {"upper_garment": garment, "upper_colour": colour, "bag": bag}
        await site.add_record(detail=FaceDetail(name=name, gender=gender, attributes=worn))
    man = "?gender=male&bag=backpack&upper_garment=jacket"
    # As the form sends it without a script, and in another order.
    await guard.get(f"/search{man}&helmet=&mask=&upper_colour=red")
    canonical = "/search?gender=male&bag=backpack&upper_colour=red&upper_garment=jacket"
    assert guard.goes_to == canonical
    await guard.get(guard.goes_to)
    assert titles(guard) == ["Ben"]
    assert list(chips(guard)) == [
        *(
            "Gender: Male",
            "Bag: Backpack",
            "Colour of upper clothing: Red",
            "Upper clothing: Jacket",
        ),
    ]
    await guard.get(chips(guard)["Gender: Male"])
    assert titles(guard) == ["Ben", "Ann"]
    await ask(guard, f"{man}&upper_colour=orange&upper_colour=red")
    assert titles(guard) == ["Fu", "Ben"]
    await guard.get(chips(guard)["Colour of upper clothing: Red"])
    assert titles(guard) == ["Fu"]


async def test_who_was_without_a_helmet_is_one_question_to_cameras_of_two_editions(
    site: PageSite, guard: Visitor
) -> None:
    await site.add_record(detail=FaceDetail(name="Of edition 2", attributes={"helmet": "no"}))
    hat = {"headwear": "hat", "helmet": "no"}
    await site.add_record(detail=FaceDetail(name="Of edition 3", attributes=hat))
    await site.add_record(detail=FaceDetail(name="Safe", attributes={"helmet": "yes"}))
    await site.add_record(detail=FaceDetail(name="Not known"))
    await ask(guard, "?helmet=no")
    assert titles(guard) == ["Of edition 3", "Of edition 2"]


async def test_a_white_suv_whose_plate_has_88(site: PageSite, guard: Visitor) -> None:
    for plate, number, colour in (
        ("B8801", 6, "white"),
        ("B8802", 1, "white"),
        ("B8803", 6, "red"),
    ):
        await site.add_record(
            "vehicle", VehicleDetail(Plate(plate), Vehicle(number, colour=colour))
        )
    await ask(guard, "?plate=88&car_type=SUV&car_colour=white")
    assert re.findall(r'<span class="plate[^>]*>(.*?)<', guard.text) == ["B8801"]


async def test_the_form_asks_for_what_a_camera_of_the_site_reports(
    site: PageSite, guard: Visitor
) -> None:
    await guard.get("/search")
    assert offered(guard) == {"gender", "car_type", "plate_colour", "car_maker"}
    assert "No camera of this site reports clothing, bags or helmets." in guard.text
    await capable(site, "1", "2")
    await guard.get("/search")
    assert offered(guard) >= {"helmet", "smoking", "carrying"}
    assert "bag" not in offered(guard)
    assert "No camera of this site reports clothing." in guard.text
    await capable(site, "2", "3")
    await guard.get("/search")
    assert offered(guard) == set(SEARCHABLE)
    assert "No camera of this site reports" not in guard.text


async def test_four_attributes_of_people_come_first_and_the_others_are_folded(
    site: PageSite, guard: Visitor
) -> None:
    await capable(site, "1", "3")
    for query, is_open in (
        ("", False),
        ("?gender=male&upper_colour=red", False),
        ("?mask=no", True),
    ):
        await ask(guard, query)
        person = guard.text.partition("<summary>Person")[2].partition("<summary>Vehicle")[0]
        first, _, others = person.partition("<summary>More attributes</summary>")
        assert set(re.findall(r'name="(\w+)"', first)) == {
            "gender",
            "helmet",
            "bag",
            "upper_colour",
        }
        assert {"mask", "lower_colour", "umbrella"} <= set(re.findall(r'name="(\w+)"', others))
        assert first.endswith('<details class="more" open>') == is_open
    await capable(site, "1", "2")
    await guard.get("/search")
    assert "More attributes" not in guard.text


async def test_what_is_asked_for_stays_in_the_form(site: PageSite, guard: Visitor) -> None:
    await ask(guard, "?upper_colour=red&upper_colour=pink&bag=none&bag=backpack&car_type=SUV")
    for key, word in (("upper_colour", "red"), ("upper_colour", "pink")):
        assert f'type="checkbox" name="{key}" value="{word}" checked' in guard.text
    for word in ("none", "backpack", "SUV"):
        assert f'<option value="{word}" selected>' in guard.text
    assert '<select name="bag" multiple' in guard.text
    assert "lower_colour" not in offered(guard)


async def test_a_word_that_is_no_attribute_is_refused(site: PageSite, guard: Visitor) -> None:
    await guard.get("/search?bag=barrel")
    assert guard.response.status_code == 400
    assert "The address contains an invalid filter: bag" in guard.text


async def test_an_opened_record_leads_to_what_has_the_same_attribute(
    site: PageSite, guard: Visitor
) -> None:
    seen = FaceDetail(gender=2, attributes={"upper_colour": "red", "upper_pattern": "plain"})
    seq = await site.add_record(detail=seen)
    car = VehicleDetail(
        Plate("B1", colour="yellow, one row"), Vehicle(6, "Great Wall", colour="red")
    )
    of_car = await site.add_record("vehicle", car)
    links = {}
    for one in (seq, of_car):
        await guard.get(f"/records/{one}")
        found = r'<dt>([^<]*)</dt><dd><a href="([^"]*)"[^>]*>([^<]*)</a>'
        links |= {label: (url, text) for label, url, text in re.findall(found, guard.text)}
    assert links == {
        "Gender": ("/search?gender=female#answer", "Female"),
        "Colour of upper clothing": ("/search?upper_colour=red#answer", "Red"),
        "Plate colour": ("/search?plate_colour=yellow#answer", "Yellow, one row"),
        "Vehicle type": ("/search?car_type=SUV#answer", "SUV"),
        "Brand": ("/search?car_maker=Great+Wall#answer", "Great Wall"),
        "Vehicle colour": ("/search?car_colour=red#answer", "Red"),
    }


async def test_what_a_person_has_not_comes_after_what_there_is_to_see(
    site: PageSite, guard: Visitor
) -> None:
    worn = {"mask": "no", "bag": "backpack", "glasses": "none", "upper_colour": "red"}
    seq = await site.add_record(detail=FaceDetail(attributes=worn))
    await guard.get(f"/records/{seq}")
    places = [
        guard.text.index(f"<dt>{label}</dt>")
        for label in ("Bag", "Colour of upper clothing", "Mask", "Glasses")
    ]
    assert places == sorted(places)


async def test_the_csv_has_the_attributes_in_the_language_of_the_page(
    site: PageSite, guard: Visitor
) -> None:
    seen = FaceDetail(gender=1, attributes={"bag": "backpack", "orientation": "front"})
    await site.add_record(detail=seen)
    vehicle = Vehicle(6, "BMW", colour="red")
    await site.add_record("vehicle", VehicleDetail(Plate("B1", colour="green"), vehicle))
    await site.add_record("event", EventDetail(2))
    said = [row[-1] for row in await read_csv(guard)]
    assert said == [
        *("Attributes", "", "Plate colour: Green; Vehicle colour: Red; Brand: BMW"),
        "Gender: Male; Bag: Backpack",
    ]
    await site.name_site("zh")
    said = [row[-1] for row in await read_csv(guard, "?kind=face")]
    assert said == ["属性", "性别：男; 包：双肩包"]


async def test_a_search_by_attributes_is_saved_with_them(site: PageSite, guard: Visitor) -> None:
    await ask(guard, "?upper_colour=red&bag=backpack")
    query = "bag=backpack&upper_colour=red"
    await guard.send("/search/saved", name="Red with a backpack", query=query)
    assert guard.goes_to == f"/search?{query}&done=search-saved"
    await guard.get(f"/search?{query}")
    assert "<span>Red with a backpack</span>" in guard.text
