"""Accept a pending device on the page that lists it, and check a code beforehand."""

from __future__ import annotations

import msgspec
from msgspec import Struct
from quart import Blueprint, Response, request
from werkzeug.datastructures import MultiDict

from hub.errors import (
    BadParameter,
    DeviceNonsense,
    HubError,
    NoSuchResource,
    TooManyRequests,
    WrongSignature,
)
from hub.services.admission.enrolment import CodeCheck
from hub.services.admission.unsigned.approval import NotConnected
from hub.services.audit import Actor
from web import auth
from web.forms.key_field import read_key
from web.language import gettext
from web.pages.cameras.arrivals import accepted_note
from web.pages.cameras.connect import connect_page
from web.pages.cameras.pending_list import (
    PendingRow,
    make_pending_row,
    page_url,
    pending_list,
    read_back,
)
from web.pages.cameras.replace import replace_page
from web.pages.cameras.views import cameras_page
from web.pages.labels import describe_field_error, reason_sentence
from web.pages.layout import page, redirect_to

blueprint = Blueprint("accept", __name__, url_prefix="/cameras")


class CodeCheckResult(Struct, frozen=True):
    """The text below a code: whether it fits, and other reasons why the camera is refused."""

    fits: bool
    text: str
    more: str = ""


@blueprint.get("/waiting", role="viewer")
async def waiting() -> Response:
    return await page(
        "cameras/_pending.html", pending=pending_list(read_back(request.args.get("back", "")))
    )


@blueprint.get("/accepted", role="admin")
async def accepted() -> Response:
    """The note about a camera that was just accepted, as it is now."""
    return await page("cameras/_accepted.html", accepted=accepted_note())


@blueprint.post("/check", role="admin")
async def check() -> Response:
    """Check a code while it is typed, for the page's script. Stores nothing."""
    form = await request.form
    try:
        result = auth.services().cameras.enrolment.check_code(
            form.get("sn", "").strip(),
            form.get("code", "").strip(),
            form.get("key", "").strip() or None,
        )
    except (BadParameter, NoSuchResource) as error:
        return _json(CodeCheckResult(False, _describe_check_error(error)))
    except TooManyRequests as error:
        return _json(CodeCheckResult(False, ""), error.status)
    return _json(_make_result(result))


@blueprint.post("/accept", role="admin")
async def accept() -> Response:
    form = await request.form
    sn, back = form.get("sn", ""), form.get("back", "")
    hub = auth.services()
    if (question := _doubt(form)) is not None:
        return await _ask_again(sn, back, question)
    try:
        replaced = _sn_of(form.get("replaces", "").strip())
        accepted = await hub.cameras.enrolment.accept(
            sn,
            form.get("code", "").strip(),
            key=await read_key() or None,
            name=form.get("name", "").strip(),
            did=form.get("did", "").strip() or None,
            replaces=form.get("replaces", "").strip() or None,
        )
        did = accepted.device.did
        await hub.core.audit.add(auth.actor(), "device.accept", did)
    except NotConnected:
        return await _expect(form, auth.actor())
    except (BadParameter, WrongSignature, NoSuchResource, DeviceNonsense) as error:
        return await _show_refusal(sn, back, error)
    since = str(int(hub.core.clock.shown_time() * 1000)) if replaced else ""
    done = f"accepted-{accepted.outcome}"
    if accepted.device.connects == "unsigned":
        done = "accepted-unsigned"
    note = {"done": done, "did": did, "replaced": replaced, "since": since}
    return redirect_to(page_url(read_back(back), **note))


async def _expect(form: MultiDict[str, str], by: Actor) -> Response:
    """Approve a camera that is not connected at this moment, as soon as it is (D12)."""
    sn, back, hub = form.get("sn", ""), form.get("back", ""), auth.services()
    try:
        hub.cameras.enrolment.expect(
            sn,
            form.get("code", "").strip(),
            name=form.get("name", "").strip(),
            did=form.get("did", "").strip() or None,
            replaces=form.get("replaces", "").strip() or None,
            by=by,
        )
    except (BadParameter, NoSuchResource) as error:
        return await _show_refusal(sn, back, error)
    await hub.core.audit.add(by, "device.expect", sn)
    return redirect_to(page_url(read_back(back), done="approval-waits"))


