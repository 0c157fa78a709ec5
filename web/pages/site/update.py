"""The update of the hub itself: its file, what it is, installing it, and how earlier ones ended."""

from __future__ import annotations

from msgspec import Struct
from quart import Blueprint, Response, request

from hub.errors import HubError, NotAllowed, TooLarge, UpdateRefused
from hub.reasons import Reason
from hub.services.updates.check import Offer
from hub.update.programs import Candidate, Outcome
from hub.update.update_file import MAX_BYTES
from web import auth, language
from web.forms.update_form import received_update
from web.language import N_, gettext
from web.pages.actors import actor_text
from web.pages.firmware.labels import size_text
from web.pages.labels import reason_text
from web.pages.layout import page, redirect_to, wants_part
from web.pages.site.sections import Section, make_section, sections_page

blueprint = Blueprint("update", __name__, url_prefix="/site/update")

_OBSTACLES = {
    "source": N_(
        "This hub runs from source. Update the source on this computer, then restart the hub."
    ),
    "package": N_(
        "This hub was installed as a Debian package. Install the newer package on this computer: "
        "sudo apt install ./sitehub_VERSION.deb"
    ),
}

_REFUSALS = {
    "format": N_("This is not an update file for this hub. Choose the file that ends in .update."),
    "unsigned": N_(
        "This is not an update file for this hub. Choose the file that ends in .update."
    ),
    "not-sitehub": N_(
        "This is not an update file for this hub. Choose the file that ends in .update."
    ),
    "signature": N_(
        "The signature of the file is not valid. It was not made for this hub, or it was changed."
    ),
    "damaged": N_("The file is damaged or incomplete. Download or copy it again."),
    "platform": N_(
        "The file is for a different type of computer (%(theirs)s). This one needs %(ours)s."
    ),
    "not-newer": N_("Version %(theirs)s is not newer than the installed version %(ours)s."),
    "size": N_("The file is too large. At most %(most)s MB are allowed."),
    "room": N_("Not enough disk space: %(needed)s MB needed, %(free)s MB free."),
    "does-not-work": N_(
        "The new version does not work on this computer: %(why)s. Nothing was changed. Send this "
        "sentence to whoever gave you the file."
    ),
    "cannot-write": N_("The file cannot be saved: %(why)s"),
    "in-progress": N_("Another update is in progress. Wait until it has ended."),
    "no-key": N_(
        "This hub cannot be updated from the browser. On its computer, run: sitehub update FILE"
    ),
}


class OutcomeRow(Struct, frozen=True):
    """One earlier update as the page shows it."""

    outcome: Outcome
    time: str
    who: str
    reason: str


@blueprint.get("/now", role="admin")
async def now() -> Response:
    """The part of the page that changes while an update is installed."""
    return await page("site/_update.html", update=_values())


@blueprint.post("/file", role="admin", check="file")
async def upload() -> Response:
    """Receive and check a file. What it is, is then shown before anything is installed."""
    hub = auth.services()
    try:
        async with received_update() as path:
            await hub.upkeep.updates.check(path)
    except NotAllowed:
        raise
    except HubError as error:
        return await _update_page(describe_update_error(error))
    return redirect_to("/site#version")


@blueprint.post("/install", role="admin")
async def install() -> Response:
    """Install the update that was shown."""
    hub = auth.services()
    offer, form = hub.upkeep.updates.offer, await request.form
    if offer is None or form.get("sha256") != offer.sha256:
        return redirect_to("/site#version")
    faults = [fault.code for fault in hub.upkeep.health.faults()]
    try:
        await hub.upkeep.updates.install(offer, auth.actor(), faults)
    except UpdateRefused as error:
        return await _update_page(describe_update_error(error))
    return redirect_to("/site#version")


@blueprint.post("/discard", role="admin")
async def discard() -> Response:
    await auth.services().upkeep.updates.withdraw()
    return redirect_to("/site#version")


@blueprint.post("/noted", role="admin")
async def note_failure() -> Response:
    """No longer show on every page that the last update failed."""
    try:
        await auth.services().upkeep.updates.note_failure()
    except UpdateRefused as error:
        return await _update_page(describe_update_error(error))
    return redirect_to("/site#version")


async def _update_page(fault: str) -> Response:
    if wants_part():
        return await page("site/_update_form.html", status=400, update=_values(fault))
    return await sections_page(await section(fault), status=400)


async def section(fault: str = "") -> Section:
    """Open while there is something to see or to decide."""
    shown = _values(fault)
    is_open = bool(fault or shown.candidate or shown.offer or shown.failure)
    return await make_section(
        "version",
        gettext("Version"),
        gettext("This hub runs version %(version)s.") % {"version": shown.version},
        "site/_update_section.html",
        is_open=is_open,
        update=shown,
    )


class UpdateView(Struct, frozen=True, kw_only=True):
    """What the templates show. `obstacle`: why no file can be sent here."""

    fault: str
    version: str
    obstacle: str
    candidate: Candidate | None
    offer: Offer | None
    offer_size: str
    failure: Outcome | None
    rows: list[OutcomeRow]
    most_bytes: int
    file_expected: str


def _values(fault: str = "") -> UpdateView:
    updates = auth.services().upkeep.updates
    obstacle = _OBSTACLES.get(updates.obstacle, "")
    if not obstacle and not updates.has_key:
        obstacle = _REFUSALS["no-key"]
    return UpdateView(
        fault=fault,
        version=updates.version,
        obstacle=gettext(obstacle) if obstacle else "",
        candidate=updates.candidate,
        offer=updates.offer,
        offer_size=_size(updates.offer),
        failure=updates.failure,
        rows=[_row(outcome) for outcome in updates.history],
        most_bytes=MAX_BYTES,
        file_expected=_refusal("size", {"most": str(MAX_BYTES // 1024**2)}),
    )


def _size(offer: Offer | None) -> str:
    return "" if offer is None else size_text(offer.size)


def _row(outcome: Outcome) -> OutcomeRow:
    return OutcomeRow(
        outcome=outcome,
        time=language.moment(outcome.at),
        who=actor_text(outcome.by),
        reason=reason_text(Reason(outcome.reason)),
    )


def describe_update_error(error: HubError) -> str:
    """Why a file was not accepted, and what to do."""
    if isinstance(error, UpdateRefused):
        return _refusal(error.reason, error.values) or error.message
    if isinstance(error, TooLarge):
        return _refusal("size", {"most": str(MAX_BYTES // 1024**2)})
    return gettext("The file was not received completely. Choose it and send it again.")


def _refusal(reason: str, values: dict[str, str]) -> str:
    text = _REFUSALS.get(reason)
    return gettext(text) % values if text else ""
