"""The start of the site area: name, time zone and language of the site."""

from __future__ import annotations

import re

import pytest

from hub.services.audit import COMMAND_LINE
from hub.services.doctor.findings import Finding, failed
from hub.services.problems import HealthReason
from tests.support.page_site import PageSite
from tests.support.photographer import Photographer

VALID = {"name": "Harbour West", "zone": "Europe/Berlin", "language": "auto"}


async def test_the_navigation_leads_to_the_site_area(admin: Photographer) -> None:
    await admin.get("/")
    assert '<a href="/site"' in admin.text
    await admin.get("/site")
    assert '<a href="/site" aria-current="page">Overview</a>' in admin.text
    assert '<a href="/site/erasures">Privacy</a>' in admin.text


async def test_disk_and_days_have_one_name_and_say_if_there_are_no_records(
    admin: Photographer,
) -> None:
    await admin.get("/site")
    assert admin.text.count("<h2>Storage</h2>") == 1
    assert "No records yet." in admin.text


async def test_name_zone_and_language_change_at_once(hub: PageSite, admin: Photographer) -> None:
    await admin.get("/site")
    await admin.send("/site", **{**VALID, "language": "zh"})
    assert admin.goes_to == "/site?done=changed"
    await admin.get(admin.goes_to)
    assert 'lang="zh-CN"' in admin.text
    assert "Harbour West" in admin.text
    assert hub.services.core.site.zone_name() == "Europe/Berlin"
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
    assert hub.services.core.site.name() == "Harbour East"


@pytest.mark.parametrize("role", ["guard", "viewer"])
async def test_only_administrators_see_the_site_area(hub: PageSite, role: str) -> None:
    visitor = await Photographer.signed_in(hub, role)
    await visitor.get("/")
    assert 'href="/site"' not in visitor.text
    await visitor.get("/site")
    assert visitor.response.status_code == 403
    await visitor.send("/site", **VALID)
    assert visitor.response.status_code == 403


def tiles_of(text: str) -> dict[str, str]:
    """The tiles as a person reads them, by their addresses."""
    found = re.findall(r'<a class="(tile[^"]*)" href="([^"]+)">(.*?)</a>', text, re.DOTALL)
    return {
        url: " ".join(f"{re.sub('<[^>]+>', ' ', body)} [{name}]".split())
        for name, url, body in found
    }


@pytest.fixture
def checks(hub: PageSite, monkeypatch: pytest.MonkeyPatch) -> list[Finding]:
    """What the quick checks find: they would look at this computer."""
    found: list[Finding] = []

    async def quick() -> list[Finding]:
        return found

    monkeypatch.setattr(hub.services.upkeep.health_checks, "quick", quick)
    return found


async def test_the_tiles_say_that_the_site_is_well(
    hub: PageSite, checks: list[Finding], admin: Photographer
) -> None:
    await hub.connect()
    await admin.get("/site")
    tiles = tiles_of(admin.text)
    assert tiles["/site#health"] == "Health No problems [tile tile-good]"
    assert tiles["/cameras"] == "Cameras 1 of 1 online [tile tile-good]"
    assert tiles["/site/users"] == "Users 3 users 1 signed in [tile]"
    assert "GB free" in tiles["/site#storage"]
    assert (
        tiles["/site#certificate"]
        == "Certificate 396 days left Issued by this hub [tile tile-good]"
    )
    assert "/site/settings" not in tiles


async def test_health_is_not_all_well_beside_a_camera_that_is_offline(
    hub: PageSite, checks: list[Finding], admin: Photographer
) -> None:
    await hub.connect()
    await hub.enrol(sn="SN2", did="2")
    await admin.get("/site")
    health = tiles_of(admin.text)["/site#health"]
    assert health == "Health 1 camera is offline The hub itself is working. [tile tile-warn]"


async def test_the_tiles_show_what_is_not_well(
    hub: PageSite, checks: list[Finding], admin: Photographer
) -> None:
    checks.append(failed("integrity", "integrity-bad", reason="a page is missing"))
    await hub.enrol()
    full = {"reason": "the disk is full"}
    hub.health_reasons += [HealthReason("cannot-store", full)]
    await hub.services.core.settings.change({"devices.max_waiting": 9}, by=COMMAND_LINE)
    await admin.get("/site/tiles")
    tiles = tiles_of(admin.text)
    assert tiles["/site#health"].startswith("Health 2 problems Data cannot be saved")
    assert tiles["/site#health"].endswith("[tile tile-bad]")
    assert tiles["/cameras"] == "Cameras 0 of 1 online [tile tile-warn]"
    assert tiles["/site/settings"].startswith("Settings Restart needed ")


async def test_cameras_that_are_all_offline_are_counted(
    hub: PageSite, checks: list[Finding], admin: Photographer
) -> None:
    await hub.enrol()
    hub.health_reasons += [HealthReason("cameras-offline")]
    await admin.get("/site/tiles")
    tiles = tiles_of(admin.text)
    assert tiles["/site#health"].startswith("Health 1 problem No camera is online.")
    assert tiles["/site#health"].endswith("[tile tile-bad]")
    assert tiles["/cameras"] == "Cameras 0 of 1 online [tile tile-bad]"


async def test_each_tile_leads_to_a_page(admin: Photographer) -> None:
    await admin.get("/site")
    for url in tiles_of(admin.text):
        await admin.get(url)
        assert admin.response.status_code == 200, url
