"""First run from the one-time link, and the preferences of one browser."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from hub.config import WebConfig
from hub.config_sources import Sources
from hub.services.audit import COMMAND_LINE
from hub.services.site import SiteSettings
from hub.services.urls import dashboard_urls
from tests.support.browsing import Visitor
from tests.support.clock import FrozenClock
from tests.support.hub_services import open_hub_services
from tests.support.page_site import PASSWORD, PageSite, open_page_site

GOOD = {
    "name": "mei",
    "password": PASSWORD,
    "site_name": "Harbour West",
    "zone": "Europe/Lisbon",
    "language": "zh",
}


@pytest.fixture
async def hub(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[PageSite]:
    """A site without an administrator."""
    async with open_page_site(tmp_path, clock, users=()) as site:
        yield site


@pytest.fixture
async def link(hub: PageSite) -> str:
    return f"/setup/{await hub.services.access.setup_links.create(by=COMMAND_LINE)}"


@pytest.fixture
def visitor(hub: PageSite) -> Visitor:
    return Visitor(hub)


async def test_forms_of_links_name_their_address(
    hub: PageSite, visitor: Visitor, link: str
) -> None:
    """Below a prefix, cookies count for addresses with it only, which a form without one misses."""
    by = COMMAND_LINE
    for_user = f"/setup/{await hub.services.access.setup_links.create_for('bob', 'guard', by=by)}"
    for path in (link, for_user):
        await visitor.get(path)
        assert f'method="post" action="{path}"' in visitor.text


async def test_links_for_the_first_run_lead_below_the_prefix(
    tmp_path: Path, clock: FrozenClock
) -> None:
    async with open_page_site(tmp_path, clock, users=(), web=WebConfig(prefix="/hub")) as site:
        assert all(url.endswith(":8443/hub/") for url in dashboard_urls(site.services))


async def test_the_first_run_creates_an_administrator_and_names_the_site(
    hub: PageSite, visitor: Visitor, link: str
) -> None:
    await visitor.get(link)
    assert "Set up this hub" in visitor.text
    assert "<option selected>Asia/Shanghai</option>" in visitor.text
    await visitor.send(link, **GOOD)
    assert visitor.goes_to == "/cameras/connect?first=1"
    site = hub.services.core.site
    assert (site.name(), site.zone_name(), site.language()) == (
        "Harbour West",
        "Europe/Lisbon",
        "zh",
    )
    # The administrator is signed in, and the site is in Chinese.
    await visitor.get("/cameras/connect?first=1")
    assert "第 2 步" in visitor.text


async def test_the_first_run_asks_which_events_raise_an_alarm(
    hub: PageSite, visitor: Visitor, link: str
) -> None:
    await visitor.get(link)
    assert _chosen(visitor) == ["usual"]
    assert "Intrusion or line crossing, Camera covered, Fire, Fall, Vital signs." in visitor.text
    await visitor.send(link, **GOOD, raised_by="few")
    assert visitor.goes_to == "/cameras/connect?first=1"
    assert hub.services.alarms.rules.raised_by == "few"
    assert hub.services.core.settings.state("alarms.raised_by").in_file == "few"


async def test_a_mistake_keeps_what_was_chosen(visitor: Visitor, link: str) -> None:
    await visitor.get(link)
    await visitor.send(link, **GOOD | {"password": "short"}, raised_by="all")
    assert _chosen(visitor) == ["all"]


async def test_a_choice_that_cannot_be_stored_leaves_the_link_valid(
    hub: PageSite, visitor: Visitor, link: str
) -> None:
    await trio.Path(hub.services.core.settings.path).mkdir()
    await visitor.get(link)
    await visitor.send(link, **GOOD, raised_by="usual")
    assert visitor.response.status_code == 400
    assert hub.services.access.users.all() == ()
    # What is so already needs no file.
    await visitor.send(link, **GOOD, raised_by="all")
    assert visitor.goes_to == "/cameras/connect?first=1"


async def test_a_link_for_a_site_whose_administrators_are_lost_proposes_what_it_has(
    hub: PageSite, visitor: Visitor, link: str
) -> None:
    await hub.services.access.users.add("ann", "admin", PASSWORD, by=COMMAND_LINE)
    await visitor.get(link)
    assert _chosen(visitor) == ["all"]


async def test_what_the_command_line_decides_is_not_asked(
    tmp_path: Path, clock: FrozenClock
) -> None:
    overrides = ("alarms.raised_by=few", "web.tls=false")
    loaded = Sources(tmp_path, overrides=overrides).load()
    async with open_hub_services(tmp_path, clock, loaded) as hub:
        site = PageSite(hub, clock)
        visitor = Visitor(site)
        link = f"/setup/{await site.services.access.setup_links.create(by=COMMAND_LINE)}"
        await visitor.get(link)
        assert _chosen(visitor) == []
        await visitor.send(link, **GOOD, raised_by="all")
        assert visitor.goes_to == "/cameras/connect?first=1"
        assert site.services.alarms.rules.raised_by == "few"


def _chosen(visitor: Visitor) -> list[str]:
    """The chosen ones of what raises an alarm."""
    return re.findall(r'name="raised_by" value="(\w+)" required checked', visitor.text)


async def test_the_link_works_once(visitor: Visitor, link: str) -> None:
    await visitor.get(link)
    await visitor.send(link, **GOOD)
    await visitor.get(link)
    assert visitor.response.status_code == 404
    assert "<code>sitehub user setup-link --data DIR</code>" in visitor.text


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("password", "short", "The password is too short"),
        ("site_name", "", "Enter a site name"),
    ],
)
async def test_a_mistake_is_reported_and_the_rest_is_kept(
    hub: PageSite, visitor: Visitor, link: str, field: str, value: str, words: str
) -> None:
    await visitor.get(link)
    await visitor.send(link, **{**GOOD, field: value})
    assert visitor.response.status_code == 400
    assert words in visitor.text
    assert re.findall(r'name="(\w+)"[^>]* autofocus', visitor.text) == [field]
    assert 'value="mei"' in visitor.text
    assert PASSWORD not in visitor.text
    assert hub.services.access.users.all() == ()


async def test_an_unknown_setup_link_is_refused(visitor: Visitor) -> None:
    await visitor.get("/setup/older")
    assert visitor.response.status_code == 404
    assert "This link is no longer valid" in visitor.text


# Language and theme


@pytest.mark.parametrize(
    ("accepted", "site", "tag"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", "auto", "zh-CN"),
        ("de;q=0.9,zh-TW;q=0.5", "auto", "zh-CN"),
        ("en-GB,zh;q=0.5", "auto", "en"),
        ("fr", "auto", "en"),
        ("en-GB", "zh", "zh-CN"),
        ("zh-CN", "en", "en"),
    ],
)
async def test_the_language_is_the_sites_else_the_browsers(
    hub: PageSite, visitor: Visitor, accepted: str, site: str, tag: str
) -> None:
    await hub.services.core.site.set(SiteSettings("Site", "UTC", site))
    await visitor.get("/sign-in", Accept_Language=accepted)
    assert f'<html lang="{tag}"' in visitor.text


async def test_the_users_choice_comes_first(visitor: Visitor) -> None:
    await visitor.get("/sign-in")
    await visitor.send("/preferences", language="zh", next="/sign-in")
    assert visitor.goes_to == "/sign-in"
    await visitor.get("/sign-in", Accept_Language="en")
    assert '<html lang="zh-CN"' in visitor.text
    await visitor.send("/preferences", theme="dark", next="/sign-in")
    await visitor.get("/sign-in")
    assert 'data-theme="dark"' in visitor.text


async def test_an_unknown_language_or_theme_is_ignored(visitor: Visitor) -> None:
    await visitor.get("/sign-in")
    await visitor.send("/preferences", language="<x>", theme="<x>", next="//evil.example")
    assert visitor.goes_to == "/"
    assert "Set-Cookie" not in visitor.response.headers
