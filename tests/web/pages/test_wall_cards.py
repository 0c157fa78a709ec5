from __future__ import annotations

import re

from hub.wire.uploads.records import FaceDetail
from tests.support.browsing import Visitor

LI = FaceDetail(name="Li Wei", uuid="7", category=1)


def cards(visitor: Visitor) -> list[tuple[int, int]]:
    """The seq of each card and the number of records it stands for, in the order of the wall."""
    found = re.findall(r'<article [^>]*data-key="(\d+)"(?:[^>]*data-count="(\d+)")?', visitor.text)
    return [(int(seq), int(count or 1)) for seq, count in found]


async def test_a_person_who_stays_is_one_card_that_lists_the_earlier_records(
    admin: Visitor,
) -> None:
    await admin.hub.add_record(detail=LI)
    await admin.hub.add_record(detail=FaceDetail())
    await admin.hub.add_records(2, detail=LI)
    await admin.get("/?kind=face")
    assert cards(admin) == [(4, 3), (2, 1)]
    assert re.findall(r'<li data-seq="(\d+)"', admin.text) == ["3", "1"]
    assert 'class="card-link" href="/records/1?kind=face"' in admin.text


async def test_a_wall_of_repeats_is_filled_with_what_was_before(admin: Visitor) -> None:
    await admin.hub.add_records(100, detail=FaceDetail())
    await admin.hub.add_records(55, detail=LI)
    await admin.get("/")
    found = cards(admin)
    # Two pages of records were read.
    assert found[0] == (155, 55)
    assert len(found) == 66
    assert 'href="/?before=36"' in admin.text


async def test_a_card_lists_a_bounded_number_of_earlier_records(admin: Visitor) -> None:
    await admin.hub.add_records(120, detail=LI)
    await admin.get("/")
    assert cards(admin) == [(120, 120)]
    assert admin.text.count("<li data-seq=") == 50


async def test_a_browser_that_has_chosen_fixed_places_gets_them(admin: Visitor) -> None:
    await admin.hub.add_record()
    await admin.get("/")
    assert "wall-places" not in admin.text
    admin._client.set_cookie("localhost", "sitehub_wall", "places")
    await admin.get("/")
    assert 'class="wall wall-places" id="wall"' in admin.text


async def test_the_stream_says_who_is_on_the_blacklist(admin: Visitor) -> None:
    await admin.hub.add_record(detail=LI)
    await admin.hub.add_record(detail=FaceDetail(name="Wang", uuid="8", category=2))
    async with admin.listening("/stream?after=0") as events:
        await events.next()
        _, first = await events.next()
        _, second = await events.next()
    assert (first["listed"], second["listed"]) == (False, True)
