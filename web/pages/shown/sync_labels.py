"""How far cameras are in step with the register, in words (D10)."""

from __future__ import annotations

from msgspec import Struct

from hub.services.people.sync.numbers import DeviceNumbers
from hub.store.people.people import SyncState
from web import auth, language
from web.language import N_, gettext
from web.pages.device_errors import device_message

SYNC_ICONS: dict[SyncState, str] = {"done": "check", "pending": "clock", "failed": "alert"}
_TEXTS: dict[SyncState, str] = {
    "done": N_("In sync"),
    "pending": N_("Not in sync yet"),
    "failed": N_("Refused by the camera"),
}
_REMOVAL_TEXTS: dict[SyncState, str] = {
    "done": N_("Removed"),
    "pending": N_("Not removed yet"),
    "failed": N_("The camera refused to remove the person"),
}
#: Why nothing on a camera is changed, by the state of its people.
STANDSTILLS = {
    "new": N_(
        "The hub has not read the list of people on this camera yet. It will do so when the "
        "camera connects."
    ),
    "undecided": N_(
        "There are people on the camera who are not in the register. The hub changes nobody on "
        "it until someone decides."
    ),
    "unread": N_(
        "The hub could not read the whole list of people on this camera. Nothing on it is "
        "changed until the list can be read or someone decides."
    ),
    "alone": N_("Syncing was stopped for this camera. The hub changes nobody on it."),
}


class CameraSync(Struct, frozen=True, kw_only=True):
    """The numbers of one camera. `compared`: when its list was last compared, "" if never."""

    state: str
    standstill: str
    should: int
    held: int
    pending: int
    failed: int
    unknown: int
    compared: str

    @property
    def done(self) -> int:
        return max(0, self.should - self.pending - self.failed)


def sync_text(state: SyncState, *, is_wanted: bool) -> str:
    return gettext((_TEXTS if is_wanted else _REMOVAL_TEXTS)[state])


def sync_reason(code: int | None, msg: str) -> str:
    """What the camera answered last, if that was no success."""
    return "" if code is None else device_message(code, msg)


def _standstill(found: DeviceNumbers) -> str:
    """Why nothing on a camera is changed; "" if it is kept up to date."""
    is_unread = found.state == "undecided" and not found.unknown
    key = "unread" if is_unread else found.state
    return gettext(STANDSTILLS[key]) if key in STANDSTILLS else ""


async def camera_sync(did: str) -> CameraSync:
    return camera_numbers(await auth.services().people.sync.of_device(did))


def camera_numbers(found: DeviceNumbers) -> CameraSync:
    zone = language.zone()
    compared = found.compared_at
    return CameraSync(
        state=found.state,
        standstill=_standstill(found),
        should=found.should,
        held=found.is_,
        pending=found.pending,
        failed=found.failed,
        unknown=found.unknown,
        compared="" if compared is None else language.current().moment(compared, zone),
    )
