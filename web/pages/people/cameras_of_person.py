"""Where a person stands on each camera."""

from __future__ import annotations

from msgspec import Struct

from hub.errors import NoSuchResource
from hub.services.people.sync.people_sync import PersonOnDevice
from web import auth
from web.language import gettext
from web.pages.labels import DEVICE_STATES
from web.pages.shown.camera_rows import shown_state
from web.pages.shown.sync_labels import STANDSTILLS, SYNC_ICONS, sync_reason, sync_text


class PersonCameraRow(Struct, frozen=True, kw_only=True):
    """The person on one camera. `look`, `icon`: see .sync-state."""

    did: str
    name: str
    device_state: str
    device_state_text: str
    look: str
    icon: str
    text: str
    reason: str


class CamerasOfPerson(Struct, frozen=True):
    rows: list[PersonCameraRow]
    done: int
    failed: int

    @property
    def count(self) -> int:
        return len(self.rows)


class NamedCamera(Struct, frozen=True):
    did: str
    name: str


async def cameras_of_person(pid: str) -> CamerasOfPerson:
    """Every camera that should hold the person, or must lose them; failures first."""
    found = await auth.services().people.sync.of_person(pid)
    rows = [row for one in found if (row := _row(one))]
    order = {"failed": 0, "pending": 1, "done": 2}
    rows.sort(key=lambda row: (order[row.look], row.name.casefold()))
    return CamerasOfPerson(
        rows,
        sum(row.look == "done" for row in rows),
        sum(row.look == "failed" for row in rows),
    )


def _row(one: PersonOnDevice) -> PersonCameraRow | None:
    """The row of a camera; None if it was removed meanwhile."""
    hub = auth.services()
    try:
        device = hub.cameras.devices.get(one.did)
    except NoSuchResource:
        return None
    is_still = one.state != "done" and hub.people.sync.state_of(one.did) in STANDSTILLS
    standstill = gettext(STANDSTILLS[hub.people.sync.state_of(one.did)]) if is_still else ""
    return PersonCameraRow(
        did=device.did,
        name=device.name or device.sn,
        device_state=shown_state(device),
        device_state_text=gettext(DEVICE_STATES[shown_state(device)]),
        look=one.state,
        icon=SYNC_ICONS[one.state],
        text=sync_text(one.state, is_wanted=True),
        reason=sync_reason(one.code, one.msg) or standstill,
    )


def undecided_cameras() -> list[NamedCamera]:
    """The cameras that wait for a decision about unknown people, by name."""
    hub = auth.services()
    found = [
        NamedCamera(device.did, device.name or device.sn)
        for device in hub.cameras.devices.list()
        if hub.people.sync.state_of(device.did) == "undecided"
    ]
    return sorted(found, key=lambda one: one.name.casefold())
