"""Tells the owner of many sites once a minute how the hub is, if it has one."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import trio

from hub.log import limited

if TYPE_CHECKING:
    from hub.services import Services

log = logging.getLogger(__name__)

_EVERY_SECONDS = 60.0
#: By then the ports are open, and the targets connected.
_FIRST_SECONDS = 10.0


async def tell_centres(
    services: Services, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Tell it until cancelled."""
    task_status.started()
    wait = _FIRST_SECONDS
    while True:
        await trio.sleep(wait)
        wait = _EVERY_SECONDS
        if centres := services.forwarding.targets.centres():
            # Imported here because most hubs have no such target.
            from hub.services.upkeep.site_state import read_site_state

            try:
                state = await read_site_state(services)
                for centre in centres:
                    await centre.tell(state)
            except Exception as error:  # the hub works all the same
                limited(log, logging.WARNING, "state", "the centre is not told: %r", error)
