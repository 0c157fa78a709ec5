"""How far each camera is in step with the register, with a bar for each."""

from __future__ import annotations

from msgspec import Struct

from hub.errors import NoSuchResource
from web import auth
from web.language import gettext
from web.pages.labels import DEVICE_STATES
from web.pages.shown.camera_rows import shown_state
from web.pages.shown.sync_labels import CameraSync, camera_numbers


class CameraBar(Struct, frozen=True, kw_only=True):
    did: str
    name: str
    device_state: str
    device_state_text: str
    sync: CameraSync


async def camera_bars() -> list[CameraBar]:
    """All cameras: those that need somebody first, then by name."""
    hub = auth.services()
    bars = []
    for found in await hub.people.sync.summary():
        try:
            device = hub.cameras.devices.get(found.did)
        except NoSuchResource:
            continue
        bars.append(
            CameraBar(
                did=device.did,
                name=device.name or device.sn,
                device_state=shown_state(device),
                device_state_text=gettext(DEVICE_STATES[shown_state(device)]),
                sync=camera_numbers(found),
            )
        )
    return sorted(bars, key=_order)


def _order(bar: CameraBar) -> tuple[bool, bool, str]:
    return bar.sync.state != "undecided", not bar.sync.failed, bar.name.casefold()
