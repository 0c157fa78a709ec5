"""How a request is signed in: a session's cookie, or an integrator's key; and CSRF.

Pages ask for `current_user` or `require_role`, the integrator API for `require_api`, and what
answers it in front of Quart for `caller_of`. Every form that changes something is checked by
`check_csrf`: where the request comes from (Sec-Fetch-Site, Origin), and a token that is bound to
the session, or before a sign-in to a cookie of its own.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from typing import cast
from urllib.parse import urlsplit

from hypercorn.typing import HTTPScope
from msgspec import Struct
from quart import Quart, Response, after_this_request, current_app, g, request
from quart.typing import ResponseTypes
from werkzeug.datastructures import Headers
from werkzeug.sansio.request import Request as Head

from hub.errors import BadParameter, NotAllowed, NotAuthorised, WrongSignature
from hub.services import Services
from hub.services.access.api_keys import ApiKey
from hub.services.access.audit import Actor
from hub.services.access.sessions import MAX_AGE_MS
from hub.services.access.users import Role, User
from hub.services.access.validation import ROLES
from hub.wire.signing import body_md5

_SERVICES = "sitehub"
_SESSION = "sitehub_session"
_FORM = "sitehub_form"
_CSRF_FIELD = "csrf_token"
_CSRF_HEADER = "X-CSRF-Token"


class RoleMissing(NotAllowed):
    """A page says the role in its own words."""

    def __init__(self, role: Role) -> None:
        super().__init__(f"this needs the role {role}")
        self.role = role


class Caller(Struct, frozen=True):
    """Who calls the API, and from where."""

    who: User | ApiKey
    address: str

    @property
    def actor(self) -> Actor:
        if isinstance(self.who, ApiKey):
            return Actor(f"key {self.who.appid}", self.address)
        return Actor(f"user {self.who.name}", self.address)

    @property
    def sender(self) -> str:
        """Whose part of the budget of uploads it is."""
        return self.who.appid if isinstance(self.who, ApiKey) else self.who.name


def install(app: Quart, services: Services) -> None:
    """Give the views of `app` the services; once, when the app is made."""
    app.extensions[_SERVICES] = services


def services() -> Services:
    return cast(Services, current_app.extensions[_SERVICES])


def client_address() -> str:
    client = request.scope.get("client")
    return str(client[0]) if client else ""


def actor(user: User) -> Actor:
    return Actor(f"user {user.name}", client_address())


# Sessions


def session_token() -> str:
    """The token of the request's cookie; empty where there is none."""
    return _session_token(services(), request)


def _session_token(services: Services, head: Head) -> str:
    return head.cookies.get(_cookie_name(_SESSION, services), "")


async def user_of(services: Services, head: Head) -> User | None:
    """Whoever is signed in by the cookie of that head."""
    token = _session_token(services, head)
    return await services.sessions.user_of(token) if token else None


async def current_user() -> User | None:
    """Whoever is signed in by cookie; asked once a request."""
    if "user" not in g:
        g.user = await user_of(services(), request)
    return cast("User | None", g.user)


async def require_role(role: Role) -> User:
    """The signed-in user, who has `role` or a higher one.

    Raises NotAuthorised where nobody is signed in, NotAllowed where the role does not reach.
    """
    user = await current_user()
    if user is None:
        raise NotAuthorised("sign in first")
    check_role(user, role)
    return user


def check_role(user: User, role: Role) -> None:
    """Raises NotAllowed where the role of `user` does not reach."""
    if not reaches(user, role):
        raise RoleMissing(role)


def reaches(user: User, role: Role) -> bool:
    """Whether `user` may do what `role` may: an administrator what a guard may, and so on."""
    return ROLES.index(user.role) <= ROLES.index(role)


