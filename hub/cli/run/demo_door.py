"""The door of the demo: of its first camera of edition 3, whose own HTTP answers here (D12)."""

from __future__ import annotations

import secrets

import trio

from hub.services import Services
from hub.services.audit import Actor
from hub.services.camera_functions.relays.relays import RelaySettings
from hub.simulator.camera_web import CameraWeb

_USERNAME = "demo"


async def serve_door(
    services: Services,
    did: str,
    address: str,
    by: Actor,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Answer as the camera until cancelled, and set its relay up.

    Port and password are new each time; what somebody changed of the rest stays.
    """
    web = CameraWeb(_USERNAME, secrets.token_hex(12))
    async with trio.open_nursery() as nursery:
        await nursery.start(web.serve, address)
        before = services.cameras.relays.get(did)
        settings = RelaySettings(
            name=before.name if before else "Car park gate",
            kind=before.kind if before else "door",
            seconds=before.seconds if before else 5,
            address=address,
            port=web.port,
            username=_USERNAME,
            password=web.password,
        )
        await services.cameras.relays.set(did, settings, by=by)
        task_status.started()
