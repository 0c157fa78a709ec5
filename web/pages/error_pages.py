"""Error pages: what happened, and what to do."""

from __future__ import annotations

from urllib.parse import quote

from msgspec import Struct
from quart import Response, request

from hub.errors import (
    HubError,
    Missing,
    MissingKind,
    NoSuchPath,
    NotAllowed,
    NotAuthorised,
    StillStoring,
)
from web import auth
from web.language import N_, gettext
from web.pages.device_errors import DEVICE_ERRORS, describe_change_error
from web.pages.faults import Forbidden, NotASeq, NotHere
from web.pages.labels import ROLES
from web.pages.layout import local_path, page, redirect_to


class _ErrorText(Struct, frozen=True):
    title: str
    advice: str


_ERROR_TEXTS = {
    400: _ErrorText(
        N_("The request is not valid"),
        N_("Go back, check your entries and submit again."),
    ),
    403: _ErrorText(
        N_("Not allowed"),
        N_(
            "The form has expired or came from another site. Go back, reload the page and try"
            " again."
        ),
    ),
    404: _ErrorText(
        N_("Page not found"),
        N_("The address is wrong, or the item has been removed or is past its retention period."),
    ),
    413: _ErrorText(
        N_("Too large"),
        N_("The upload is larger than the hub accepts here. Choose a smaller file."),
    ),
    429: _ErrorText(
        N_("Too many attempts"),
        N_("Wait a minute, then try again."),
    ),
    500: _ErrorText(
        N_("Something went wrong"),
        N_("The hub is still running, and its log has the details. Try again."),
    ),
    503: _ErrorText(
        N_("Data cannot be saved at the moment"),
        N_(
            "The disk is full or not responding. Free up some space; the hub then recovers "
            "automatically."
        ),
    ),
}
#: What a page says is missing, for each kind of hub.errors.MISSING.
MISSING_TEXTS: dict[MissingKind, str] = {
    "device": N_("There is no camera with the device ID %(did)s."),
    "waiting device": N_("No camera with the serial number %(sn)s is waiting."),
    "relay": N_("No door or relay is set up for this camera."),
    "record": N_("There is no record %(seq)s."),
    "picture": N_("There is no such picture of record %(seq)s."),
    "alarm": N_("There is no alarm %(seq)s."),
    "plate list": N_("There is no plate list %(id)s."),
    "person": N_("There is no person with the ID %(pid)s in the register."),
    "photo": N_("There is no photo of the person %(pid)s."),
    "group": N_("There is no group %(id)s."),
    "job": N_("There is no job %(id)s."),
    "release": N_("There is no release %(id)s."),
    "campaign": N_("There is no campaign %(id)s."),
}
_SIMILAR_STATUS = {401: 403, 405: 404, 408: 400, 409: 400, 415: 400, 422: 400, 504: 503}


async def error_page(error: Exception, status: int) -> Response:
    """The page for an error that no view handled."""
    if isinstance(error, NotAuthorised) and not isinstance(error, NotAllowed):
        return _ask_to_sign_in()
    text = _ERROR_TEXTS.get(status) or _ERROR_TEXTS[_SIMILAR_STATUS.get(status, 500)]
    title, advice = gettext(text.title), gettext(text.advice)
    if isinstance(error, auth.RoleMissing):
        advice = gettext(
            "This requires the role “%(role)s”. Ask an administrator, or sign in as a "
            "different user."
        ) % {"role": gettext(ROLES[error.role])}
    if isinstance(error, StillStoring) and request.method != "GET":
        title, advice = (
            gettext("The change is not complete yet"),
            gettext(
                "The disk is not responding. The change goes on, and takes effect as soon as the"
                " disk responds. Go back and submit again to see the outcome: nothing is done"
                " twice."
            ),
        )
    if isinstance(error, DEVICE_ERRORS):
        title, advice = (
            gettext("The camera did not carry out the request"),
            describe_change_error(error),
        )
    return await page(
        "error.html",
        status=status,
        title=title,
        advice=advice,
        number=status,
        detail=_describe_detail(error, status),
        again=local_path(request.full_path.rstrip("?")) if _may_pass(status) else "",
    )


def _may_pass(status: int) -> bool:
    """Whether the same address may open a moment later. A form would not be sent again."""
    return status in (429, 500, 503) and request.method == "GET"


class _ErrorDetail(Struct, frozen=True):
    """`is_english`: the text has no translation."""

    text: str
    is_english: bool


def _describe_detail(error: Exception, status: int) -> _ErrorDetail | None:
    """The message of the error, translated if possible."""
    if not isinstance(error, HubError) or status >= 500:
        return None
    if isinstance(error, (*DEVICE_ERRORS, auth.RoleMissing)):
        return None
    if isinstance(error, NoSuchPath):
        return None  # The page is not found: its title says so.
    sentence = _sentence(error)
    return _ErrorDetail(sentence or error.message, is_english=not sentence)


def _sentence(error: HubError) -> str:
    """What happened in the language of the request; empty if there is no translation."""
    match error:
        case Missing():
            return gettext(MISSING_TEXTS[error.kind]) % error.facts
        case NotHere() | Forbidden():
            return error.message
        case NotASeq():
            text = gettext("%(name)s: must be the number of a record.")
            return text % {"name": error.field}
        case auth.FormRefused(is_foreign=True):
            return gettext("This form was sent from another site.")
        case auth.FormRefused():
            return gettext("This form has expired. Reload the page.")
    return ""


def _ask_to_sign_in() -> Response:
    wanted = request.full_path.rstrip("?") if request.method == "GET" else "/"
    return redirect_to("/sign-in" if wanted == "/" else f"/sign-in?next={quote(wanted)}")
