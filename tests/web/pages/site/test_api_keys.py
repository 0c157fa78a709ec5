"""The page of API keys, on real services."""

from __future__ import annotations

import re

import pytest

from tests.support.page_site import PASSWORD, PageSite
from tests.support.photographer import Photographer

KEYS = "/site/api-keys"


async def test_without_a_key_the_page_says_what_keys_are_for(admin: Photographer) -> None:
    await admin.get("/site/targets")
    assert "No API keys yet." in admin.text


@pytest.mark.parametrize(
    ("may", "read_only", "targets"),
    [("read", True, False), ("all", False, False), ("targets", False, True)],
)
async def test_a_key_is_added_and_its_secret_shown_once(
    hub: PageSite, admin: Photographer, may: str, read_only: bool, targets: bool
) -> None:
    await admin.get("/site/targets")
    await admin.send(f"{KEYS}/add", name="payroll", may=may, own_password=PASSWORD)
    appid, secret = (
        re.findall(rf'<code id="{name}">([^<]+)<', admin.text)[0] for name in ("appid", "secret")
    )
    key = hub.services.access.api_keys.authenticate(f"{appid}:{secret}")
    assert (key.name, key.read_only, key.targets) == ("payroll", read_only, targets)
    await admin.get("/site/targets")
    assert ("<td>read and change, forwarding too</td>" in admin.text) == targets
    assert appid in admin.text
    assert secret not in admin.text
    # It was used by this test.
    assert "25 Nov 2026 20:00:00" in admin.text


async def test_a_key_without_a_name_is_refused(hub: PageSite, admin: Photographer) -> None:
    await admin.get("/site/targets")
    await admin.send(f"{KEYS}/add", name=" ", may="read", own_password=PASSWORD)
    assert admin.response.status_code == 400
    assert "Enter a name of 1 to 64 characters." in admin.text
    assert hub.services.access.api_keys.all() == ()


async def test_a_stolen_session_adds_no_key(hub: PageSite, admin: Photographer) -> None:
    """Adding one needs the administrator's own password."""
    await admin.get("/site/targets")
    for wrong in ({}, {"own_password": ""}, {"own_password": "a guess"}):
        await admin.send(f"{KEYS}/add", name="payroll", may="all", **wrong)
        assert admin.response.status_code == 400
        assert "Your password is wrong." in admin.text
        assert 'value="payroll"' in admin.text
        assert re.search(r'name="may" value="all" checked', admin.text)
        assert hub.services.access.api_keys.all() == ()


async def test_removing_a_key_asks_once_and_it_stops_working(
    hub: PageSite, admin: Photographer
) -> None:
    await admin.get("/site/targets")
    await admin.send(f"{KEYS}/add", name="payroll", may="read", own_password=PASSWORD)
    (key,) = hub.services.access.api_keys.all()
    await admin.get(f"{KEYS}/remove?appid={key.appid}")
    assert "Remove the API key payroll?" in admin.text
    assert "has never been used" in admin.text
    await admin.send(f"{KEYS}/remove", appid=key.appid)
    await admin.get(admin.goes_to)
    assert "The API key was removed. It no longer works." in admin.text
    assert hub.services.access.api_keys.all() == ()
    await admin.get(f"{KEYS}/remove?appid={key.appid}")
    assert admin.response.status_code == 404
