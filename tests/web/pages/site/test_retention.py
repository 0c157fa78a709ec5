"""The page of retention, on real services."""

from __future__ import annotations

import re
from dataclasses import replace

import msgspec
import pytest

from hub.services.clock.clock import SiteClock
from hub.services.retention.retention import utc_day
from hub.services.retention.view import RetentionView, read_retention
from tests.support.clock import FrozenClock
from tests.support.page_site import PageSite
from tests.support.photographer import Photographer

RETENTION = "/site/retention"
DAY = 86_400


async def keep_old_days(hub: PageSite, count: int) -> list[str]:
    """Store `count` days of records, and let the clock be a year ahead, as if it were right."""
    for _ in range(count):
        await hub.add_records(3, pictures=["face"])
        hub.clock.advance(DAY)
    names = [use.day for use in hub.hub.store.retention.days()]
    await hub.add_record()
    hub.clock.advance(365 * DAY)
    assert hub.services.core.clock.is_trusted
    # The hub has run since yesterday alone: a single day is usual.
    counted = hub.services.core.clock.counted_seconds
    looked = f'{{"night":"","counted":{counted},"waits":false}}'
    await hub.hub.store.settings.set("retention.looked", looked)
    await hub.services.records.retention.look(utc_day(hub.clock()))
    return names


def shown_days(admin: Photographer) -> list[str]:
    return re.findall(r'name="days" value="([^"]+)"', admin.text)[0].split()


async def test_without_records_the_page_says_so(hub: PageSite, admin: Photographer) -> None:
    await admin.get("/site")
    assert "No records yet." in admin.text
    assert "A forecast needs at least one whole day of records." in admin.text
    assert "The clock is being observed for a day." in admin.text


@pytest.mark.parametrize(
    ("cameras", "off", "sentence"),
    [
        (1, 0, "1 camera agrees"),
        (4, 0, "All 4 agree"),
        (4, 1, "1 of 4 shows a different date"),
        (4, 2, "2 of 4 show a different date"),
    ],
)
async def test_it_says_how_many_cameras_agree_with_the_clock(
    hub: PageSite,
    admin: Photographer,
    monkeypatch: pytest.MonkeyPatch,
    cameras: int,
    off: int,
    sentence: str,
) -> None:
    found = await read_retention(hub.services)
    clock = msgspec.structs.replace(found.clock, cameras=cameras, cameras_off=off)

    async def read(services: object) -> RetentionView:
        return msgspec.structs.replace(found, clock=clock)

    monkeypatch.setattr("web.pages.site.retention.read_retention", read)
    await admin.get("/site")
    assert f"<dd>{sentence}</dd>" in admin.text


async def test_what_is_to_stay_free_is_told_beside_what_is_free(
    hub: PageSite, admin: Photographer, monkeypatch: pytest.MonkeyPatch
) -> None:
    use = hub.services.upkeep.figures.disk()
    monkeypatch.setattr(
        hub.services.upkeep.figures,
        "disk",
        lambda: msgspec.structs.replace(use, free=1_500_000_000),
    )
    await admin.get("/site")
    assert "The hub is set to keep 2 GB free; 1.5 GB is free now." in admin.text
    assert "the oldest days are deleted to make room." in admin.text
    assert '<a href="/site/settings/change?name=store.min_free_gb">Change</a>' in admin.text


async def test_days_are_listed_with_the_forecast(hub: PageSite) -> None:
    await hub.add_records(3, pictures=["face"])
    hub.clock.advance(DAY)
    await hub.add_record(kind="event")
    admin = await Photographer.signed_in(hub)
    await admin.get("/site")
    assert "2 days with 4 records" in admin.text
    assert "25 Nov 2026" in admin.text
    assert "Pictures: Faces" in admin.text
    assert "30, limited by the retention period" in admin.text
    assert "never" in admin.text


async def test_waiting_days_are_named_and_deleted_only_as_they_are_listed(hub: PageSite) -> None:
    names = await keep_old_days(hub, 5)
    admin = await Photographer.signed_in(hub)
    await admin.get("/site")
    assert "Days waiting for your decision" in admin.text
    days = shown_days(admin)
    assert days[:5] == names
    assert "more than a tenth of all records" in admin.text

    await admin.send(f"{RETENTION}/confirm", days=" ".join(days))
    assert admin.response.status_code == 400
    assert "select the box" in admin.text
    await admin.send(f"{RETENTION}/confirm", days=" ".join(days[1:]), sure="yes")
    assert "The days waiting have changed" in admin.text
    assert hub.services.records.retention.confirmed_days() == frozenset()

    await admin.send(f"{RETENTION}/confirm", days=" ".join(days), sure="yes")
    await admin.get(admin.goes_to)
    assert "These days are being deleted now." in admin.text
    assert "Days waiting for your decision" not in admin.text
    assert hub.services.records.retention.confirmed_days() == frozenset(days)
    assert ("admin", "retention.confirm", " ".join(sorted(days))) in [
        (who.removeprefix("user "), action, target) for who, action, target in await hub.audited()
    ]


async def test_nothing_can_be_confirmed_when_nothing_waits(
    hub: PageSite, admin: Photographer
) -> None:
    await admin.get("/site")
    await admin.send(f"{RETENTION}/confirm", sure="yes")
    assert admin.response.status_code == 400
    assert "No days are waiting any longer." in admin.text


async def test_a_doubted_clock_is_shown_and_confirmed_on_the_page(hub: PageSite) -> None:
    steady = FrozenClock(hub.clock())
    doubted = SiteClock(hub.hub.store, hub.services.core.audit, hub.clock, steady_now=steady)
    for clock in (steady, hub.clock):
        clock.advance(DAY / 12)
    doubted.look()
    hub.clock.advance(365 * DAY)
    core = replace(hub.services.core, clock=doubted)
    hub.services = replace(hub.services, core=core)
    admin = await Photographer.signed_in(hub)
    await admin.get("/site")
    assert "25 Nov 2027" in admin.text
    assert "It does not fit the time at which the hub last ran." in admin.text
    assert "365 d forward" in admin.text
    await admin.send(f"{RETENTION}/clock")
    await admin.get(admin.goes_to)
    assert "The hub trusts its clock again." in admin.text
    assert "It does not fit" not in admin.text
    assert not doubted.is_doubted
