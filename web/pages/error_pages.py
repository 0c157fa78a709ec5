"""Error pages: what happened, and what to do."""

from __future__ import annotations

import re
from urllib.parse import quote

from msgspec import Struct
from quart import Response, request

from hub.errors import HubError, NoSuchPath, NotAllowed, NotAuthorised, StillStoring
from web import auth
from web.pages.device_errors import DEVICE_ERRORS, describe_change_error
from web.pages.labels import ROLES
from web.pages.language import N_, gettext
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
            "The disk is full or not responding. Free up some space; the hub then recovers by"
            " itself."
        ),
    ),
}
#: Messages of the services that a page can show, by pattern, with their translatable texts. A test
#: finds messages in the source that no pattern matches.
MESSAGE_TEXTS = (
    (r"a wall screen can only look", N_("A wall screen can only show the wall.")),
    (r"no device with did (?P<did>\S+)", N_("There is no camera with the device ID %(did)s.")),
    (r"this camera cannot do that", N_("This camera cannot do that.")),
    (
        r"(this camera|device \S+) has no (door or )?relay",
        N_("No door or relay is set up for this camera."),
    ),
    (r"this camera has no pan and tilt", N_("This camera has no pan and tilt.")),
    (
        r"the light of this camera cannot be set",
        N_("The light of this camera cannot be set."),
    ),
    (r"this camera signs its connects", N_("This camera signs its connection requests.")),
    (r"no device (?P<did>\S+)( with sn .+)?", N_("There is no camera with the device ID %(did)s.")),
    (
        r"no device with sn (?P<sn>.+) is waiting",
        N_("No camera with the serial number %(sn)s is waiting."),
    ),
    (r"there is no record (?P<seq>.+)", N_("There is no record %(seq)s.")),
    (
        r"there is no picture .+ of record (?P<seq>.+)",
        N_("There is no such picture of record %(seq)s."),
    ),
    (
        r"the record (?P<seq>\S+) has no picture of a person",
        N_("Record %(seq)s has no picture of a person."),
    ),
    (r"there is no rule (?P<id>\S+)", N_("There is no rule %(id)s.")),
    (r"no release (?P<id>\S+)", N_("There is no release %(id)s.")),
    (r"no campaign (?P<id>\S+)", N_("There is no campaign %(id)s.")),
    (
        r"only the guard who made this hold, or an administrator, may do that",
        N_("Only the guard who keeps these records, or an administrator, may do that."),
    ),
    (r"no alarm (?P<seq>\S+)", N_("There is no alarm %(seq)s.")),
    (r"there is no job (?P<id>\S+)", N_("There is no job %(id)s.")),
    (r"no plate list (?P<id>\S+)", N_("There is no plate list %(id)s.")),
    (r"no person (?P<pid>.+)", N_("There is no person with the ID %(pid)s in the register.")),
    (r"no photo of a person (?P<pid>.+)", N_("There is no photo of the person %(pid)s.")),
    (r"there is no such report", N_("There is no such report.")),
    (r"no group (?P<id>\S+)", N_("There is no group %(id)s.")),
    (r"there is no API key (?P<appid>.+)", N_("There is no API key %(appid)s.")),
    (r"there is no setting (?P<key>.+)", N_("There is no setting %(key)s.")),
    (r"there is no (address|action) .+", N_("There is no such address.")),
    (
        r"(?P<name>\w+): must be the number of a record",
        N_("%(name)s: must be the number of a record."),
    ),
    (r"this form was sent from another site", N_("This form was sent from another site.")),
    (r"this form is too old.+", N_("This form has expired. Reload the page.")),
)
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
    translated = translate_message(error.message)
    return _ErrorDetail(translated or error.message, is_english=not translated)


def translate_message(message: str) -> str:
    """The message in the language of the request; empty if it has no translation."""
    for pattern, text in MESSAGE_TEXTS:
        if found := re.fullmatch(pattern, message):
            return gettext(text) % found.groupdict()
    return ""


def _ask_to_sign_in() -> Response:
    wanted = request.full_path.rstrip("?") if request.method == "GET" else "/"
    return redirect_to("/sign-in" if wanted == "/" else f"/sign-in?next={quote(wanted)}")
