"""Erases whom the owner of many sites asks this hub to erase, each request once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hub.errors import BadParameter, CannotStoreNow, NoSuchResource
from hub.services.audit import Actor
from hub.services.forwarding.site_state import Answered, Asked

if TYPE_CHECKING:
    from hub.services import Services


async def obey(services: Services, asked: Sequence[Asked]) -> tuple[Answered, ...]:
    """Begin what was not begun; return what became of each."""
    return tuple([Answered(one.id, await _outcome(services, one)) for one in asked])


async def _outcome(services: Services, asked: Asked) -> str:
    erasures, store = services.records.erasures, services.core.store
    # Who has begun an erasure is stored with it: so a request is known from then on.
    by = Actor(f"centre {asked.id}")
    found = await store.erasures.begun_by(by.who)
    if found is None:
        logs = {store.log_id, *(one.log for one in await store.erased.earlier_logs())}
        if logs.isdisjoint(asked.logs):
            # Of an installation before this one, whose numbers may be of other people here.
            return "refused"
        try:
            subject = await erasures.find_subject(number=asked.number)
            found = await erasures.begin(subject, with_held=False, by=by)
        except (BadParameter, NoSuchResource):
            return "refused"
        except CannotStoreNow:
            return "waiting"
    if found.finished_at is None:
        return "begun"
    return "kept" if found.report.kept else "erased"
