"""How a camera is kept in step with the register: the tab People (D10)."""

from __future__ import annotations

import re
from typing import Literal, get_args

from msgspec import Struct
from quart import Blueprint, Response, request

from hub.errors import DeviceOffline, HubError, NoSuchPath, TooManyRequests
from hub.services.audit import Actor
from hub.services.devices.views import DeviceView
from hub.services.people.sync.decisions import LongDecision
from hub.store.people.people import SyncState
from hub.wire.commands.answers import Person as DevicePerson
from web import auth
from web.language import N_, gettext
from web.pages.camera.layout import camera_page, device_picture_url, get_camera
from web.pages.device_errors import describe_device_error
from web.pages.layout import make_url, page, redirect_to
from web.pages.shown.record_cards import ListBadge, list_badge
from web.pages.shown.sync_labels import (
    SYNC_ICONS,
    camera_sync,
    sync_reason,
    sync_text,
)

blueprint = Blueprint("camera_people_sync", __name__, url_prefix="/cameras/<int:did>/people")

ROWS_PER_PAGE = 50
_PID = re.compile(r"[0-9]{1,20}", re.ASCII)

Shown = Literal["should", "pending", "failed", "unknown"]
Decision = Literal["take-over", "remove-unknown", "leave-alone", "manage"]

_TITLES: dict[Shown, str] = {
    "should": N_("People who belong on this camera"),
    "pending": N_("Not in sync yet"),
    "failed": N_("Refused by the camera"),
    "unknown": N_("Unknown: on the camera, not in the register"),
}


class SyncRow(Struct, frozen=True, kw_only=True):
    """A person on this camera, known or unknown. `look`, `icon`: see .sync-state."""

    pid: str
    name: str
    url: str
    picture: str
    badge: ListBadge | None
    look: str
    icon: str
    text: str
    reason: str


class SyncRows(Struct, frozen=True, kw_only=True):
    """One page of the rows. `part`: the address of what the page follows."""

    shown: Shown
    title: str
    rows: list[SyncRow]
    part: str
    first: str
    next: str


@blueprint.get("", role="guard")
async def people(did: int) -> Response:
    device = get_camera(did)
    return await camera_page(
        "camera/people/sync.html",
        device,
        sync=await camera_sync(device.did),
        found=await _rows(device),
        may_decide=auth.reaches(auth.user(), "admin"),
    )


@blueprint.get("/state", role="guard")
async def state(did: int) -> Response:
    """The part of the page that follows the sync."""
    device = get_camera(did)
    return await page(
        "camera/people/_sync.html",
        did=device.did,
        sync=await camera_sync(device.did),
        found=await _rows(device),
        may_decide=auth.reaches(auth.user(), "admin"),
    )


async def _rows(device: DeviceView) -> SyncRows:
    wanted, after = request.args.get("show", ""), request.args.get("after", "")
    shown: Shown = next((one for one in get_args(Shown) if one == wanted), "should")
    after = after if _PID.fullmatch(after) else ""
    sync, base = auth.services().people.sync, f"/cameras/{device.did}/people"
    if shown == "unknown":
        unknown = await sync.decisions.unknown(device.did, after=after, limit=ROWS_PER_PAGE + 1)
        rows = [_unknown_row(one.pid, one.row, device.did) for one in unknown]
    else:
        state: SyncState | None = None if shown == "should" else shown
        known = await sync.rows(device.did, state, after=after, limit=ROWS_PER_PAGE + 1)
        rows = [
            SyncRow(
                pid=one.pid,
                name=one.name or gettext("No name"),
                url=f"/people/{one.pid}" if one.category else "",
                picture=f"/people/{one.pid}/photo" if one.category else "",
                badge=list_badge(one.category),
                look=one.state,
                icon=SYNC_ICONS[one.state],
                text=sync_text(one.state, is_wanted=one.is_wanted),
                reason=sync_reason(one.code, one.msg),
            )
            for one in known
        ]
    page_rows, more = rows[:ROWS_PER_PAGE], len(rows) > ROWS_PER_PAGE
    show = "" if shown == "should" else shown
    return SyncRows(
        shown=shown,
        title=gettext(_TITLES[shown]),
        rows=page_rows,
        part=make_url(f"{base}/state", show=show, after=after),
        first=make_url(base, show=show) if after else "",
        next=make_url(base, show=show, after=page_rows[-1].pid) if more else "",
    )


def _unknown_row(pid: str, row: DevicePerson, did: str) -> SyncRow:
    return SyncRow(
        pid=pid,
        name=row.name or gettext("No name"),
        url=f"/cameras/{did}/people/{pid}" if _PID.fullmatch(pid) else "",
        picture=device_picture_url(did, row.photo) if row.photo else "",
        badge=list_badge(row.category),
        look="pending",
        icon="alert",
        text=gettext("Not in the register"),
        reason="",
    )


@blueprint.post("/compare", role="guard")
async def compare(did: int) -> Response:
    return await _start(get_camera(did), "compare", auth.actor())


@blueprint.post("/retry", role="guard")
async def retry(did: int) -> Response:
    device = get_camera(did)
    await auth.services().people.sync.retry(device.did, None, by=auth.actor())
    return redirect_to(f"/cameras/{did}/people?done=people-retried")


async def _ask_to_decide(did: int, decision: str) -> Response:
    device = get_camera(did)
    return await camera_page(
        "camera/people/decide.html",
        device,
        decision=_check_decision(decision),
        groups=[group.name for group in auth.services().people.groups.of_device(device.did)],
        sync=await camera_sync(device.did),
    )


@blueprint.post("/decide/<decision>", role="admin", confirm=_ask_to_decide)
async def decide(did: int, decision: str) -> Response:
    device, by = get_camera(did), auth.actor()
    decisions = auth.services().people.sync.decisions
    match _check_decision(decision):
        case "leave-alone":
            await decisions.leave_alone(device.did, by=by)
            return redirect_to(f"/cameras/{did}/people?done=people-left-alone")
        case "manage":
            await decisions.manage(device.did, by=by)
            return redirect_to(f"/cameras/{did}/people?done=changed")
        case "take-over" | "remove-unknown" as kind:
            return await _start(device, kind, by)


async def _start(device: DeviceView, kind: LongDecision, by: Actor) -> Response:
    """Start a job, and show its page; or say why not."""
    try:
        job = await auth.services().people.sync.decisions.start(kind, device.did, by=by)
    except (DeviceOffline, TooManyRequests) as error:
        return await _refused(device, error)
    return redirect_to(f"/jobs/{job.id}")


def _check_decision(text: str) -> Decision:
    for known in get_args(Decision):
        if text == known:
            return known  # type: ignore[no-any-return]
    raise NoSuchPath


async def _refused(device: DeviceView, error: HubError) -> Response:
    return await camera_page(
        "camera/people/sync.html",
        device,
        status=error.status,
        sync=await camera_sync(device.did),
        found=await _rows(device),
        may_decide=auth.reaches(auth.user(), "admin"),
        fault=describe_device_error(error)
        if isinstance(error, DeviceOffline)
        else gettext("Too many jobs of this kind are running. Wait until one has finished."),
    )
