"""The tree of the pages: what is on top by role, what is below, where old addresses lead."""

from __future__ import annotations

import re

import pytest

from tests.support.browsing import Visitor
from tests.support.page_site import PageSite
from web.pages.navigation import MOVED, TREE


@pytest.mark.parametrize(("role", "count"), [("admin", 7), ("guard", 6), ("viewer", 4)])
async def test_each_role_sees_what_it_works_with(hub: PageSite, role: str, count: int) -> None:
    visitor = await Visitor.signed_in(hub, role)
    await visitor.get("/")
    rail = visitor.text.partition("<nav")[2].partition("</nav>")[0]
    assert re.findall(r'<a href="([^"]+)"', rail) == [one.url for one in TREE if one.url in rail]
    assert rail.count("<a ") == count


async def test_every_entry_can_be_opened_and_is_marked(hub: PageSite) -> None:
    admin = await Visitor.signed_in(hub)
    for area in TREE:
        for entry in (area, *area.below):
            await admin.get("/reports/captures" if entry.url == "/reports" else entry.url)
            assert admin.response.status_code == 200, entry.url
            for url in (area.url, entry.url):
                assert re.search(f'<a href="{url}"[^>]* aria-current="page">', admin.text), url


async def test_a_role_sees_only_the_entries_that_it_may_open(hub: PageSite) -> None:
    for role in ("guard", "viewer"):
        visitor = await Visitor.signed_in(hub, role)
        for area in TREE:
            await visitor.get(area.url)
            for url in re.findall(r'<a href="([^"]+)"', visitor.text.partition('class="tabs"')[2]):
                if any(url == entry.url for entry in area.below):
                    assert (await visitor.get(url)).status_code == 200, url
                    await visitor.get(area.url)


async def test_old_addresses_lead_to_the_new_ones(hub: PageSite) -> None:
    admin = await Visitor.signed_in(hub)
    await hub.enrol()
    for old, new in MOVED.items():
        old, new = (one.replace("<int:did>", "1") for one in (old, new))
        page, mark, section = new.partition("#")
        await admin.get(old)
        assert admin.goes_to == new
        await admin.get(f"{old}?page=2")
        assert admin.goes_to == f"{page}{'&' if '?' in page else '?'}page=2{mark}{section}"
        assert (await admin.get(new)).status_code == 200, new
    await admin.get("/evidence/5?done=hold-changed")
    assert admin.goes_to == "/search/kept/5?done=hold-changed"
    await admin.get("/firmware/x: y")
    assert admin.goes_to == "/cameras/firmware/x%3A%20y"
