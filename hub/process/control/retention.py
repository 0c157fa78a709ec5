"""Requests about what is kept, and about the clock that decides it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from msgspec import Struct

from hub.process.control.request import ControlRequest
from hub.services.audit import COMMAND_LINE
from hub.services.retention.view import ClockView, RetentionView, read_retention

if TYPE_CHECKING:
    from hub.services import Services


class Confirmed(Struct, frozen=True):
    """The days that go now, and how many records they hold."""

    days: list[str]
    records: int


class ReadRetention(ControlRequest[RetentionView], frozen=True, tag="retention.read"):
    """Return what is kept, what waits for a person, and the forecast."""

    needs_running_hub: ClassVar[bool] = True

    async def perform(self, services: Services) -> RetentionView:
        return await read_retention(services)


class ConfirmRetention(ControlRequest[Confirmed], frozen=True, tag="retention.confirm"):
    """Let exactly the days go that wait."""

    days: list[str]
    needs_running_hub: ClassVar[bool] = True

    async def perform(self, services: Services) -> Confirmed:
        records = await services.records.retention.confirm(self.days, by=COMMAND_LINE)
        return Confirmed(sorted(self.days), records)


class ConfirmClock(ControlRequest[ClockView], frozen=True, tag="clock.confirm"):
    """Note that the clock is right."""

    needs_running_hub: ClassVar[bool] = True

    async def perform(self, services: Services) -> ClockView:
        await services.core.clock.confirm(by=COMMAND_LINE)
        return (await read_retention(services)).clock
