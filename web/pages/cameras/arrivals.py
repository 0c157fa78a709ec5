"""What becomes of cameras that were just accepted: connected, and the first picture."""

from __future__ import annotations

import re

from msgspec import Struct
from quart import Blueprint, Response, request

from hub.errors import NoSuchResource
from hub.services.admission.provisioning import stored_delivery
from hub.services.devices.validation import MAX_SN_LENGTH
from hub.services.devices.views import DeviceView
from web import auth
from web.pages.labels import DONE, device_reason, done_sentence, init_outcome
from web.pages.layout import make_url, page

blueprint = Blueprint("arrivals", __name__, url_prefix="/cameras/connect/arrivals")

#: Cameras that were accepted so recently are shown until their first picture is there, and with it.
_RECENT_MS = 3_600_000
_MAX_SHOWN = 6
_MS = re.compile(r"[0-9]{1,15}")


class AcceptedNote(Struct, frozen=True):
    """What the page says about a camera that was just accepted.

    `part`: the address of the note. `init`: how the camera refused its initial parameters; "" if it
    did not, which the sentence tells. `replaced`: the serial number of the broken camera that it
    replaces; "" for a new one.
    """

    part: str
    sentence: str
    device: DeviceView
    name: str
    reason: str
    init: str
    #: The did has to be entered on the camera by hand.
    by_hand: bool
    replaced: str


class Arrival(Struct, frozen=True):
    """A camera on its way to its first picture. `reason`: why it cannot connect.

    `last_seen`: in UNIX milliseconds; None also if only the camera was seen that it replaces.
    """

    device: DeviceView
    name: str
    reason: str
    last_seen: int | None


class Arrivals(Struct, frozen=True):
    """The cameras that were just accepted, the latest first; `part` is the address of the list.

    `is_first`: as the second step of the first run. `is_done`: a picture is there.
    """

    rows: list[Arrival]
    part: str
    is_first: bool

    @property
    def is_done(self) -> bool:
        return any(row.device.last_picture for row in self.rows)


@blueprint.get("", role="admin")
async def show() -> Response:
    return await page("cameras/_arrivals.html", arrivals=find_arrivals())


def find_arrivals() -> Arrivals:
    """The cameras accepted within the last hour, and the one in the address.

    Cameras that were added in advance belong to them once they have connected.
    """
    hub, did = auth.services(), request.args.get("did", "")
    replaced_at = request.args.get("since", "")
    since = int(hub.core.clock.shown_time() * 1000) - _RECENT_MS
    found = [
        one
        for one in hub.cameras.devices.list()
        if one.did == did or (one.created_at >= since and one.sign_form is not None)
    ]
    found.sort(key=lambda one: (one.did == did, one.created_at, len(one.did), one.did))
    is_first = "first" in request.args
    return Arrivals(
        rows=[
            _make_arrival(one, _read_ms(replaced_at) if one.did == did else 0)
            for one in found[: -_MAX_SHOWN - 1 : -1]
        ],
        part=make_url(
            "/cameras/connect/arrivals",
            did=did,
            since=str(_read_ms(replaced_at) or ""),
            first="1" if is_first else "",
        ),
        is_first=is_first,
    )


def _read_ms(text: str) -> int:
    return int(text) if _MS.fullmatch(text) else 0


def _make_arrival(device: DeviceView, replaced_at: int) -> Arrival:
    """`replaced_at`: since when it is this camera, in UNIX milliseconds; 0 for a new one."""
    seen = device.last_seen
    return Arrival(
        device,
        device.name or device.sn,
        device_reason(device),
        seen if seen is not None and seen > replaced_at else None,
    )


def accepted_note() -> AcceptedNote | None:
    """The note for the camera in the address, if it was just accepted: as it is now."""
    done, did = request.args.get("done", ""), request.args.get("did", "")
    if not done.startswith("accepted-") or done not in DONE or not did:
        return None
    try:
        device = auth.services().cameras.devices.get(did)
    except NoSuchResource:
        return None
    replaced = request.args.get("replaced", "")[:MAX_SN_LENGTH]
    now = _outcome_now(device, done)
    return AcceptedNote(
        part=make_url("/cameras/accepted", done=done, did=did, replaced=replaced),
        sentence=done_sentence(now),
        device=device,
        name=device.name or device.sn,
        reason=device_reason(device),
        init=init_outcome(device.init_outcome) if now == "accepted-refused" else "",
        by_hand=now in ("accepted-refused", "accepted-silent"),
        replaced=replaced,
    )


def _outcome_now(device: DeviceView, done: str) -> str:
    """What there is to say of an accepted camera, of which `done` was said at first."""
    if device.init_outcome is not None:
        return f"accepted-{stored_delivery(device.init_outcome).outcome}"
    if done == "accepted-not-sent" and device.state == "online":
        return "accepted-connected"
    return done
