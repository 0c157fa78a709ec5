"""How available cameras were, and their outages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub.services.devices.availability import FAILURES, DeviceAvailability
from hub.services.reports.periods import Period
from hub.services.reports.report import Cell, Chart, Progress, Report, Series, table

if TYPE_CHECKING:
    from hub.store.db import Store

#: Cameras of the chart: those that were out for longest.
_IN_CHART = 20


async def report_availability(
    store: Store,
    availability: DeviceAvailability,
    period: Period,
    made_at: int,
    on_progress: Progress,
) -> Report:
    """Return how available each camera was, the worst first, and each of its outages."""
    until = max(period.since, min(period.until, made_at))
    by_did = await store.outages.of_all(period.since, until)
    found = await availability.of_all(period.since, until, by_did)
    on_progress(0.5)
    worst = sorted(
        found.items(), key=lambda item: (-item[1].out, -item[1].watched, len(item[0]), item[0])
    )
    cameras: list[tuple[Cell, ...]] = [
        (
            did,
            None if one.percent is None else round(one.percent, 3),
            one.outages,
            one.out // 1000,
            one.watched // 1000,
        )
        for did, one in worst
    ]
    outages: list[tuple[Cell, ...]] = [
        (
            one.did,
            one.began_at,
            one.ended_at,
            max(0, (made_at if one.ended_at is None else one.ended_at) - one.began_at) // 1000,
            one.cause,
        )
        for did in sorted(by_did)
        for one in by_did[did]
        if one.cause in FAILURES
    ]
    shown = [item for item in worst[:_IN_CHART] if item[1].out]
    chart = Chart(
        "out",
        "camera",
        tuple(did for did, _ in shown),
        (Series("out", tuple(one.out / 1000 for _, one in shown)),),
        unit="length",
    )
    return Report(
        "availability",
        period,
        made_at,
        (
            table(
                "cameras",
                [
                    ("camera", "camera"),
                    ("availability", "percent"),
                    ("outages", "count"),
                    ("out", "length"),
                    ("watched", "length"),
                ],
                cameras,
            ),
            table(
                "outages",
                [
                    ("camera", "camera"),
                    ("from", "moment"),
                    ("until", "moment"),
                    ("length", "length"),
                    ("cause", "code"),
                ],
                outages,
            ),
        ),
        (chart,),
    )
