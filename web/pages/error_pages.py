"""Pages for what went wrong: what happened, and what to do."""

from __future__ import annotations

import re
from urllib.parse import quote

from msgspec import Struct
from quart import Response, request

from hub.errors import HubError, NotAllowed, NotAuthorised
from web import auth
from web.pages.device_errors import DEVICE_ERRORS, change_trouble
from web.pages.labels import ROLES
from web.pages.language import N_, gettext
from web.pages.layout import go, page


class _Text(Struct, frozen=True):
    title: str
    advice: str


_TEXTS = {
    400: _Text(
        N_("That could not be understood"),
        N_("Go back, check what you entered, and send it again."),
    ),
    403: _Text(
        N_("Not allowed"),
        N_("The page was too old, or came from elsewhere. Go back, load it again, and repeat."),
    ),
    404: _Text(
        N_("Nothing is here"),
        N_("The address is wrong, or what it showed was removed or is older than what is kept."),
    ),
    413: _Text(
        N_("Too large"),
        N_("What was sent is larger than the hub takes here. Send a smaller file."),
    ),
    429: _Text(
        N_("Too many attempts"),
        N_("Wait a minute, then try again."),
    ),
    500: _Text(
        N_("The hub made a mistake"),
        N_("It goes on working, and the details are in its log. Try again."),
    ),
    503: _Text(
        N_("Nothing can be stored now"),
        N_("The disk is full or does not answer. Free some space; the hub goes on by itself."),
    ),
}
#: What a person at a page can cause, in the words of the services and in ours.
_DETAILS = tuple(
    (re.compile(said), text)
    for said, text in (
        (r"no device with did (?P<did>.+)", N_("There is no camera with the number %(did)s.")),
        (
            r"no device with sn (?P<sn>.+) waits",
            N_("No camera with the serial number %(sn)s waits."),
        ),
        (r"there is no record (?P<seq>.+)", N_("There is no record %(seq)s.")),
        (
            r"there is no picture .+ of record (?P<seq>.+)",
            N_("There is no such picture of record %(seq)s."),
        ),
        (r"no release (?P<id>.+)", N_("There is no release %(id)s.")),
        (r"no campaign (?P<id>.+)", N_("There is no campaign %(id)s.")),
        (
            r"(?P<name>\w+): the number of a record",
            N_("%(name)s: the number of a record is expected."),
        ),
        (r"this form was sent from another site", N_("This form was sent from another site.")),
        (r"this form is too old.+", N_("This form is too old. Load the page again.")),
    )
)
_NEAREST = {401: 403, 405: 404, 408: 400, 409: 400, 415: 400, 422: 400, 504: 503}


async def error_page(error: Exception, status: int) -> Response:
    """The page for an error that no view caught."""
    if isinstance(error, NotAuthorised) and not isinstance(error, NotAllowed):
        return _ask_to_sign_in()
    text = _TEXTS.get(status) or _TEXTS[_NEAREST.get(status, 500)]
    title, advice = gettext(text.title), gettext(text.advice)
    if isinstance(error, auth.RoleMissing):
        advice = gettext(
            "This needs the role %(role)s. Ask an administrator of this site, or sign in as "
            "somebody else."
        ) % {"role": gettext(ROLES[error.role])}
    if isinstance(error, DEVICE_ERRORS):
        title, advice = gettext("The camera did not do it"), change_trouble(error)
    return await page(
        "error.html",
        status=status,
        title=title,
        advice=advice,
        number=status,
        detail=_detail(error, status),
    )


class _Detail(Struct, frozen=True):
    """`is_english`: for whoever reads that, whatever the language of the page."""

    text: str
    is_english: bool


def _detail(error: Exception, status: int) -> _Detail | None:
    """What a person learns further."""
    if not isinstance(error, HubError) or status >= 500:
        return None
    if isinstance(error, (*DEVICE_ERRORS, auth.RoleMissing)):
        return None
    for said, text in _DETAILS:
        if found := said.fullmatch(error.message):
            return _Detail(gettext(text) % found.groupdict(), is_english=False)
    return _Detail(error.message, is_english=True)


def _ask_to_sign_in() -> Response:
    wanted = request.full_path.rstrip("?") if request.method == "GET" else "/"
    return go("/sign-in" if wanted == "/" else f"/sign-in?next={quote(wanted)}")
