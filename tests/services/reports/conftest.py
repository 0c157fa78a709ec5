"""A site whose reports are asked for."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import trio

from hub.config import Config, SiteConfig
from hub.services.reports.report import Report, ReportTable
from hub.services.reports.reports import ReportQuery
from hub.store.commit.record_batch import RecordBatch
from hub.store.tables.devices import NewDevice
from hub.wire.uploads.bodies import CheckedUpload
from hub.wire.uploads.records import (
    AccessDetail,
    Detail,
    FaceDetail,
    Plate,
    RecordKind,
    Rect,
    Vehicle,
    VehicleDetail,
)
from tests.support.clock import FrozenClock
from tests.support.hub_services import HubServices, open_hub_services

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
#: Wednesday, 25 November 2026, 00:00 in Berlin.
MIDNIGHT = FrozenClock().ms - 13 * HOUR
TODAY = date(2026, 11, 25)


class ReportSite:
    """Cameras 1 to 4 in Berlin."""

    def __init__(self, hub: HubServices, clock: FrozenClock) -> None:
        self.hub = hub
        self.clock = clock
        self.services = hub.services

    async def face(
        self, at: int, name: str | None, *, did: str = "1", uuid: str | None = None, **fields: Any
    ) -> int:
        """A face at some milliseconds after midnight."""
        detail = FaceDetail(name=name, uuid=uuid, **fields)
        return await self.add(upload("face", at, detail), did)

    async def access(self, at: int, uuid: str, *, did: str = "1") -> int:
        return await self.add(upload("access", at, AccessDetail(uuid=uuid)), did)

    async def vehicle(self, at: int, plate: str, did: str) -> int:
        detail = VehicleDetail(Plate(plate, 1, Rect(1, 2, 3, 4)), Vehicle(2, "VW", None))
        return await self.add(upload("vehicle", at, detail), did)

    async def add(self, upload: CheckedUpload, did: str) -> int:
        batch = RecordBatch(
            [upload],
            did=did,
            sn=f"SN{did}",
            device_name=f"Camera {did}",
            digest=secrets.token_bytes(16),
            arrived_at=self.clock.ms,
        )
        (seq,) = (await self.hub.store.records.append(batch)).seqs
        return seq

    async def erase(self, seq: int) -> None:
        """Mark a record as erased."""
        await self.hub.store.write(
            lambda c: c.execute("UPDATE record SET erased = 1 WHERE seq = ?", (seq,)) and None
        )

    async def report(
        self, kind: str, period: str = "day", day: date = TODAY, **more: Any
    ) -> Report:
        query = ReportQuery(kind, period, day, **more)  # type: ignore[arg-type]
        return await self.services.reports.maker.make(query, seconds=30)


def upload(kind: RecordKind, at: int, detail: Detail) -> CheckedUpload:
    return CheckedUpload(kind=kind, occurred_at=MIDNIGHT + at, detail=detail)


def rows_of(report: Report, name: str) -> list[tuple[Any, ...]]:
    return list(table_of(report, name).rows)


def table_of(report: Report, name: str) -> ReportTable:
    (found,) = [one for one in report.tables if one.name == name]
    return found


@pytest.fixture
async def site(
    tmp_path: Path, clock: FrozenClock, nursery: trio.Nursery
) -> AsyncIterator[ReportSite]:
    config = Config(site=SiteConfig(name="Gate", timezone="Europe/Berlin"))
    async with open_hub_services(tmp_path, clock, config) as hub:
        for did in ("1", "2", "3", "4"):
            await hub.services.cameras.devices.add(
                NewDevice(sn=f"SN{did}", code="CODE0001", did=did, name=f"Camera {did}")
            )
        async with trio.open_nursery() as running:
            await running.start(hub.services.reports.maker.run)
            yield ReportSite(hub, clock)
            running.cancel_scope.cancel()
