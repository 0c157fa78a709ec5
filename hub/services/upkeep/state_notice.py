"""Tells once a minute how the hub is: the owner of many sites, and brokers, if it has any."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import trio
from msgspec.structs import replace

from hub.log import limited

if TYPE_CHECKING:
    from hub.services import Services

log = logging.getLogger(__name__)

_EVERY_SECONDS = 60.0
#: By then the ports are open, and the targets connected.
_FIRST_SECONDS = 10.0


async def tell_state(
    services: Services, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Tell it until cancelled."""
    task_status.started()
    wait = _FIRST_SECONDS
    while True:
        await trio.sleep(wait)
        wait = _EVERY_SECONDS
        if tellers := services.forwarding.targets.state_tellers():
            # Imported here because most hubs have no such target.
            from hub.services.upkeep.asked_erasures import obey
            from hub.services.upkeep.site_state import read_site_state

            try:
                state = await read_site_state(services)
                for teller in tellers:
                    answered = await obey(services, await teller.asked())
                    await teller.tell(replace(state, asked=answered))
            except Exception as error:  # the hub works all the same
                limited(log, logging.WARNING, "state", "how the hub is cannot be told: %r", error)
