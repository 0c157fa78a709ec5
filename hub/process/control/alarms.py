"""Requests about alarms and watch lists of plates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import UNSET, UnsetType

from hub.errors import NoSuchResource
from hub.process.control.request import ControlRequest
from hub.services.audit import COMMAND_LINE
from hub.store.alarms.alarm import Alarm, Severity
from hub.store.tables.alarms import AlarmFilter, AlarmPage
from hub.store.tables.plate_lists import NewPlateList, PlateEntry, PlateList

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


class ListPlateLists(ControlRequest[list[PlateList]], frozen=True, tag="plate-list.list"):
    """Return the watch lists."""

    async def perform(self, services: Services) -> list[PlateList]:
        return list(services.alarms.plate_lists.list())


class AddPlateList(ControlRequest[int], frozen=True, tag="plate-list.add"):
    """Add a watch list; return its id."""

    new: NewPlateList

    async def perform(self, services: Services) -> int:
        return (await services.alarms.plate_lists.add(self.new, COMMAND_LINE)).id


class ChangePlateList(ControlRequest[None], frozen=True, tag="plate-list.set"):
    """Change a watch list, given by its id or name."""

    which: str
    name: str | UnsetType = UNSET
    severity: Severity | UnsetType = UNSET
    entries: tuple[PlateEntry, ...] | UnsetType = UNSET

    async def perform(self, services: Services) -> None:
        before = _find(services, self.which)
        wanted = NewPlateList(
            name=before.name if self.name is UNSET else self.name,
            severity=before.severity if self.severity is UNSET else self.severity,
            entries=before.entries if self.entries is UNSET else self.entries,
        )
        await services.alarms.plate_lists.change(before.id, wanted, COMMAND_LINE)


class RemovePlateList(ControlRequest[None], frozen=True, tag="plate-list.remove"):
    """Remove a watch list, given by its id or name."""

    which: str

    async def perform(self, services: Services) -> None:
        await services.alarms.plate_lists.remove(_find(services, self.which).id, COMMAND_LINE)


def _find(services: Services, which: str) -> PlateList:
    """Return the list with this id, or else with this name. Raises NoSuchResource."""
    lists = services.alarms.plate_lists.list()
    found = [one for one in lists if str(one.id) == which] or [
        one for one in lists if one.name == which
    ]
    if not found:
        raise NoSuchResource(f"no plate list {which}")
    return found[0]
