"""A hub with its alarms, and cameras that report what raises them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub.services.audit import Actor
from hub.store.alarms.alarm import Alarm
from hub.store.tables.alarms import AlarmFilter
from hub.wire.uploads.bodies import CheckedUpload
from hub.wire.uploads.records import AccessDetail, EventDetail, FaceDetail, Plate, VehicleDetail
from tests.support.clock import FrozenClock
from tests.support.hub_services import HubServices, open_hub_services

MEI = Actor("user mei")


class AlarmSite:
    """A hub, and shortcuts for what its cameras report, at the time of the clock."""

    def __init__(self, hub: HubServices, clock: FrozenClock) -> None:
        self.hub = hub
        self.clock = clock
        self.alarms = hub.services.alarms.raised
        self.rules = hub.services.alarms.rules
        self.plate_lists = hub.services.alarms.plate_lists

    async def event(self, type: int, *, did: str = "1", **who: object) -> int:
        detail = EventDetail(type=type, **who)  # type: ignore[arg-type]
        return await self._add(CheckedUpload(kind="event", occurred_at=self.at, detail=detail), did)

    async def face(self, *, did: str = "1", at: int | None = None, **who: object) -> int:
        detail = FaceDetail(**who)  # type: ignore[arg-type]
        upload = CheckedUpload(kind="face", occurred_at=at or self.at, detail=detail)
        return await self._add(upload, did)

    async def access(self, uuid: str, *, did: str = "1") -> int:
        detail = AccessDetail(uuid=uuid)
        return await self._add(
            CheckedUpload(kind="access", occurred_at=self.at, detail=detail), did
        )

    async def vehicle(self, plate: str, *, did: str = "1") -> int:
        detail = VehicleDetail(Plate(plate))
        return await self._add(
            CheckedUpload(kind="vehicle", occurred_at=self.at, detail=detail), did
        )

    async def _add(self, upload: CheckedUpload, did: str) -> int:
        return await self.hub.add(upload, did=did)

    @property
    def at(self) -> int:
        return self.clock.ms

    def active(self) -> list[Alarm]:
        return list(self.alarms.active())

    async def all(self) -> list[Alarm]:
        return list((await self.alarms.page(AlarmFilter())).items)

    async def one(self) -> Alarm:
        (alarm,) = await self.all()
        return alarm

    async def blacklist(self, pid: str, name: str, category: int = 2) -> None:
        """Put a person into the register, as the hub does."""
        row = (pid, name, category, int(pid), self.at, self.at)
        await self.hub.store.write(lambda c: c.execute(_PERSON, row).rowcount)


_PERSON = """
INSERT INTO person (pid, name, work_id, id_card_no, ic_card_no, gender, age, birth_year,
    department, phone, category, everywhere, valid_from, valid_until, note, has_photo, revision,
    created_at, changed_at, changed_by, folded)
VALUES (?, ?, '', '', '', NULL, NULL, NULL, '', '', ?, 1, NULL, NULL, '', 0, ?, ?, ?, '', '')
"""


@pytest.fixture
async def site(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[AlarmSite]:
    async with open_hub_services(tmp_path, clock) as hub:
        yield AlarmSite(hub, clock)
