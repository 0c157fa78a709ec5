"""Saved searches: kept under a name, opened again, renamed and deleted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub.services.records import saved_searches
from hub.store.tables.saved_searches import MAX_SEARCHES
from hub.wire.uploads.records import FaceDetail
from tests.support.browsing import Visitor
from tests.support.clock import FrozenClock
from tests.support.page_site import PageSite, open_page_site

DAY = 86_400


@pytest.fixture
async def site(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[PageSite]:
    async with open_page_site(tmp_path, clock) as site:
        await site.enrol("Main gate")
        yield site


async def save(visitor: Visitor, query: str, name: str) -> None:
    await visitor.get(f"/search?{query}")
    await visitor.send("/search/saved", query=query, name=name)


async def test_a_search_is_saved_for_everybody_and_stays_relative(
    site: PageSite, guard: Visitor, clock: FrozenClock
) -> None:
    await site.add_record(detail=FaceDetail(name="Anna"))
    await save(guard, "when=yesterday&did=1", "Gate  yesterday")
    assert guard.goes_to == "/search?when=yesterday&did=1&done=search-saved"
    await guard.get(guard.goes_to)
    assert "The search was saved." in guard.text
    assert "Nothing found" in guard.text
    clock.advance(DAY)
    viewer = await Visitor.signed_in(site, "viewer")
    await viewer.get("/search")
    assert 'href="/search?when=yesterday&amp;did=1"' in viewer.text
    assert "<span>Gate yesterday</span>" in viewer.text
    assert "/search/saved" not in viewer.text
    await viewer.get("/search?when=yesterday&did=1")
    assert "<h3>Anna</h3>" in viewer.text
    await guard.sign_in("guard")
    await guard.get("/search?when=yesterday&did=1")
    assert "Saved by guard, " in guard.text
    assert "Save search" not in guard.text


async def test_what_is_saved_is_the_question_and_nothing_else(
    site: PageSite, guard: Visitor
) -> None:
    await save(guard, "did=1&x=y&when=today&before=7", "Gate")
    (one,) = site.services.records.saved_searches.list()
    assert (one.query, one.created_by) == ("when=today&did=1", "user guard")
    for wrong in ("day=never", "&".join(f"x={n}" for n in range(2_000)), ""):
        await guard.send("/search/saved", query=wrong, name="Wrong")
        assert guard.response.status_code == 400
    assert len(site.services.records.saved_searches.list()) == 1


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("Gate", "There is a saved search with this name"),
        (" ", "Enter a name of at most 80 characters."),
        ("x" * 81, "Enter a name of at most 80 characters."),
        ("Gate\u202eetag", "Enter a name of at most 80 characters."),
    ],
)
async def test_a_name_that_cannot_be_is_asked_for_again(
    site: PageSite, guard: Visitor, name: str, says: str
) -> None:
    await save(guard, "when=today", "Gate")
    await save(guard, "when=hour", name)
    assert guard.response.status_code in (400, 409)
    assert says in guard.text
    assert 'name="query" value="when=hour"' in guard.text
    await guard.send("/search/saved/1/rename", name=" ")
    assert "Enter a name" in guard.text
    assert [one.name for one in site.services.records.saved_searches.list()] == ["Gate"]


async def test_there_are_at_most_so_many(site: PageSite, guard: Visitor) -> None:
    for number in range(MAX_SEARCHES):
        await site.services.records.saved_searches.add(f"S{number}", "when=today", by=saved_by())
    await save(guard, "when=hour", "One more")
    assert "At most 100 searches can be saved." in guard.text
    assert len(site.services.records.saved_searches.list()) == MAX_SEARCHES


def saved_by() -> saved_searches.Actor:
    return saved_searches.Actor("user mei")


async def test_who_saved_a_search_renames_and_deletes_it(site: PageSite, guard: Visitor) -> None:
    await save(guard, "when=today", "Gate")
    await guard.get("/search?when=today")
    await guard.send("/search/saved/1/rename", name="North gate")
    assert guard.goes_to == "/search?when=today&done=changed"
    await guard.get(guard.goes_to)
    assert "<span>North gate</span>" in guard.text
    await guard.send("/search/saved/1/remove")
    await guard.get(guard.goes_to)
    assert "The search was deleted." in guard.text
    assert "North gate" not in guard.text
    assert await site.audited() == [
        ("user guard", "search.save", "1"),
        ("user guard", "search.rename", "1"),
        ("user guard", "search.remove", "1"),
    ]


async def test_others_do_not_change_it_and_administrators_do(
    site: PageSite, guard: Visitor
) -> None:
    await site.services.records.saved_searches.add("Mei's", "when=today", by=saved_by())
    await guard.get("/search?when=today")
    assert "/search/saved/1/rename" not in guard.text
    await guard.get("/search?when=hour")
    for path in ("rename", "remove"):
        await guard.send(f"/search/saved/1/{path}", name="Mine")
        assert guard.response.status_code == 403
    admin = await Visitor.signed_in(site, "admin")
    await admin.get("/search?when=today")
    await admin.send("/search/saved/1/remove")
    assert site.services.records.saved_searches.list() == ()
    await admin.send("/search/saved/1/remove")
    assert admin.response.status_code == 404


async def test_searches_about_an_erased_person_go_with_them(site: PageSite) -> None:
    service = site.services.records.saved_searches
    await site.add_record(detail=FaceDetail(name="Anna Li", uuid="7"))
    await site.add_record(detail=FaceDetail(name="Ben Fox"))
    for name, query in (
        ("Number", "uuid=7"),
        ("Other number", "uuid=77"),
        ("By name", "name=BEN+fox"),
        ("Where was Ben Fox", "when=today"),
        ("Part", "name=fox"),
    ):
        await service.add(name, query, by=saved_by())
    erasures = site.services.records.erasures
    await erasures.begin(await erasures.find_subject(number="7"), with_held=True, by=saved_by())
    await erasures.begin(await erasures.find_subject(name="ben fox"), with_held=True, by=saved_by())
    await erasures.carry_out()
    assert [one.name for one in service.list()] == ["Other number", "Part"]


async def test_saved_searches_are_there_after_a_restart(tmp_path: Path, clock: FrozenClock) -> None:
    async with open_page_site(tmp_path / "a", clock) as site:
        await site.services.records.saved_searches.add("Gate", "did=1", by=saved_by())
        path = tmp_path / "a"
    async with open_page_site(path, clock, users=()) as site:
        (one,) = site.services.records.saved_searches.list()
        assert (one.name, one.query, one.created_by) == ("Gate", "did=1", "user mei")
