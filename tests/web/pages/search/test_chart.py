"""The chart above the results of a search."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path

import pytest

from hub.errors import TooManyRequests
from hub.services.records.histogram import Histogram
from hub.wire.uploads.records import FaceDetail
from tests.support.browsing import Visitor
from tests.support.clock import FrozenClock
from tests.support.page_site import PageSite, open_page_site

MINUTE, HOUR = 60_000, 3_600_000


@pytest.fixture
async def site(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[PageSite]:
    """At 20:00: two captures of Anna at 18:20, one of Ben at 15:05 and one of the day before."""
    async with open_page_site(tmp_path, clock) as site:
        await site.enrol("Main gate")
        for name, ago in (
            ("Ben", 22 * HOUR),
            ("Ben", 5 * HOUR - 5 * MINUTE),
            ("Anna", HOUR + 40 * MINUTE),
            ("Anna", HOUR + 40 * MINUTE),
        ):
            await site.add_record(detail=FaceDetail(name=name), occurred_at=clock.ms - ago)
        yield site


def table(visitor: Visitor) -> dict[str, str]:
    rows = re.findall(r'<th scope="row"><a href="[^"]*">(.*?)</a></th><td>(.*?)</td>', visitor.text)
    return dict(rows)


def bars(visitor: Visitor) -> dict[str, str]:
    """The bars that are not empty, with their addresses."""
    found = re.findall(
        r'<a href="([^"]+)" tabindex="-1" aria-label="([^"]+)"[^>]*>.*?</a>', visitor.text
    )
    return {label: unescape(url) for url, label in found if not label.endswith(": 0")}


async def test_a_day_is_counted_by_quarters_of_an_hour(site: PageSite, guard: Visitor) -> None:
    await guard.get("/search?when=today")
    assert table(guard) == {"25 Nov 15:00 – 15:15": "1", "25 Nov 18:15 – 18:30": "2"}
    assert list(bars(guard)) == ["25 Nov 15:00 – 15:15: 1", "25 Nov 18:15 – 18:30: 2"]
    assert guard.text.count('class="bar-room"') == 96
    assert '<h2 id="found-title">3 records</h2>' in guard.text
    assert "at most 2 in one bar" in guard.text
    marks = re.findall(r"<span>(\d+ Nov [\d:]+)</span>", guard.text)
    assert marks == ["25 Nov 00:00", "25 Nov 12:00", "26 Nov 00:00"]


async def test_a_bar_leads_into_its_time_and_back_out(site: PageSite, guard: Visitor) -> None:
    await guard.get("/search?when=today&name=a&did=1")
    (url,) = bars(guard).values()
    assert url == "/search?since=2026-11-25T18%3A15&until=2026-11-25T18%3A30&did=1&name=a"
    await guard.get(url)
    assert guard.text.count("<h3>Anna</h3>") == 1
    assert "<h3>Ben</h3>" not in guard.text
    assert table(guard) == {"25 Nov 18:20 – 18:21": "2"}
    (wider,) = re.findall(r'data-wider href="([^"]+)"', guard.text)
    assert unescape(wider) == (
        "/search?since=2026-11-25T18%3A00&until=2026-11-25T18%3A45&did=1&name=a"
    )


async def test_the_chart_counts_under_the_filters(site: PageSite, guard: Visitor) -> None:
    await guard.get("/search?name=ben")
    assert sum(map(int, table(guard).values())) == 2
    assert "data-wider" not in guard.text
    await guard.get("/search?name=nobody")
    assert "data-chart" not in guard.text


async def test_records_dated_in_the_future_are_told_where_no_bar_has_them(
    site: PageSite, guard: Visitor
) -> None:
    await guard.get("/search")
    assert "dated in the future" not in guard.text
    for name in ("Anna", "Anna", "Ben"):
        ahead = site.clock.ms + 8 * HOUR
        await site.add_record(detail=FaceDetail(name=name), occurred_at=ahead)
    await guard.get("/search")
    assert '<h2 id="found-title">4 records</h2>' in guard.text
    assert "3 records are dated in the future and not in the chart" in guard.text
    await guard.get("/search?name=ben")
    assert "1 record is dated in the future and not in the chart" in guard.text
    await guard.get("/search?when=yesterday")
    assert "dated in the future" not in guard.text


async def test_a_day_of_a_chart_of_weeks_is_named_by_its_date(
    site: PageSite, guard: Visitor
) -> None:
    await guard.get("/search?since=2026-10-01T00:00&until=2026-12-01T00:00")
    assert table(guard) == {"24 Nov": "1", "25 Nov": "3"}


async def test_a_count_that_is_not_exact_says_so(
    site: PageSite, guard: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nearly(*args: object, **values: object) -> Histogram:
        return Histogram(0, 120_000, 60_000, (0, 60_000, 120_000), (1, 9_999), False)

    monkeypatch.setattr(site.services.records.histograms, "histogram", nearly)
    await guard.get("/search?when=today")
    assert '<h2 id="found-title">about 10,000 records</h2>' in guard.text
    heights = re.findall(r'class="bar" .*? height="(\d+)"', guard.text)
    assert heights == ["3", "100"]


async def test_the_records_are_shown_if_they_cannot_be_counted(
    site: PageSite, guard: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def busy(*args: object, **values: object) -> Histogram:
        raise TooManyRequests("busy")

    monkeypatch.setattr(site.services.records.histograms, "histogram", busy)
    await guard.get("/search?when=today")
    assert "data-chart" not in guard.text
    assert "<h3>Anna</h3>" in guard.text
    monkeypatch.setattr(site.services.records.log, "page", busy)
    await guard.get("/search?when=today")
    assert guard.response.status_code == 400
    assert "Too many searches are running." in guard.text


@pytest.mark.parametrize(
    "query",
    ["?since=1970-01-01T00:00", "?until=9997-12-31T23:59", "?day=1970-01-01", "?day=9997-12-31"],
)
async def test_a_time_of_any_length_is_shown(site: PageSite, guard: Visitor, query: str) -> None:
    await site.add_record(detail=FaceDetail(), occurred_at=1)
    await guard.get(f"/search{query}")
    if guard.response.status_code == 303:
        await guard.get(guard.goes_to)
    assert guard.response.status_code == 200
