"""Above the results, the page of search tells which plates or names a part was found in."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path
from urllib.parse import quote

import pytest

from hub.errors import TooManyRequests
from hub.services.records.matches import PartMatching
from hub.store.records.record_filter import RecordFilter
from hub.wire.uploads.records import FaceDetail, Plate, VehicleDetail
from tests.support.browsing import Visitor
from tests.support.clock import FrozenClock
from tests.support.page_site import PageSite, open_page_site


@pytest.fixture
async def site(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[PageSite]:
    async with open_page_site(tmp_path, clock) as site:
        await site.enrol("Main gate")
        for plate, times in (("沪A·88001", 3), ("京B88K2", 2), ("京B12345", 1)):
            for _ in range(times):
                await site.add_record(kind="vehicle", detail=VehicleDetail(Plate(plate)))
        for name in ("Ann", "Ann", "Anna"):
            await site.add_record(detail=FaceDetail(name=name))
        yield site


def matches(visitor: Visitor) -> list[tuple[str, str, str]]:
    """Address, text and count of each plate or name that is told."""
    (shown,) = re.findall(r'<section class="search-matches".*?</section>', visitor.text, re.S) or (
        "",
    )
    found = re.findall(
        r'href="([^"]+)">\s*<svg.*?</svg>\s*<span>(.*?)</span><span [^>]*>(.*?)</span>', shown
    )
    return [(unescape(url).removesuffix("#answer"), text, count) for url, text, count in found]


async def test_the_88_which_cars(guard: Visitor) -> None:
    await guard.get("/search?plate=88")
    assert "Plates found" in guard.text
    found = matches(guard)
    assert [one[1:] for one in found] == [("沪A·88001", "×3"), ("京B88K2", "×2")]
    await guard.get(found[1][0])
    assert guard.text.count('<article class="card') == 1
    assert "京B88K2" in guard.text
    assert "沪A·88001" not in guard.text
    assert matches(guard) == []


async def test_a_name_that_is_found_is_asked_for_as_a_whole(guard: Visitor) -> None:
    await guard.get("/search?name=an&when=today")
    assert "Names found" in guard.text
    (first, *others) = matches(guard)
    assert (first[1:], [one[1] for one in others]) == (("Ann", "×2"), ["Anna"])
    await guard.get(first[0])
    assert "Anna" not in guard.text
    assert 'value="today" checked' in guard.text


@pytest.mark.parametrize(
    "query", ["", "?plate=99", "?plate=%E6%B2%AAa%C2%B788001", "?plate=88&after=1", "?did=1"]
)
async def test_nothing_is_told_where_it_tells_nothing_new(query: str, guard: Visitor) -> None:
    await guard.get(f"/search{query}")
    assert guard.response.status_code == 200
    assert "search-matches" not in guard.text


async def test_the_only_one_is_told_if_the_question_is_a_part_of_it(guard: Visitor) -> None:
    await guard.get("/search?plate=K2")
    assert [one[1] for one in matches(guard)] == ["京B88K2"]


async def test_quotes_of_a_chinese_keyboard_count(guard: Visitor) -> None:
    await guard.get(f"/search?name={quote('“ann”')}")
    assert guard.text.count('<article class="card') == 1


async def test_more_than_a_few_are_counted(site: PageSite, guard: Visitor) -> None:
    for number in range(14):
        detail = VehicleDetail(Plate(f"粤C77{number:03}"))
        await site.add_record(kind="vehicle", detail=detail)
    await guard.get("/search?plate=C77")
    assert len(matches(guard)) == 12
    assert "and 2 others" in guard.text


async def test_a_hub_that_is_too_busy_to_count_shows_the_records(
    guard: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def busy(self: PartMatching, filter: RecordFilter) -> None:
        raise TooManyRequests("too many")

    monkeypatch.setattr(PartMatching, "find", busy)
    await guard.get("/search?plate=88")
    assert "search-matches" not in guard.text
    assert '<article class="card' in guard.text
