"""The page of search, on real services."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html import escape
from pathlib import Path
from urllib.parse import quote

import pytest

from hub.services.audit import COMMAND_LINE
from hub.store.people.person_rows import PersonChange
from hub.store.records.record_log import RecordPage
from hub.wire.uploads.records import AccessDetail, EventDetail, FaceDetail, Plate, VehicleDetail
from tests.support.browsing import Visitor
from tests.support.clock import FrozenClock
from tests.support.page_site import PageSite, open_page_site
from web.pages.search import results

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


@pytest.fixture
async def site(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[PageSite]:
    """Camera 1 is the main gate, 2 the yard. It is 20:00 at the site on 25 November."""
    async with open_page_site(tmp_path, clock) as site:
        await site.enrol("Main gate")
        await site.enrol("Yard", did="2")
        yield site


async def ask(visitor: Visitor, query: str) -> None:
    """Open an address of search, and go where it leads."""
    await visitor.get(f"/search{query}")
    if visitor.response.status_code == 303:
        await visitor.get(visitor.goes_to)


def titles(visitor: Visitor) -> list[str]:
    return re.findall(r'<article class="card .*?<h3>(.*?)</h3>', visitor.text, re.S)


def chips(visitor: Visitor) -> dict[str, str]:
    """The filters, each with the address without it."""
    (shown,) = re.findall(r'<ul class="search-chips".*?</ul>', visitor.text, re.S) or ("",)
    found = re.findall(r'href="([^"]+)" title=[^>]*>\s*<svg.*?</svg>\s*<span>(.*?)</span>', shown)
    return {text: url.replace("&amp;", "&") for url, text in found}


async def test_who_came_through_the_gate_yesterday_at_about_three(
    site: PageSite, guard: Visitor, clock: FrozenClock
) -> None:
    three = clock.ms - 29 * HOUR
    for name, at, did in (
        ("Early", three - 16 * MINUTE, "1"),
        ("Anna", three - 14 * MINUTE, "1"),
        ("Elsewhere", three, "2"),
        ("Ben", three + 14 * MINUTE, "1"),
        ("Late", three + 16 * MINUTE, "1"),
        ("Today", three + DAY, "1"),
    ):
        await site.add_record(detail=FaceDetail(name=name), did=did, occurred_at=at)
    # As the form sends it without a script.
    form = "?when=yesterday&day=&around=15:00&where=did-1&name=&plate=&kind=&type=&since=&until="
    await guard.get(f"/search{form}")
    assert guard.goes_to == "/search?when=yesterday&around=15%3A00&did=1"
    await guard.get(guard.goes_to)
    assert titles(guard) == ["Ben", "Anna"]
    assert list(chips(guard)) == ["Yesterday, about 15:00", "Main gate"]
    await ask(guard, "?when=yesterday&around=15:00&did=1&order=oldest")
    assert titles(guard) == ["Anna", "Ben"]


@pytest.mark.parametrize(
    ("sent", "typed"),
    [
        *(("粤B7K318", one) for one in ("粤B·7K318", "粤b 7k3", "粤Ｂ７Ｋ", "B-7K", " 粤B・7K ")),
        *(("粤B7K318", one) for one in ("粤？7K", "＊7K318")),
        *(("粤B·7K318", one) for one in ("粤B·7K318", "粤B 7K", "粤Ｂ-７Ｋ")),
    ],
)
async def test_a_plate_is_found_as_people_and_keyboards_write_it(
    site: PageSite, guard: Visitor, typed: str, sent: str
) -> None:
    for plate in (sent, "粤B8K318"):
        await site.add_record("vehicle", VehicleDetail(Plate(plate)))
    await ask(guard, f"?plate={quote(typed)}")
    assert re.findall(r'<span class="plate[^>]*>(.*?)<', guard.text) == [sent]
    assert f"Plate: {typed.strip()}" in chips(guard)


async def test_the_wildcards_of_a_chinese_keyboard_count_in_names(
    site: PageSite, guard: Visitor
) -> None:
    await site.add_record(detail=FaceDetail(name="王秀英"))
    await site.add_record(detail=FaceDetail(name="王英"))
    await ask(guard, f"?name={quote('王？英')}")
    assert titles(guard) == ["王秀英"]


async def test_the_car_whose_plate_has_88(site: PageSite, guard: Visitor) -> None:
    for plate in ("粤B88Z01", "粤B12388", "粤B8Z801"):
        await site.add_record("vehicle", VehicleDetail(Plate(plate)))
    await ask(guard, "?plate=88")
    assert re.findall(r'<span class="plate[^>]*>(.*?)<', guard.text) == ["粤B12388", "粤B88Z01"]
    await ask(guard, "?plate=8%3F8")
    assert re.findall(r'<span class="plate[^>]*>(.*?)<', guard.text) == ["粤B8Z801"]


async def test_each_filter_is_a_chip_that_can_be_removed(site: PageSite, guard: Visitor) -> None:
    group = await site.services.people.groups.add("Gate", ("2",), by=COMMAND_LINE)
    await site.services.people.register.put("7", PersonChange(name="Ann"), by=COMMAND_LINE)
    await ask(
        guard,
        f"?day=2026-11-20&did=1&did=77&group={group.id}&group=99&kind=event&type=2&name=a"
        "&plate=8&uuid=7&category=2&category=0&pictures=yes",
    )
    assert list(chips(guard)) == [
        *("20 Nov 2026", "Main gate", "Camera 77", "Gate", "Group 99", "Events"),
        *("Intrusion or line crossing", "Name: a", "Plate: 8", "Ann", "Stranger", "Blacklist"),
        "With pictures",
    ]
    for text, url in chips(guard).items():
        await guard.get(url)
        assert guard.response.status_code == 200
        assert text not in chips(guard)
        assert len(chips(guard)) == 12


async def test_where_nothing_is_found_it_leads_to_a_wider_time(
    site: PageSite, guard: Visitor
) -> None:
    await site.add_record(detail=FaceDetail(name="Anna"))
    await ask(guard, "?name=a&day=2026-11-20&around=15:00")
    assert "Nothing matches in this period" in guard.text
    wider = "/search?since=2026-11-20T14%3A15&until=2026-11-20T15%3A45&name=a"
    assert f'href="{escape(wider)}">Zoom out</a>' in guard.text
    # Of an open end, nothing is three times as long.
    await ask(guard, "?name=a&until=2026-11-20T15:00")
    assert "Nothing matches in this period" in guard.text
    assert "Zoom out" not in guard.text


async def test_lists_are_those_that_the_cards_show(site: PageSite, guard: Visitor) -> None:
    """Many cameras send no category: strangers have nothing, and others are in the register."""
    await site.services.people.register.put(
        "7", PersonChange(name="Ann", category=2), by=COMMAND_LINE
    )
    await site.add_record(detail=FaceDetail(name="Anna", uuid="7", category=None))
    await site.add_record(detail=FaceDetail(name="Ben", uuid="8", category=3))
    await site.add_record(detail=FaceDetail(category=None))
    await site.add_record("access", AccessDetail(rid="1", uuid=str(2**63)))
    await site.add_record("event", EventDetail(type=2))
    for query, expected in {
        "?category=0": ["Stranger", "Stranger"],
        "?category=2": ["Anna"],
        "?category=3": ["Ben"],
        "?category=2&category=0": ["Stranger", "Stranger", "Anna"],
        "?category=1": [],
    }.items():
        await ask(guard, query)
        assert titles(guard) == expected, query
        assert (f">{len(expected)} record" in guard.text) == bool(expected), query


async def test_the_filters_are_those_of_the_log(site: PageSite, guard: Visitor) -> None:
    await site.add_record(detail=FaceDetail(name="Anna", uuid="7", category=2), pictures=["face"])
    await site.add_record(detail=FaceDetail(category=0), did="2")
    await site.enrol("Roof", did="3")
    await site.add_record("event", EventDetail(type=2), did="3")
    group = await site.services.people.groups.add("Gate", ("2", "3"), by=COMMAND_LINE)
    for query, expected in {
        "": ["Intrusion or line crossing", "Stranger", "Anna"],
        "?kind=face": ["Stranger", "Anna"],
        "?type=2": ["Intrusion or line crossing"],
        "?uuid=7": ["Anna"],
        "?category=0": ["Stranger"],
        "?category=0&category=2": ["Stranger", "Anna"],
        "?pictures=yes": ["Anna"],
        "?pictures=no": ["Intrusion or line crossing", "Stranger"],
        f"?group={group.id}": ["Intrusion or line crossing", "Stranger"],
        f"?group={group.id}&did=1": ["Intrusion or line crossing", "Stranger", "Anna"],
        "?group=99": [],
        "?when=today": ["Intrusion or line crossing", "Stranger", "Anna"],
        "?when=yesterday": [],
    }.items():
        await ask(guard, query)
        assert titles(guard) == expected, query


async def test_repeats_are_one_card_and_strangers_are_not(site: PageSite, guard: Visitor) -> None:
    for detail in (FaceDetail(name="Anna"), FaceDetail(), FaceDetail(name="Anna"), FaceDetail()):
        await site.add_record(detail=detail)
    await ask(guard, "?kind=face")
    assert titles(guard) == ["Stranger", "Anna", "Stranger"]
    assert "×<b>2</b>" in guard.text
    assert 'href="/records/1?kind=face&amp;in=search"' in guard.text
    assert "4 records" in guard.text
    assert "On this page: 4 records, 3 without repeats" in guard.text
    await ask(guard, "?kind=face&person=&name=nobody")
    assert "without repeats" not in guard.text


@pytest.mark.parametrize("order", ["newest", "oldest"])
async def test_pages_lead_on_and_back(
    site: PageSite, guard: Visitor, monkeypatch: pytest.MonkeyPatch, order: str
) -> None:
    monkeypatch.setattr(results, "RECORDS_PER_PAGE", 2)
    for number in range(5):
        await site.add_record(detail=FaceDetail(name=f"P{number}"))
    walk = [["P4", "P3"], ["P2", "P1"], ["P0"]]
    if order == "oldest":
        walk = [["P0", "P1"], ["P2", "P3"], ["P4"]]
    await ask(guard, f"?name=p&order={order}")
    for number, expected in enumerate(walk):
        assert titles(guard) == expected
        if number < 2:
            await guard.get(link(guard, "next"))
    assert 'rel="next"' not in guard.text
    await guard.get(link(guard, "prev"))
    assert titles(guard) == walk[1]
    await guard.get(link(guard, "prev"))
    assert titles(guard) == walk[0]
    assert 'rel="prev"' not in guard.text


def link(visitor: Visitor, rel: str) -> str:
    (url,) = re.findall(rf'rel="{rel}" href="([^"#]+)#answer"', visitor.text)
    return url.replace("&amp;", "&")


async def test_a_search_that_takes_too_long_goes_on_where_it_ended(
    site: PageSite, guard: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    await site.add_record(detail=FaceDetail(name="Anna"))
    log = site.services.records.log
    read = log.page

    async def cut(*args: object, **values: object) -> RecordPage:
        found = await read(*args, **values)  # type: ignore[arg-type]
        return RecordPage(found.items, 1, is_complete=False)

    monkeypatch.setattr(log, "page", cut)
    await ask(guard, "?name=a")
    assert titles(guard) == ["Anna"]
    assert "These are the results so far." in guard.text
    assert 'href="/search?name=a&amp;before=1#answer">Continue searching' in guard.text
    assert 'rel="next"' not in guard.text
    await ask(guard, "?name=a&after=0")
    assert 'href="/search?name=a&amp;after=1#answer">Continue searching' in guard.text
    assert 'rel="prev"' not in guard.text
    assert 'rel="next" href="/search?name=a&amp;before=1#answer"' in guard.text


async def test_the_arrows_of_a_record_walk_through_the_answer(
    site: PageSite, guard: Visitor
) -> None:
    for name in ("Anna", "Ben", "Anna", "Ben", "Anna"):
        await site.add_record(detail=FaceDetail(name=name))
    await ask(guard, "?name=anna")
    assert 'href="/records/3?name=anna&amp;in=search"' in guard.text
    await guard.get("/records/3?name=anna&in=search")
    for href in (
        "/records/5?name=anna&amp;in=search",
        "/records/1?name=anna&amp;in=search",
        "/search?name=anna",
    ):
        assert f'href="{href}"' in guard.text
    await guard.get("/records/3?day=never&in=search")
    assert 'href="/records/4"' in guard.text


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("?day=soon", "Enter a day."),
        ("?around=three", "Enter a time of day"),
        ("?since=soon", "Enter the times"),
        ("?until=2026-01-01T00:00&since=2026-01-02T00:00", "the earlier one first"),
        ("?kind=bird", "invalid filter: kind"),
        ("?type=x", "invalid filter: type"),
        ("?category=-1", "invalid filter: category"),
        ("?pictures=maybe", "invalid filter: pictures"),
        ("?order=any", "invalid filter: order"),
        ("?before=x", "invalid filter: before"),
        ("?where=moon-1", "invalid filter: where"),
        ("?did=99999999999999999999", "Choose at most 200 cameras"),
        (f"?name={'x' * 101}", "at most 100 characters"),
        ("?" + "&".join(f"did={n}" for n in range(1, 202)), "at most 200 cameras"),
    ],
)
async def test_what_makes_no_sense_is_said_by_field(guard: Visitor, query: str, says: str) -> None:
    await ask(guard, query)
    assert guard.response.status_code == 400
    assert says in guard.text
    assert "Nothing found" not in guard.text


async def test_what_was_chosen_beside_it_stays_chosen(site: PageSite, guard: Visitor) -> None:
    await ask(guard, "?when=today&around=late&where=did-1&kind=face")
    assert guard.response.status_code == 400
    # The sentence is said once, at its field.
    label = guard.text.split("About (± 15 min)")[1].split("</label>")[0]
    assert 'aria-invalid="true"' in label
    assert "Enter a time of day" in label
    assert guard.text.count("Enter a time of day") == 1
    for chosen in ("did-1", "face"):
        assert f'<option value="{chosen}" selected>' in guard.text


async def test_a_person_of_the_register_is_chosen_by_name(site: PageSite, guard: Visitor) -> None:
    for pid, name in (("7", "Ann Lee"), ("8", "Ann Fox"), ("9", "Bob")):
        await site.services.people.register.put(pid, PersonChange(name=name), by=COMMAND_LINE)
    await guard.get("/search?when=today&person=bob")
    assert guard.goes_to == "/search?when=today&uuid=9"
    await ask(guard, "?when=today&person=ann")
    assert "Which person do you mean?" in guard.text
    assert 'href="/search?when=today&amp;uuid=8"' in guard.text
    await ask(guard, "?person=nobody")
    assert "No one in the register has this name" in guard.text
    viewer = await Visitor.signed_in(site, "viewer")
    await ask(viewer, "?person=ann")
    assert "Ann Fox" not in viewer.text


async def test_an_empty_answer_says_what_to_do(site: PageSite, guard: Visitor) -> None:
    await ask(guard, "")
    assert "There are no records yet" in guard.text
    await ask(guard, "?when=yesterday&name=anna")
    assert '<a class="button button-main" href="/search?name=anna">' in guard.text
    await ask(guard, "?name=anna")
    assert "Use fewer filters" in guard.text


async def test_several_cameras_are_chosen_below_the_list(site: PageSite, guard: Visitor) -> None:
    await guard.get("/search?where=&did=1&did=2")
    assert guard.goes_to == "/search?did=1&did=2"
    await guard.get("/search?did=1&did=2")
    assert '<option value="some" selected>' in guard.text
    await guard.get("/search?where=all&did=1&did=2")
    assert guard.goes_to == "/search"
    await guard.get("/search?where=group-4&did=1&did=2")
    assert guard.goes_to == "/search?group=4"


async def test_everybody_who_is_signed_in_may_search(site: PageSite) -> None:
    viewer = await Visitor.signed_in(site, "viewer")
    await ask(viewer, "")
    assert viewer.response.status_code == 200
    assert 'href="/search/photo"' not in viewer.text
    stranger = Visitor(site)
    await stranger.get("/search")
    assert stranger.goes_to.startswith("/sign-in")


async def test_viewers_do_not_read_the_names_of_the_register_by_number(
    site: PageSite, guard: Visitor
) -> None:
    await site.services.people.register.add(PersonChange(name="Li Mei"), pid="7", by=COMMAND_LINE)
    await ask(guard, "?uuid=7")
    assert "Li Mei" in chips(guard)
    viewer = await Visitor.signed_in(site, "viewer")
    await ask(viewer, "?uuid=7")
    assert "Li Mei" not in viewer.text
    assert "Person 7" in chips(viewer)
