"""The cameras that knock, as the pages list them: a page of them at a time, and found by a word."""

from __future__ import annotations

from msgspec import Struct
from quart import request

from hub.errors import NoSuchResource
from hub.services.devices.enrolment import PendingDevice
from hub.services.devices.views import DeviceView
from web import auth
from web.pages.labels import clock_offset, device_reason, init_outcome, waiting_reasons
from web.pages.layout import url

#: Hundreds may knock; each has a form of its own.
ROWS = 20
#: So many broken cameras are offered by name; any other is named by its number.
_MOST_OFFERED = 100
#: Of a moment in ms.
_MOST_DIGITS = 18


class WaitingRow(Struct, frozen=True):
    waiting: PendingDevice
    reasons: list[str]
    #: How its clock is, where that is no reason.
    clock: str
    #: What was entered and why it was not taken; empty at first.
    fault: str = ""
    name: str = ""
    key: str = ""
    did: str = ""
    replaces: str = ""


class Knocks(Struct, frozen=True):
    """A page of those who knock. `part`: its address; `next`: that of the page behind it."""

    rows: list[WaitingRow]
    total: int
    found: int
    find: str
    back: str
    part: str
    next: str
    has_site_key: bool
    #: Cameras that may be broken, whose place one of them can take.
    replaceable: list[DeviceView]


class AcceptedNote(Struct, frozen=True):
    """What is to be known of a camera that was just accepted."""

    device: DeviceView
    name: str
    reason: str
    init: str
    #: It takes no number (did) from here: it is entered on the camera by hand.
    by_hand: bool


def waiting_row(waiting: PendingDevice, **entered: str) -> WaitingRow:
    clock = "" if waiting.time_reason else clock_offset(waiting.attempt.clock_offset)
    return WaitingRow(waiting, waiting_reasons(waiting), clock, **entered)


def knocks(back: str, refused: WaitingRow | None = None) -> Knocks:
    """Who knocks; the one whose acceptance was refused keeps what was entered.

    The latest to come stands first, and no further knock moves it from where somebody is typing.
    """
    hub = auth.services()
    find, after = request.args.get("find", "").strip(), request.args.get("after", "")
    everybody = sorted(hub.enrolment.waiting(), key=_place)
    found = [one for one in everybody if find.casefold() in _words(one)]
    behind = [one for one in found if _place(one) > _place_of(after)]
    rows = [waiting_row(one) for one in behind[:ROWS]]
    if refused is not None:
        rows = _with_refused(rows, refused)
    devices = [device for device in hub.devices.list() if device.state != "online"]
    return Knocks(
        rows=rows,
        total=len(everybody),
        found=len(found),
        find=find,
        back=back,
        part=url("/cameras/waiting", back=back, find=find, after=after),
        next=_next(back, find, behind),
        has_site_key=hub.devices.site_key() is not None,
        replaceable=devices[:_MOST_OFFERED],
    )


def accepted_note() -> AcceptedNote | None:
    """Of the camera in the address, where it was just accepted."""
    done, did = request.args.get("done", ""), request.args.get("did", "")
    if not done.startswith("accepted-") or not did:
        return None
    try:
        device = auth.services().devices.get(did)
    except NoSuchResource:
        return None
    return AcceptedNote(
        device=device,
        name=device.name or device.sn,
        reason=device_reason(device),
        init=init_outcome(device.init_outcome),
        by_hand=done in ("accepted-refused", "accepted-silent"),
    )


def _place(waiting: PendingDevice) -> tuple[int, str]:
    return -waiting.first_seen, waiting.sn


def _place_of(after: str) -> tuple[int, str]:
    first_seen, _, sn = after.partition("-")
    if not (first_seen.isascii() and first_seen.isdecimal()) or len(first_seen) > _MOST_DIGITS:
        return -(2**63), ""
    return -int(first_seen), sn


def _words(waiting: PendingDevice) -> str:
    knock = waiting.attempt
    return f"{knock.sn} {knock.address} {knock.ip}".casefold()


def _with_refused(rows: list[WaitingRow], refused: WaitingRow) -> list[WaitingRow]:
    others = [refused if one.waiting.sn == refused.waiting.sn else one for one in rows]
    return others if refused in others else [refused, *rows]


def _next(back: str, find: str, behind: list[PendingDevice]) -> str:
    if len(behind) <= ROWS:
        return ""
    last = behind[ROWS - 1]
    return url(back, find=find, after=f"{last.first_seen}-{last.sn}")
