"""Protection of forms against cross-site request forgery.

A request that changes something must come from our own origin (Sec-Fetch-Site, Origin) and carry a
token that is bound to the session or, before the user signs in, to a separate cookie.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from typing import cast
from urllib.parse import urlsplit

from quart import after_this_request, g, request
from quart.typing import ResponseTypes
from werkzeug.sansio.request import Request as Head

from hub.errors import NotAllowed
from hub.services import Services
from web.auth.current import services
from web.auth.sessions import cookie_name, session_token, session_token_of, set_cookie
from web.quart_app import name_request

_FORM_COOKIE = "sitehub_form"
_FIELD = "csrf_token"
_HEADER = "X-CSRF-Token"


class FormRefused(NotAllowed):
    """Not a form of ours. `is_foreign`: another site has sent it; else it is too old."""

    def __init__(self, message: str, *, is_foreign: bool = False) -> None:
        super().__init__(message)
        self.is_foreign = is_foreign


def csrf_token() -> str:
    """The token that a form sends as `csrf_token`, or a script as `X-CSRF-Token`."""
    return token_for(session_token() or _form_secret())


async def check_csrf(fields: Mapping[str, str] | None = None) -> None:
    """Check that the current request comes from our own page. Raises NotAllowed.

    `fields`: those of a form that was not read by Quart.
    """
    check_origin(request)
    sent = request.headers.get(_HEADER)
    if not sent:
        sent = (await request.form if fields is None else fields).get(_FIELD, "")
    form_secret = request.cookies.get(cookie_name(_FORM_COOKIE, services()), "")
    _check_token(sent, session_token() or form_secret)
    # Not the outcome of a session that has ended.
    if g.get("user") is not None or not session_token():
        name_request(sent, request.query_string)


def check_csrf_header(services: Services, head: Head) -> None:
    """Check the API call of a signed-in user, by its header alone. Raises NotAllowed."""
    check_origin(head)
    _check_token(head.headers.get(_HEADER, ""), session_token_of(services, head))


def token_for(secret: str) -> str:
    """A token that is bound to `secret` but does not reveal it."""
    return hashlib.sha256(b"csrf:" + secret.encode()).hexdigest()


def check_origin(head: Head) -> None:
    """Check that a request comes from our own page, as its browser says. Raises NotAllowed."""
    if not _is_same_origin(head):
        raise FormRefused("this form was sent from another site", is_foreign=True)


def _is_same_origin(head: Head) -> bool:
    site = head.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = head.headers.get("Origin")
    # Browsers send the origin of every form; other clients have no cookie to abuse.
    if origin is None:
        return True
    try:
        return urlsplit(origin).netloc == head.host
    except ValueError:  # Not a URL, such as "http://[".
        return False


def _check_token(sent: str, secret: str) -> None:
    if not secret or not hmac.compare_digest(token_for(secret).encode(), sent.encode()):
        raise FormRefused("this form is too old: load the page again")


def _form_secret() -> str:
    """The secret of a browser that is not signed in; a new one is set by this response."""
    known = request.cookies.get(cookie_name(_FORM_COOKIE, services())) or g.get("form_secret")
    if known:
        return cast(str, known)
    g.form_secret = secret = secrets.token_urlsafe(24)

    @after_this_request
    def set_form_cookie(response: ResponseTypes) -> ResponseTypes:
        set_cookie(response, _FORM_COOKIE, secret, max_age_seconds=None)
        return response

    return secret