def _doubt(form: MultiDict[str, str]) -> str | None:
    """What to ask before a camera is replaced that works; None if there is nothing to ask."""
    try:
        device = auth.services().cameras.devices.get(form.get("replaces", "").strip())
    except NoSuchResource:
        return None
    if device.state != "online" or form.get("although_online") == device.did:
        return None
    text = gettext("%(name)s is online. Replace it anyway?")
    return text % {"name": device.name or device.sn}


def _sn_of(did: str) -> str:
    """The serial number of the camera to be replaced; "" without one."""
    try:
        return auth.services().cameras.devices.get(did).sn if did else ""
    except NoSuchResource:
        return ""  # accept() says so.


async def _ask_again(sn: str, back: str, question: str) -> Response:
    """Show the form of a replacement again, with a question."""
    waiting = auth.services().cameras.enrolment.last_attempt(sn)
    if waiting is None:
        return await cameras_page(fault=gettext("That camera is no longer asking to connect."))
    form = await request.form
    row = make_pending_row(waiting, key=await read_key(), **_entered(form))
    return await replace_page(row, read_back(back), question=question)


def _entered(form: MultiDict[str, str]) -> dict[str, str]:
    """What is shown again in the form, besides the key."""
    return {name: form.get(name, "") for name in ("code", "name", "did", "replaces")}


async def _show_refusal(sn: str, back: str, error: HubError) -> Response:
    """Show the page again, with the reason beside the form."""
    form = await request.form
    waiting = auth.services().cameras.enrolment.last_attempt(sn)
    if waiting is None:
        return await cameras_page(fault=gettext("That camera is no longer asking to connect."))
    fault = describe_field_error(error)
    if isinstance(error, NoSuchResource):
        fault = gettext("The camera to be replaced does not exist.")
    if isinstance(error, BadParameter) and error.field == "did" and form.get("replaces"):
        fault = gettext(
            "Leave the device ID blank: the camera takes over the ID of the one it replaces."
        )
    if isinstance(error, WrongSignature | DeviceNonsense):
        # That it has no signature is said above the form, and is not why the code is refused.
        refused_for = [one for one in waiting.reasons if one.code != "unsigned"]
        reason = " ".join(map(reason_sentence, refused_for or waiting.reasons))
        fault = gettext("The camera was not accepted, and nothing was saved. %(reason)s") % {
            "reason": reason
        }
    key = await read_key()
    field = error.field if isinstance(error, BadParameter) else ""
    if not (key or auth.services().cameras.devices.site_key() or waiting.may_be_unsigned):
        field = "key"  # without one, no code can be right
    refused: PendingRow = make_pending_row(
        waiting, fault=fault, field=field, key=key, **_entered(form)
    )
    if "replaces" in form:
        return await replace_page(refused, read_back(back))
    if read_back(back) != "/cameras":
        return await connect_page(refused)
    return await cameras_page(refused)


def _make_result(result: CodeCheck) -> CodeCheckResult:
    sentences = [reason_sentence(reason) for reason in result.reasons]
    if result.outcome == "fits":
        return CodeCheckResult(True, gettext("Code is correct."), " ".join(sentences))
    return CodeCheckResult(False, " ".join(sentences))


def _describe_check_error(error: HubError) -> str:
    if isinstance(error, NoSuchResource):
        return gettext(
            "This camera has not tried to connect recently, so the code cannot be checked."
        )
    return describe_field_error(error)


def _json(answer: CodeCheckResult, status: int = 200) -> Response:
    return Response(msgspec.json.encode(answer), status, content_type="application/json")
