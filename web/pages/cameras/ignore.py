"""Ignore the connection attempts of a camera that is not wanted, and show them again."""

from __future__ import annotations

from msgspec import Struct
from quart import Blueprint, Response, request

from hub.errors import BadParameter, NoSuchResource
from hub.live.pending_devices import PendingDevice
from web import auth
from web.pages.cameras.pending_list import page_url, read_back
from web.pages.layout import redirect_to

blueprint = Blueprint("ignore", __name__, url_prefix="/cameras/ignored")


class IgnoredRow(Struct, frozen=True):
    """`waiting`: its last attempt, if that was within the last hour."""

    sn: str
    waiting: PendingDevice | None


def ignored_rows() -> list[IgnoredRow]:
    enrolment = auth.services().cameras.enrolment
    return [IgnoredRow(sn, enrolment.last_attempt(sn)) for sn in enrolment.ignored.sns()]


@blueprint.post("", role="admin")
async def ignore() -> Response:
    form, hub = await request.form, auth.services()
    sn, back = form.get("sn", ""), read_back(form.get("back", ""))
    if hub.cameras.enrolment.last_attempt(sn) is None:
        return redirect_to(back)  # It has been accepted or has given up meanwhile.
    try:
        await hub.cameras.enrolment.ignored.add(sn)
    except BadParameter:
        return redirect_to(back)
    await hub.core.audit.add(auth.actor(), "device.ignore", sn)
    return redirect_to(page_url(back, done="attempt-ignored"))


@blueprint.post("/remove", role="admin")
async def stop_ignoring() -> Response:
    hub, sn = auth.services(), (await request.form).get("sn", "")
    try:
        await hub.cameras.enrolment.ignored.remove(sn)
    except NoSuchResource:
        return redirect_to("/cameras/connect")
    await hub.core.audit.add(auth.actor(), "device.show-attempts", sn)
    return redirect_to("/cameras/connect?done=attempt-shown#ignored")
