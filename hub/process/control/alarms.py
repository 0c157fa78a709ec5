"""Requests about alarms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub.process.control.request import ControlRequest
from hub.store.alarms.alarm import Alarm
from hub.store.tables.alarms import AlarmFilter, AlarmPage

if TYPE_CHECKING:
    from hub.services import Services

_PAGE = 1000


class ListAlarms(ControlRequest[AlarmPage], frozen=True, tag="alarm.list"):
    """Read the next alarms of a list, by seq."""

    matching: AlarmFilter
    after: int | None

    async def perform(self, services: Services) -> AlarmPage:
        return await services.alarms.raised.page(self.matching, after=self.after, limit=_PAGE)


class ActiveAlarms(ControlRequest[list[Alarm]], frozen=True, tag="alarm.active"):
    """Return the alarms that are not closed, the oldest first."""

    async def perform(self, services: Services) -> list[Alarm]:
        return list(services.alarms.raised.active())
