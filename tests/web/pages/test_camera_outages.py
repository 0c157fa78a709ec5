"""When a camera was offline: on its overview, and as a list."""

from __future__ import annotations

from hub.store.tables.outages import HubRun, Outage
from tests.support.browsing import Visitor
from tests.support.page_site import PageSite

HOUR, DAY = 3_600_000, 86_400_000


async def add_outages(hub: PageSite, *outages: tuple[int, int | None, str]) -> None:
    """Each as (how long ago it began, how long ago it ended, cause), in milliseconds."""
    now = hub.clock.ms
    rows = [
        Outage(
            id=number,
            did="1",
            began_at=now - begin,
            ended_at=None if end is None else now - end,
            cause=cause,  # type: ignore[arg-type]
        )
        for number, (begin, end, cause) in enumerate(outages, 1)
    ]
    await hub.hub.store.outages.save(rows, HubRun(1, now - 30 * DAY, now))


async def test_the_overview_says_how_often_the_camera_was_offline_and_when_last(
    hub: PageSite, viewer: Visitor
) -> None:
    await hub.connect()
    await add_outages(
        hub,
        (9 * DAY, 8 * DAY, "lost"),
        (3 * DAY, 3 * DAY - HOUR, "refused"),
        (10 * HOUR, 9 * HOUR, "lost"),
        (5 * HOUR, 4 * HOUR, "disabled"),
    )
    await viewer.get("/cameras/1")
    assert "Offline 2 times in the last 7 days, last 25 Nov 10:00–11:00 (1 h)" in viewer.text
    # On a phone the facts take two screens.
    assert viewer.text.index("Offline 2 times") < viewer.text.index("Serial number")
    await viewer.get("/cameras/1/outages/summary")
    assert "Offline 2 times" in viewer.text


async def test_an_outage_that_lasts_is_told_since_when(hub: PageSite, viewer: Visitor) -> None:
    await hub.enrol()
    await add_outages(hub, (40 * HOUR, None, "lost"))
    await viewer.get("/cameras/1")
    assert "Offline 1 time in the last 7 days, since 24 Nov 04:00" in viewer.text
    await viewer.get("/cameras/1")
    assert "still lasts" in viewer.text
    assert "1 d 16 h" in viewer.text


async def test_a_camera_that_was_never_offline_is_said_to_be_so(
    hub: PageSite, viewer: Visitor
) -> None:
    await hub.connect()
    await viewer.get("/cameras/1")
    assert "Never offline in the last 7 days" in viewer.text
    await viewer.get("/cameras/1")
    assert "No outages since the hub started keeping this list." in viewer.text


async def test_the_list_goes_on_with_older_outages(hub: PageSite, viewer: Visitor) -> None:
    await hub.connect()
    await add_outages(hub, *((n * HOUR, n * HOUR - 100_000, "lost") for n in range(60, 0, -1)))
    await viewer.get("/cameras/1")
    assert viewer.text.count("No connection") == 50
    await viewer.get("/cameras/1?before=11")
    assert viewer.text.count("No connection") == 10