def remember(response: Response, token: str) -> None:
    """Set the cookie of a new session."""
    _set_cookie(response, _SESSION, token, max_age=MAX_AGE_MS // 1000)


def forget(response: Response) -> None:
    """Take the session's cookie away."""
    _set_cookie(response, _SESSION, "", max_age=0)


# CSRF


def csrf_token() -> str:
    """What a form sends along as `csrf_token`, or a script as `X-CSRF-Token`."""
    return _token_for(session_token() or _form_cookie())


async def check_csrf(fields: Mapping[str, str] | None = None) -> None:
    """Raises NotAllowed where the request may not come from our own page.

    `fields` are those of a form that Quart did not read.
    """
    _check_origin(request)
    sent = request.headers.get(_CSRF_HEADER)
    if not sent:
        sent = (await request.form if fields is None else fields).get(_CSRF_FIELD, "")
    _check_token(sent, session_token() or request.cookies.get(_cookie_name(_FORM), ""))


def _check_origin(head: Head) -> None:
    if not _is_from_here(head):
        raise NotAllowed("this form was sent from another site")


def _check_token(sent: str, secret: str) -> None:
    if not secret or not hmac.compare_digest(_token_for(secret).encode(), sent.encode()):
        raise NotAllowed("this form is too old: load the page again")


def _is_from_here(head: Head) -> bool:
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


def _token_for(secret: str) -> str:
    return hashlib.sha256(b"csrf:" + secret.encode()).hexdigest()


def _form_cookie() -> str:
    """The secret of a browser that is not signed in; made and set with this very answer."""
    known = request.cookies.get(_cookie_name(_FORM)) or g.get("form_secret")
    if known:
        return cast(str, known)
    g.form_secret = made = secrets.token_urlsafe(24)

    @after_this_request
    def set_form_cookie(response: ResponseTypes) -> ResponseTypes:
        _set_cookie(response, _FORM, made, max_age=None)
        return response

    return made


def _cookie_name(name: str, of: Services | None = None) -> str:
    # The prefix keeps a neighbour on a sibling domain from planting one; it demands TLS.
    return f"__Host-{name}" if (of or services()).config.web.tls else name


def _set_cookie(response: ResponseTypes, name: str, value: str, *, max_age: int | None) -> None:
    response.set_cookie(
        _cookie_name(name),
        value,
        max_age=max_age,
        path="/",
        secure=services().config.web.tls,
        httponly=True,
        samesite="Lax",
    )


# The API


async def require_api(*, write: bool = False, role: Role = "viewer") -> Caller:
    """Who calls: a key by Bearer or by the signature of 三, or a signed-in user (`caller_of`).

    By the head alone: the view that reads the body has it checked by `check_signed_body`.
    """
    refuse_repeated_parameters(request)
    return await caller_of(services(), request, client_address(), write=write, role=role)


def head_of(scope: HTTPScope) -> Head:
    """The head of a request that has not reached Quart."""
    return Head(
        scope["method"],
        scope["scheme"],
        # ASGI may leave this out, and the client.
        scope.get("server"),
        "",
        scope["path"],
        scope["query_string"],
        Headers([(n.decode("latin-1"), v.decode("latin-1")) for n, v in scope["headers"]]),
        address_of(scope),
    )


def address_of(scope: HTTPScope) -> str:
    client = scope.get("client")
    return client[0] if client else ""


async def caller_of(
    services: Services, head: Head, address: str, *, write: bool, role: Role
) -> Caller:
    """Who calls, by the head of a request alone; of a signed one the body is to be checked too.

    A user needs `role`, and to write the CSRF token in the header; a read-only key may not write.
    Raises NotAuthorised, NotAllowed, InvalidAppId, WrongSignature.
    """
    if authorization := head.headers.get("Authorization"):
        return key_of(services, authorization, address, write=write)
    if is_signed(head):
        key = services.api_keys.authenticate_signed(head.args.to_dict())
        return _checked(key, address, write=write)
    user = await user_of(services, head)
    if user is None:
        raise NotAuthorised("an API key, or a signed-in user, is needed")
    check_role(user, role)
    if write:
        _check_origin(head)
        _check_token(head.headers.get(_CSRF_HEADER, ""), _session_token(services, head))
    return Caller(user, address)


def key_of(services: Services, authorization: str, address: str, *, write: bool) -> Caller:
    """The key of an Authorization header. Raises NotAuthorised, NotAllowed."""
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise NotAuthorised("Authorization: only Bearer APPID:SECRET is known")
    key = services.api_keys.authenticate(credentials.strip())
    return _checked(key, address, write=write)


def is_signed(head: Head) -> bool:
    """Whether it is the signature of 三 that tells who calls."""
    by_header = bool(head.headers.get("Authorization"))
    return not by_header and ("appid" in head.args or "sign" in head.args)


def check_signed_body(head: Head, body: bytes) -> None:
    """三 signs parameters only: a body is bound to them by its MD5. Raises WrongSignature."""
    if body:
        signed_body_md5(head)
    if "body_md5" in head.args:
        check_body_md5(head, body_md5(body))


def signed_body_md5(head: Head) -> str:
    """What a signed request says of its body. Raises WrongSignature."""
    signed = head.args.get("body_md5")
    if signed is None:
        raise WrongSignature("body_md5: missing; sign it along with the other parameters")
    return signed


def check_body_md5(head: Head, found: str) -> None:
    """`found` is upper-case hex. Raises WrongSignature."""
    if not hmac.compare_digest(found.encode(), signed_body_md5(head).encode()):
        raise WrongSignature("body_md5: does not fit the body")


def _checked(key: ApiKey, address: str, *, write: bool) -> Caller:
    if write and key.read_only:
        raise NotAllowed("this API key is read-only")
    return Caller(key, address)


def refuse_repeated_parameters(head: Head) -> None:
    """A parameter given twice says nothing, and could be signed as one and read as the other."""
    for name, values in head.args.lists():
        if len(values) > 1:
            raise BadParameter("given more than once", field=name)
