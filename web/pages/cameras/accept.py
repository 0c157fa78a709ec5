"""Accepting a camera that knocks, on the page where one sees it, and trying a code before."""

from __future__ import annotations

import msgspec
from msgspec import Struct
from quart import Blueprint, Response, request

from hub.errors import BadParameter, HubError, NoSuchResource, TooManyRequests, WrongSignature
from hub.services.devices.enrolment import CodeCheck
from hub.services.shielding import shielded
from web import auth
from web.pages.cameras.cameras import cameras_page
from web.pages.cameras.connect import connect_page
from web.pages.cameras.waiting import WaitingRow, knocks, waiting_row
from web.pages.labels import device_fault, reason_sentence, waiting_reasons
from web.pages.language import gettext
from web.pages.layout import go, page

blueprint = Blueprint("accept", __name__, url_prefix="/cameras")


class CheckAnswer(Struct, frozen=True):
    """What a page shows below a code: whether it fits, and what keeps the camera out besides."""

    fits: bool
    text: str
    more: str = ""


@blueprint.get("/waiting")
async def waiting() -> Response:
    await auth.require_role("viewer")
    return await page(
        "cameras/_waiting.html", knocks=knocks(_page_of(request.args.get("back", "")))
    )


@blueprint.post("/check")
async def check() -> Response:
    """For the page's script, while a code is being typed. Nothing is stored."""
    await auth.require_role("admin")
    await auth.check_csrf()
    form = await request.form
    try:
        found = auth.services().enrolment.check_code(
            form.get("sn", "").strip(),
            form.get("code", "").strip(),
            form.get("key", "").strip() or None,
        )
    except (BadParameter, NoSuchResource) as error:
        return _json(CheckAnswer(False, _trouble(error)))
    except TooManyRequests as error:
        return _json(CheckAnswer(False, ""), error.status)
    return _json(_answer(found))


@blueprint.post("/accept")
async def accept() -> Response:
    me = await auth.require_role("admin")
    await auth.check_csrf()
    form = await request.form
    sn, back = form.get("sn", ""), form.get("back", "")
    hub = auth.services()
    try:
        with shielded():
            accepted = await hub.enrolment.accept(
                sn,
                form.get("code", "").strip(),
                key=form.get("key", "").strip() or None,
                name=form.get("name", "").strip(),
                did=form.get("did", "").strip() or None,
                replaces=form.get("replaces", "").strip() or None,
            )
            did = accepted.device.did
            await hub.audit.add(auth.actor(me), "device.accept", did)
    except (BadParameter, WrongSignature, NoSuchResource) as error:
        return await _refused(sn, back, error)
    return go(f"{_page_of(back)}?done=accepted-{accepted.outcome}&did={did}")


def _page_of(back: str) -> str:
    return "/cameras/connect" if back == "/cameras/connect" else "/cameras"


async def _refused(sn: str, back: str, error: HubError) -> Response:
    """The page again, with the reason beside what was entered."""
    form = await request.form
    waiting = next((one for one in auth.services().enrolment.waiting() if one.sn == sn), None)
    if waiting is None:
        return await cameras_page(fault=gettext("That camera is no longer waiting."))
    fault = device_fault(error)
    if isinstance(error, NoSuchResource):
        fault = gettext("The camera to be replaced does not exist.")
    if isinstance(error, BadParameter) and error.field == "did" and form.get("replaces"):
        fault = gettext(
            "Leave the device ID (did) empty: the camera keeps the ID of the one it replaces."
        )
    if isinstance(error, WrongSignature):
        reason = " ".join(waiting_reasons(waiting))
        fault = gettext("The camera was not accepted, and nothing was saved. %(reason)s") % {
            "reason": reason
        }
    entered = {name: form.get(name, "") for name in ("name", "key", "did", "replaces")}
    refused: WaitingRow = waiting_row(waiting, fault=fault, **entered)
    if _page_of(back) == "/cameras/connect":
        return await connect_page(refused)
    return await cameras_page(refused)


def _answer(found: CodeCheck) -> CheckAnswer:
    sentences = [reason_sentence(reason) for reason in found.reasons]
    if found.outcome == "fits":
        return CheckAnswer(True, gettext("Matches the camera's signature."), " ".join(sentences))
    return CheckAnswer(False, " ".join(sentences))


def _trouble(error: HubError) -> str:
    if isinstance(error, NoSuchResource):
        return gettext(
            "This camera has not tried to connect recently, so the code cannot be checked."
        )
    return device_fault(error)


def _json(answer: CheckAnswer, status: int = 200) -> Response:
    return Response(msgspec.json.encode(answer), status, content_type="application/json")
