"""The start of the site area: name, time zone and language of the site."""

from __future__ import annotations

import pytest

from tests.support.page_site import PageSite
from tests.support.photographer import Photographer

VALID = {"name": "Harbour West", "zone": "Europe/Berlin", "language": "auto"}


async def test_the_navigation_leads_to_the_site_area(admin: Photographer) -> None:
    await admin.get("/")
    assert '<a href="/site"' in admin.text
    await admin.get("/site")
    assert '<a href="/site" aria-current="page">Overview</a>' in admin.text
    assert '<a href="/site/audit">Audit log</a>' in admin.text


async def test_name_zone_and_language_change_at_once(hub: PageSite, admin: Photographer) -> None:
    await admin.get("/site")
    await admin.send("/site", **{**VALID, "language": "zh"})
    assert admin.goes_to == "/site?done=changed"
    await admin.get(admin.goes_to)
    assert 'lang="zh-CN"' in admin.text
    assert "Harbour West" in admin.text
    assert hub.services.site.zone_name() == "Europe/Berlin"
    assert ("user admin", "site.change", "Harbour West") in await hub.audited()


@pytest.mark.parametrize(
    ("field", "value", "fault"),
    [
        ("name", "", "Enter a site name of 1 to 100 characters."),
        ("name", "x" * 101, "Enter a site name of 1 to 100 characters."),
        ("zone", "Mars/Olympus", "Choose a time zone from the list."),
        ("language", "fr", "Choose a value from the list."),
    ],
)
async def test_an_invalid_value_is_named_and_changes_nothing(
    hub: PageSite, admin: Photographer, field: str, value: str, fault: str
) -> None:
    await admin.get("/site")
    await admin.send("/site", **{**VALID, field: value})
    assert admin.response.status_code == 400
    assert fault in admin.text
    assert f'name="{field}"' in admin.text.partition('aria-invalid="true"')[0].rpartition("<")[2]
    assert hub.services.site.name() == "Harbour East"


async def test_the_old_address_of_the_audit_log_leads_to_the_new_one(admin: Photographer) -> None:
    await admin.get("/audit")
    assert admin.goes_to == "/site/audit"


@pytest.mark.parametrize("role", ["guard", "viewer"])
async def test_only_administrators_see_the_site_area(hub: PageSite, role: str) -> None:
    visitor = await Photographer.signed_in(hub, role)
    await visitor.get("/")
    assert 'href="/site"' not in visitor.text
    await visitor.get("/site")
    assert visitor.response.status_code == 403
    await visitor.send("/site", **VALID)
    assert visitor.response.status_code == 403
