from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack

import pytest

from hub.errors import TooManyRequests
from hub.services.people.register import PeopleRegister
from hub.store.people.person_rows import PersonName
from hub.wire.uploads.records import EventDetail, FaceDetail, Record
from tests.support.browsing import Visitor
from tests.support.page_site import PageSite
from web.pages.live.stream import WallStream
from web.pages.shown.record_cards import RecordCard, make_card

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


async def test_a_card_is_rendered_once_for_all_who_see_the_same(
    admin: Visitor, hub: PageSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered: list[int] = []

    def count(record: Record, people: Mapping[str, PersonName]) -> RecordCard:
        rendered.append(record.seq)
        return make_card(record, people)

    monkeypatch.setattr(sys.modules[WallStream.__module__], "make_card", count)
    viewer = await Visitor.signed_in(hub, "viewer")
    async with (
        admin.listening("/stream") as first,
        admin.listening("/stream") as second,
        viewer.listening("/stream") as third,
    ):
        for events in (first, second, third):
            await events.next()
        await hub.add_record(detail=LI)
        cards = [(await events.next())[1] for events in (first, second, third)]
    assert rendered == [1, 1]
    assert cards[0] == cards[1]
    # A viewer cannot keep records.
    assert "card-keep" in cards[0]["html"]
    assert "card-keep" not in cards[2]["html"]
    # What the store gives is not what the feed gave.
    async with admin.listening("/stream?after=0") as events:
        await events.next()
        assert (await events.next())[1] == cards[0]
    assert rendered == [1, 1, 1]


async def test_one_of_many_live_pages_asks_the_register_whom_a_record_names(
    admin: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    names = PeopleRegister.names

    async def count(register: PeopleRegister, numbers: set[str]) -> Mapping[str, PersonName]:
        asked.append(len(numbers))
        return await names(register, numbers)

    monkeypatch.setattr(PeopleRegister, "names", count)
    monkeypatch.setattr("hub.services.rounds.PAUSE_SECONDS", (0.0, 0.0))
    async with AsyncExitStack() as pages:
        enter = pages.enter_async_context
        streams = [await enter(admin.listening("/stream")) for _ in range(20)]
        for events in streams:
            await events.next()
        await admin.hub.add_record(detail=LI)
        cards = [await events.next_of("card") for events in streams]
    assert all(card == cards[0] for card in cards)
    assert asked == [1]


async def test_a_stream_ends_if_the_register_is_busy_and_the_next_one_goes_on(
    admin: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def be_busy(register: PeopleRegister, numbers: set[str]) -> Mapping[str, PersonName]:
        raise TooManyRequests

    async with admin.listening("/stream") as events:
        _, last = await events.next()
        with monkeypatch.context() as patch:
            patch.setattr(PeopleRegister, "names", be_busy)
            seq = await admin.hub.add_record(detail=LI)
            assert await events.ended()
    async with admin.listening(f"/stream?after={last['seq']}") as events:
        assert (await events.next_of("card"))["seq"] == seq


async def test_the_strip_says_since_when_a_camera_is_offline(admin: Visitor) -> None:
    link = await admin.hub.connect("Alpha")
    await admin.hub.enrol("Omega", did="2")
    admin.hub.hub.registry.touch("1")
    admin.hub.hub.registry.detach(link)
    await admin.get("/strip")
    assert re.findall(r'class="chip-since">([^<]+)<', admin.text) == ["offline since 20:00"]
    # The next day.
    admin.hub.clock.advance(5 * 3600)
    await admin.get("/strip")
    assert re.search(r'class="chip-since">offline since \d+ \w+ 20:00<', admin.text)
    admin.hub.refuse("1", "code-mismatch")
    await admin.get("/strip")
    assert re.search(r'class="chip-since">refused, last online \d+ \w+ 20:00<', admin.text)


async def test_a_record_leads_to_more_like_it_and_to_the_recording(admin: Visitor) -> None:
    await admin.hub.enrol()
    await admin.hub.add_record(detail=LI, pictures=["face"])
    await admin.get("/records/1")
    for url in (
        "/search/kept/new?seq=1",
        "/search/photo?from_record=1",
        "/people/add?from_record=1",
        "/search?uuid=7#answer",
        "/cameras/1/recordings/2026-11-25?around=20:00",
    ):
        assert f'href="{url}"' in admin.text, url
    assert 'href="/search?did=1&amp;around=' in admin.text


async def test_a_viewer_is_offered_only_what_is_allowed(hub: PageSite, viewer: Visitor) -> None:
    await hub.add_record(detail=LI, pictures=["face"])
    await viewer.get("/records/1")
    assert "/search?uuid=7" in viewer.text
    for path in ("/search/kept/new", "/search/photo?", "/people/add", "/recordings/"):
        assert f'href="{path}' not in viewer.text, path


async def test_a_line_shows_where_the_last_visit_ended(hub: PageSite, guard: Visitor) -> None:
    await hub.add_records(2)
    await guard.get("/")
    assert "wall-line" not in guard.text
    await guard.send("/wall-seen", seq="2")
    assert guard.response.status_code == 204
    hub.clock.advance(1000)
    await hub.add_records(2)
    await guard.get("/")
    line = guard.text.index('class="wall-line" data-line="2"')
    assert guard.text.index('data-key="3"') < line < guard.text.index('data-key="2"')
    # A filter leaves out records that were not seen.
    await guard.get("/?kind=face")
    assert "wall-line" not in guard.text


async def test_cards_are_marked_as_reviewed(hub: PageSite, guard: Visitor) -> None:
    await hub.add_records(4)

    async def reviewed() -> list[str]:
        await guard.get("/")
        return re.findall(r'card-reviewed" data-key="(\d+)"', guard.text)

    assert await reviewed() == []
    await guard.send("/reviewed", seq="3")
    assert guard.goes_to == "/"
    assert await reviewed() == ["3"]
    await guard.send("/reviewed", part=True, upto="1")
    assert guard.response.status_code == 204
    assert await reviewed() == ["3", "1"]
    await guard.send("/reviewed", seq="x")
    assert guard.response.status_code == 400


async def test_a_viewer_reviews_nothing(hub: PageSite, viewer: Visitor) -> None:
    await hub.add_records(1)
    await viewer.get("/")
    assert 'name="upto"' not in viewer.text
    await viewer.send("/reviewed", seq="1")
    assert viewer.response.status_code == 403


async def test_what_came_since_the_last_visit_is_on_top_with_links(guard: Visitor) -> None:
    await guard.hub.add_records(2)
    await guard.get("/")
    assert "since-visit" not in guard.text
    await guard.send("/wall-seen", seq="2")
    guard.hub.clock.advance(600)
    await guard.get("/")
    assert "since-visit" not in guard.text, "nothing came"
    fire = {"kind": "event", "detail": EventDetail(type=2)}
    await guard.hub.add_record(**fire)
    await guard.get("/")
    said = " ".join(re.sub("<[^>]*>", "", _since_visit(guard.text)).split())
    assert said == "Since your last visit (20:00): 1 alarm, 1 open 1 record"
    for link in re.findall(r'href="([^"]*)"', _since_visit(guard.text)):
        await guard.get(link.replace("&amp;", "&"))
        assert "/alarms/3" in guard.text or "/records/3" in guard.text
    await guard.get("/?kind=event")
    assert "since-visit" not in guard.text, "it is about the whole wall"


def _since_visit(text: str) -> str:
    found = re.search(r'<p class="since-visit">.*?</p>', text, re.DOTALL)
    assert found is not None
    return found[0]
