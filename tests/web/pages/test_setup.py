"""From the one-time link to an administrator, and the choices of one browser."""

from __future__ import annotations

import pytest

from tests.support.browsing import Visitor
from tests.support.fake_services import PASSWORD, SETUP_TOKEN, FakeServices

LINK = f"/setup/{SETUP_TOKEN}"
GOOD = {
    "name": "mei",
    "password": PASSWORD,
    "site_name": "Harbour West",
    "zone": "Europe/Lisbon",
    "language": "zh",
}


@pytest.fixture
def hub() -> FakeServices:
    hub = FakeServices()
    hub.accounts.people.clear()
    hub.accounts.setup_token = SETUP_TOKEN
    return hub


@pytest.fixture
def visitor(hub: FakeServices) -> Visitor:
    return Visitor(hub)


async def test_the_first_run_makes_an_administrator_and_names_the_site(
    hub: FakeServices, visitor: Visitor
) -> None:
    await visitor.get(LINK)
    assert "Set up this hub" in visitor.text
    assert "<option selected>Asia/Shanghai</option>" in visitor.text
    await visitor.send(LINK, **GOOD)
    assert visitor.goes_to == "/cameras/connect?first=1"
    assert (hub.site.name(), hub.site.zone_name(), hub.site.language()) == (
        "Harbour West",
        "Europe/Lisbon",
        "zh",
    )
    # Signed in already, and from now on the site speaks Chinese.
    await visitor.get("/cameras/connect?first=1")
    assert "第 2 步" in visitor.text


async def test_the_link_works_once(visitor: Visitor) -> None:
    await visitor.get(LINK)
    await visitor.send(LINK, **GOOD)
    await visitor.get(LINK)
    assert visitor.response.status_code == 404
    assert "sitehub user setup-link" in visitor.text


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("password", "short", "The password is too short"),
        ("site_name", "", "Enter a site name"),
    ],
)
async def test_a_mistake_is_told_and_the_rest_is_kept(
    hub: FakeServices, visitor: Visitor, field: str, value: str, words: str
) -> None:
    await visitor.get(LINK)
    await visitor.send(LINK, **{**GOOD, field: value})
    assert visitor.response.status_code == 400
    assert words in visitor.text
    assert 'value="mei"' in visitor.text
    assert PASSWORD not in visitor.text
    assert hub.accounts.people == {}


async def test_another_link_than_the_last_is_refused(visitor: Visitor) -> None:
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
    hub: FakeServices, visitor: Visitor, accepted: str, site: str, tag: str
) -> None:
    hub.site.settings = type(hub.site.settings)("Site", "UTC", site)
    await visitor.get("/sign-in", Accept_Language=accepted)
    assert f'<html lang="{tag}"' in visitor.text


async def test_the_switch_counts_before_all(visitor: Visitor) -> None:
    await visitor.get("/sign-in")
    await visitor.send("/preferences", language="zh", next="/sign-in")
    assert visitor.goes_to == "/sign-in"
    await visitor.get("/sign-in", Accept_Language="en")
    assert '<html lang="zh-CN"' in visitor.text
    await visitor.send("/preferences", theme="dark", next="/sign-in")
    await visitor.get("/sign-in")
    assert 'data-theme="dark"' in visitor.text


async def test_nonsense_is_no_language_and_no_look(visitor: Visitor) -> None:
    await visitor.get("/sign-in")
    await visitor.send("/preferences", language="<x>", theme="<x>", next="//evil.example")
    assert visitor.goes_to == "/"
    assert "Set-Cookie" not in visitor.response.headers
