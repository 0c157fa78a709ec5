"""Requests about erasing a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub.process.control.request import ControlRequest
from hub.services.audit import COMMAND_LINE
from hub.services.records.erasures import Erasable
from hub.store.tables.erasures import Erasure, Subject

if TYPE_CHECKING:
    from hub.services import Services


class FindErasable(ControlRequest[list[Erasable]], frozen=True, tag="erasure.find"):
    """Find what an erasure by number, by name or by hand would erase."""

    number: str = ""
    name: str = ""
    seqs: tuple[int, ...] = ()

    async def perform(self, services: Services) -> list[Erasable]:
        return await services.records.erasures.find_erasable(
            number=self.number, name=self.name, seqs=self.seqs
        )


class BeginErasure(ControlRequest[int], frozen=True, tag="erasure.begin"):
    """Erase records; return the erasure's id. It may not be finished yet."""

    subject: Subject
    with_held: bool

    async def perform(self, services: Services) -> int:
        erasures = services.records.erasures
        begun = await erasures.begin(self.subject, with_held=self.with_held, by=COMMAND_LINE)
        if not erasures.is_running:
            await erasures.carry_out()
        return begun.id


class GetErasure(ControlRequest[Erasure], frozen=True, tag="erasure.get"):
    """Return an erasure. If the hub that carried it out has ended, carry it out first."""

    id: int

    async def perform(self, services: Services) -> Erasure:
        if not services.records.erasures.is_running:
            await services.records.erasures.carry_out()
        return await services.records.erasures.get(self.id)
