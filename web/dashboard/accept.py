"""Accepting a camera that knocks, on the page where one sees it."""

from __future__ import annotations

from quart import Blueprint, Response, request

from hub.errors import BadParameter, HubError, NoSuchResource, WrongSignature
from hub.services.carrythrough import carried_through
from web import auth
from web.dashboard.cameras import cameras_page
from web.dashboard.connect import connect_page
from web.dashboard.language import gettext
from web.dashboard.pages import go, page
from web.dashboard.waiting import WaitingRow, waiting_rows
from web.dashboard.words import device_fault, waiting_reasons

blueprint = Blueprint("accept", __name__, url_prefix="/cameras")


@blueprint.get("/waiting")
async def waiting() -> Response:
    await auth.require_role("viewer")
    return await page(
        "_waiting.html",
        waiting=waiting_rows(),
        has_site_key=auth.services().devices.site_key() is not None,
        back=request.args.get("back", "/cameras"),
    )


@blueprint.post("/accept")
async def accept() -> Response:
    me = await auth.require_role("admin")
    await auth.check_csrf()
    form = await request.form
    sn, back = form.get("sn", ""), form.get("back", "")
    hub = auth.services()
    try:
        with carried_through():
            accepted = await hub.enrolment.accept(
                sn,
                form.get("code", "").strip(),
                key=form.get("key", "").strip() or None,
                name=form.get("name", "").strip(),
                did=form.get("did", "").strip() or None,
            )
            await hub.accounts.audit(auth.actor(me), "device.accept", accepted.device.did)
    except (BadParameter, WrongSignature, NoSuchResource) as error:
        return await _refused(sn, back, error)
    return go(f"{_page_of(back)}?done=accepted-{accepted.outcome}")


def _page_of(back: str) -> str:
    return "/cameras/connect" if back == "/cameras/connect" else "/cameras"


async def _refused(sn: str, back: str, error: HubError) -> Response:
    """The page again, with the reason beside what was entered."""
    form = await request.form
    waiting = next((one for one in auth.services().enrolment.waiting() if one.sn == sn), None)
    if waiting is None:
        return await cameras_page(fault=gettext("That camera does not wait any more."))
    fault = device_fault(error)
    if isinstance(error, WrongSignature):
        reason = " ".join(waiting_reasons(waiting))
        fault = gettext("Not accepted, and nothing was stored. %(reason)s") % {"reason": reason}
    refused = WaitingRow(
        waiting,
        waiting_reasons(waiting),
        fault=fault,
        name=form.get("name", ""),
        key=form.get("key", ""),
        did=form.get("did", ""),
    )
    if _page_of(back) == "/cameras/connect":
        return await connect_page(refused)
    return await cameras_page(refused)
